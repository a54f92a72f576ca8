"""The command line against a node on a real volume group: images, adoption, and PersistentVolumes again."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from drivers.model import MIB
from tests.integration import files
from tests.integration.calls import PATIENCE
from tests.integration.conftest import POOL
from tests.integration.served import Served, lvm

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

LAYOUTS = ["thin", "linear"]
SIZE = 24 * MIB
MINE = "mine"


def command(served: Served, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "csi", *arguments, "--endpoint", served.endpoint]


def run(served: Served, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``hearth``, however it ends."""
    return subprocess.run(
        command(served, *arguments), check=False, capture_output=True, text=True, timeout=PATIENCE
    )


def hearth(served: Served, *arguments: str) -> str:
    """What ``hearth`` prints."""
    ended = run(served, *arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def listed(served: Served, *words: str) -> list[dict[str, Any]]:
    """What a list command lists."""
    found: list[dict[str, Any]] = json.loads(hearth(served, *words, "--output", "json"))
    return found


def changes(served: Served) -> str:
    """Grows with every change of the volume group."""
    return lvm("vgs", "--noheadings", "--options", "vg_seqno", served.group).strip()


def names(served: Served) -> list[str]:
    return lvm("lvs", "--noheadings", "--options", "lv_name", served.group).split()


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    path.write_bytes(files.content("image", SIZE - 5))
    return path


@pytest.fixture(params=LAYOUTS)
def mine(request: pytest.FixtureRequest, served: Served) -> Iterator[Path]:
    """The device of a volume that an administrator made, with files in it."""
    where = ["-V", "64m", "-T", f"{served.group}/{POOL}"]
    if request.param == "linear":
        where = ["-L", "64m", served.group]
    lvm("lvcreate", "--yes", "-n", MINE, *where)
    device = Path("/dev/mapper") / f"{served.group.replace('-', '--')}-{MINE}"
    subprocess.run(["mkfs.ext4", "-q", device], check=True)
    try:
        yield device
    finally:
        lvm("lvremove", "--yes", f"{served.group}/{MINE}")


def create(served: Served, image: Path, *more: str) -> list[str]:
    """The words that make a volume of the image."""
    sha256 = digest(image)
    return ["volume", "create", "golden", "--image", str(image), "--sha256", sha256, *more]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_image_goes_in_and_comes_out(
    served: Served, image: Path, tmp_path: Path, layout: str
) -> None:
    words = create(served, image, "--option", f"layout={layout}", "--pv-name", "pv-golden")
    before = changes(served)
    assert "would make a volume" in hearth(served, *words, "--dry-run")
    assert changes(served) == before
    hearth(served, *words)
    hearth(served, *words)
    [volume] = listed(served, "volume", "list")
    assert (volume["size"], volume["content"]) == (SIZE, "formatted")
    copy = tmp_path / "copy.raw"
    said = hearth(served, "volume", "upload-to-image", "pv-golden", str(copy))
    assert said == f"{digest(copy)}  {copy}\n"
    assert copy.read_bytes() == image.read_bytes() + bytes(5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_image_of_another_digest_leaves_nothing(
    served: Served, image: Path, layout: str
) -> None:
    words = create(served, image, "--option", f"layout={layout}")
    with image.open("ab") as file:
        file.write(b"x")
    ended = run(served, *words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "nothing of it is used" in ended.stderr
    served.drain()
    assert names(served) == [POOL]


def test_a_copy_that_breaks_off_leaves_nothing_and_one_that_is_killed_is_finished(
    served: Served, image: Path
) -> None:
    words = create(served, image, "--image-size", str(SIZE - 5))
    words[words.index(str(image))] = "-"
    ended(begun(served, words, image), "kill")
    until(lambda: served.volumes() == {})
    served.drain()
    assert names(served) == [POOL]
    half = begun(served, words, image)
    served.kill()
    assert ended(half) == 1
    served.start()
    [orphan] = listed(served, "orphan", "list")
    assert orphan["reason"] == "partial"
    with image.open("rb") as file:
        subprocess.run(command(served, *words), check=True, stdin=file, timeout=PATIENCE)
    [volume] = listed(served, "volume", "list")
    assert (volume["id"], volume["content"]) == (orphan["id"], "formatted")
    assert listed(served, "orphan", "list") == []


def begun(served: Served, words: list[str], image: Path) -> subprocess.Popen[bytes]:
    """A copy of which only the first part has come."""
    copying = subprocess.Popen(command(served, *words), stdin=subprocess.PIPE)
    assert copying.stdin is not None
    copying.stdin.write(image.read_bytes()[: 4 * MIB])
    copying.stdin.flush()
    until(lambda: any(each["partial"] for each in listed(served, "volume", "list")))
    return copying


def ended(copying: subprocess.Popen[bytes], how: str = "wait") -> int:
    """Its exit status, after it was waited for or killed."""
    with copying:
        if how == "kill":
            copying.kill()
        return copying.wait(PATIENCE)


def until(is_so: Callable[[], object]) -> None:
    pause, end = threading.Event(), time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end
        pause.wait(0.2)


def test_a_volume_goes_back_to_its_snapshot(served: Served) -> None:
    volume = served.create("data", 64 * MIB, layout="thin")
    path = served.publish(volume.volume_id)
    files.write(path, "first", MIB)
    snapshot = served.snapshot("cut", volume.volume_id)
    files.write(path, "second", MIB)
    words = ("volume", "revert", volume.volume_id, snapshot.snapshot_id)
    assert run(served, *words).returncode == 1, "it is mounted"
    served.withdraw(volume.volume_id)
    before = changes(served)
    assert "would revert" in hearth(served, *words, "--dry-run")
    assert changes(served) == before
    hearth(served, *words)
    path = served.publish(volume.volume_id)
    assert {each.name for each in path.iterdir()} - {"lost+found"} == {"first"}
    assert [each["id"] for each in listed(served, "snapshot", "list")] == [snapshot.snapshot_id]


def test_persistent_volumes_are_written_again_after_a_restart(served: Served) -> None:
    device = served.create("raw", 16 * MIB, fs_type="")
    mounted = served.create("data", 64 * MIB, layout="thin")
    served.restart()
    refused = run(served, "volume", "list", "--output", "pv")
    assert refused.returncode == 2
    text = hearth(served, "volume", "list", "--output", "pv", "--storage-class", "thick")
    written = {each["spec"]["csi"]["volumeHandle"]: each for each in yaml.safe_load_all(text)}
    assert set(written) == {device.volume_id, mounted.volume_id}
    assert written[device.volume_id]["spec"]["volumeMode"] == "Block"
    spec = written[mounted.volume_id]["spec"]
    assert (spec["capacity"]["storage"], spec["accessModes"]) == (str(64 * MIB), ["ReadWriteOnce"])
    assert spec["csi"]["fsType"] == "ext4"
    assert "'here'" in str(spec["nodeAffinity"])


def test_a_volume_is_adopted_used_and_let_go_of(served: Served, mine: Path) -> None:
    reference = f"{served.group}/{MINE}"
    [found] = [
        each
        for each in listed(served, "volume", "manageable-list", "--probe")
        if each["reference"]["name"] == MINE
    ]
    assert (found["safe"], found["fsType"], found["size"]) == (True, "ext4", 64 * MIB)
    lvm("lvchange", "--activate", "y", reference)
    before, seen = digest(mine), changes(served)
    assert f"would manage {MINE}" in hearth(served, "volume", "manage", reference, "--dry-run")
    assert changes(served) == seen
    said = hearth(served, "volume", "manage", reference, "--claim", "ns/data")
    volume_id = said.split()[-1]
    assert hearth(served, "volume", "manage", reference, "--claim", "ns/data") == said
    assert digest(mine) == before
    refused = run(served, "volume", "manage", reference, "--owner", "somebody", "--name", "other")
    assert refused.returncode == 1
    files.write(served.publish(volume_id), "file", MIB)
    assert run(served, "volume", "unmanage", volume_id).returncode == 1, "it is mounted"
    served.withdraw(volume_id)
    seen = changes(served)
    assert reference in hearth(served, "volume", "unmanage", volume_id, "--dry-run")
    assert changes(served) == seen
    assert reference in hearth(served, "volume", "unmanage", volume_id, "--name", MINE)
    assert served.volumes() == {}
    tags = lvm("lvs", "--noheadings", "--options", "lv_tags", reference)
    assert tags.split() == []
