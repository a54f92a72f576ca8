"""What a shell sees of the commands that ask a node."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from io import StringIO
from pathlib import Path

import pytest
import yaml

from csi import cli
from csi.cli.progress import Progress
from drivers.model import MIB, Content
from tests.fakes.management import Management, management
from tests.unit.test_manage_images import half

Hearth = Callable[..., tuple[int, str, str]]
IMAGE = b"image" * 1000


@pytest.fixture
def node() -> Iterator[Management]:
    with management() as made:
        made.driver.lay("data", 8 * MIB, b"precious")
        yield made


@pytest.fixture
def hearth(node: Management, capsys: pytest.CaptureFixture[str]) -> Hearth:
    """Run ``hearth`` against the node: exit status, standard output, standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = cli.main([*arguments, "--endpoint", node.bench.endpoint])
        out, err = capsys.readouterr()
        return status, out, err

    return run


@pytest.fixture
def managed(hearth: Hearth) -> str:
    """The id of a volume that was brought in."""
    status, out, _ = hearth(
        *("volume", "manage", "vg-memory0/data", "--claim", "ns/claim", "--pv-name", "pv-1"),
        *("--storage-class", "thick", "--access-mode", "ReadWriteOncePod", "--output", "json"),
    )
    assert status == 0
    volume_id: str = json.loads(out)["id"]
    return volume_id


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    path.write_bytes(IMAGE)
    return path


def digest(data: bytes = IMAGE) -> str:
    return sha256(data).hexdigest()


def test_volumes_are_a_table_for_people(hearth: Hearth, managed: str) -> None:
    status, out, _ = hearth("volume", "list")
    heading, row = out.splitlines()
    assert status == 0
    assert heading.split() == [
        *("ID", "BACKEND", "SIZE", "CONTENT", "HOLDS", "USED", "PV", "CLAIM", "OWNER")
    ]
    what = (managed, "fast", "8.00", "MiB", "adopted", "ext4", "no")
    assert row.split() == [*what, "pv-1", "ns/claim", "administrator"]


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_and_data_for_programs(hearth: Hearth, managed: str, form: str) -> None:
    _, out, _ = hearth("volume", "list", "--output", form)
    [volume] = yaml.safe_load(out) if form == "yaml" else json.loads(out)
    assert (volume["id"], volume["size"], volume["mayBeDeleted"]) == (managed, 8 * MIB, False)
    assert volume["properties"]["pvcNamespace"] == "ns"


@pytest.mark.parametrize("name", ["id", "pv-1"])
def test_one_volume_is_named_by_its_id_or_its_persistent_volume(
    hearth: Hearth, managed: str, name: str
) -> None:
    status, out, _ = hearth("volume", "show", managed if name == "id" else name)
    assert status == 0
    assert managed in out
    assert "properties.storageClass  thick" in out


def test_a_volume_that_is_not_there(hearth: Hearth) -> None:
    status, out, err = hearth("volume", "show", "pv-9")
    assert (status, out) == (1, "")
    assert err == (
        "hearth: there is no volume 'pv-9' on this node, by its id or its PersistentVolume\n"
    )


def test_persistent_volumes_are_written_from_the_storage(
    hearth: Hearth, node: Management, managed: str
) -> None:
    _, out, _ = hearth("volume", "list", "--output", "pv")
    [volume] = yaml.safe_load_all(out)
    assert (volume["kind"], volume["metadata"]["name"]) == ("PersistentVolume", "pv-1")
    assert volume["metadata"]["annotations"] == {"pv.kubernetes.io/provisioned-by": "hearth-csi.io"}
    where = {"key": "topology.hearth-csi.io/node", "operator": "In", "values": ["n1"]}
    assert volume["spec"] == {
        "capacity": {"storage": str(8 * MIB)},
        "accessModes": ["ReadWriteOncePod"],
        "volumeMode": "Filesystem",
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": "thick",
        "claimRef": {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "namespace": "ns",
            "name": "claim",
        },
        "csi": {"driver": "hearth-csi.io", "volumeHandle": managed, "fsType": "ext4"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [where]}]}},
    }


def test_part_of_an_image_gets_no_persistent_volume(hearth: Hearth, node: Management) -> None:
    left = half(node, Content.FORMATTING)
    assert hearth("volume", "list", "--output", "pv")[:2] == (0, "")
    status, out, err = hearth("volume", "show", left.id, "--output", "pv")
    assert (status, out) == (1, "")
    assert "holds a part of an image" in err


def test_volumes_of_one_claim_are_left_out_and_named(
    hearth: Hearth, node: Management, managed: str
) -> None:
    told = {"csi.storage.k8s.io/pvc/name": "claim", "csi.storage.k8s.io/pvc/namespace": "ns"}
    other = node.bench.create("later", parameters=told)
    status, out, err = hearth("volume", "list", "--output", "pv", "--storage-class", "thick")
    assert (status, list(yaml.safe_load_all(out))) == (1, [])
    assert managed in err
    assert other.volume_id in err
    assert "of claim ns/claim" in err
    status, out, _ = hearth("volume", "show", managed, "--output", "pv")
    [written] = yaml.safe_load_all(out)
    assert (status, written["spec"]["claimRef"]["name"]) == (0, "claim")


def test_a_class_that_is_not_kept_must_be_named(hearth: Hearth, node: Management) -> None:
    volume = node.bench.create("v")
    status, out, err = hearth("volume", "list", "--output", "pv")
    assert (status, out) == (2, "")
    assert f"volume {volume.volume_id} does not keep its class" in err
    _, out, _ = hearth("volume", "list", "--output", "pv", "--storage-class", "thin")
    [written] = yaml.safe_load_all(out)
    assert written["spec"]["storageClassName"] == "thin"
    assert "claimRef" not in written["spec"]
    assert written["metadata"]["name"] == f"hearth-{volume.volume_id.partition('.')[2]}"


def test_a_dry_run_says_what_and_changes_nothing(hearth: Hearth, node: Management) -> None:
    status, out, _ = hearth("volume", "manage", "data", "--dry-run")
    assert (status, out) == (
        0,
        "would manage data (8.00 MiB) as a volume; nothing is changed\n",
    )
    assert node.driver.things["data"].id == ""


def test_manage_and_unmanage(hearth: Hearth, node: Management) -> None:
    node.driver.lay("frozen", 8 * MIB, of="data")
    status, out, _ = hearth("volume", "manage", "uuid-data", "--id-type", "source-id")
    assert status == 0
    volume_id = out.split()[-1]
    assert out == f"data (8.00 MiB) is volume {volume_id}\n"
    _, out, _ = hearth("snapshot", "manage", "frozen", "--volume", volume_id)
    snapshot_id = out.split()[-1]
    assert snapshot_id in hearth("snapshot", "list", "--volume", volume_id)[1]
    assert volume_id in hearth("snapshot", "show", snapshot_id)[1]
    for dry, says in (("--dry-run", "would leave"), ("--name=frozen", "is a plain")):
        status, out, _ = hearth("snapshot", "unmanage", snapshot_id, dry)
        assert (status, says in out) == (0, True)
    _, out, _ = hearth("volume", "unmanage", volume_id, "--name", "back", "--dry-run")
    assert out == f"would leave {volume_id} as vg-memory0/back; nothing is changed\n"
    _, out, _ = hearth("volume", "unmanage", volume_id, "--name=back", "--dry-run", "--output=json")
    assert json.loads(out)["reference"]["name"] == "back"
    _, out, _ = hearth("volume", "unmanage", volume_id, "--name", "back")
    assert out == "vg-memory0/back is a plain volume of vg-memory0 again\n"
    _, out, _ = hearth("volume", "unmanage", volume_id, "--name", "back")
    assert out == f"there is no {volume_id} any more\n"


def test_what_could_be_managed(hearth: Hearth, node: Management) -> None:
    node.driver.lay("busy", MIB, open=True)
    node.driver.lay("frozen", MIB, of="data")
    _, out, _ = hearth("volume", "manageable-list", "--probe")
    _, busy, data = out.splitlines()
    assert busy.split()[:5] == ["busy", "1.00", "MiB", "fast", "no"]
    assert busy.endswith("open: it is open: unmount it")
    assert data.split()[4:6] == ["yes", "ext4"]
    _, out, _ = hearth("volume", "manageable-list", "--sort", "size", "--limit", "1")
    assert [row.split()[0] for row in out.splitlines()] == ["NAME", "data"]
    assert "unmanaged-origin" in hearth("snapshot", "manageable-list")[1]


def test_what_cannot_be_managed_is_one_line(hearth: Hearth, node: Management) -> None:
    node.driver.lay("busy", MIB, open=True)
    assert hearth("volume", "manage", "busy") == (1, "", "hearth: busy: it is open: unmount it\n")
    status, _, err = hearth("volume", "manage", "other/data")
    assert status == 2
    assert "not other; known: fast (vg-memory0)" in err


def test_orphans_and_backends(hearth: Hearth, node: Management) -> None:
    node.driver.lay("halfway", MIB, unfinished=True)
    assert "halfway" in hearth("orphan", "list")[1]
    _, out, _ = hearth("backend", "list")
    assert out.splitlines()[1].split()[:3] == ["fast", "adopting", "vg-memory0"]
    _, out, _ = hearth("backend", "show", "fast", "--output", "json")
    assert json.loads(out)["free"] == {"bytes": 100 << 30}
    status, _, err = hearth("backend", "show", "slow")
    assert (status, err) == (1, "hearth: there is no backend 'slow'; there are: fast\n")


def test_an_image_in_and_out(hearth: Hearth, image: Path, tmp_path: Path) -> None:
    create = ("volume", "create", "golden", "--image", str(image), "--sha256", digest())
    assert (
        hearth(*create, "--dry-run")[1] == "would make a volume of 4.88 KiB; nothing is changed\n"
    )
    status, out, _ = hearth(*create, "--size", "4MiB", "--pv-name", "golden")
    assert status == 0
    assert out.endswith("(4.00 MiB) begins with the image\n")
    volume_id = out.split()[1]
    assert "is there already" in hearth(*create, "--size", "4MiB", "--dry-run")[1]
    copy = tmp_path / "copy.raw"
    whole = IMAGE.ljust(4 * MIB, b"\0")
    status, out, _ = hearth("volume", "upload-to-image", "golden", str(copy))
    assert (status, out) == (0, f"{digest(whole)}  {copy}\n")
    assert copy.read_bytes() == whole
    status, _, err = hearth("volume", "upload-to-image", volume_id, str(copy))
    assert (status, "replace it with --force" in err) == (1, True)
    assert hearth("volume", "upload-to-image", volume_id, str(copy), "--force")[0] == 0
    assert list(tmp_path.glob("*.part")) == []


def test_an_image_that_is_another_one(hearth: Hearth, node: Management, image: Path) -> None:
    wrong = digest(b"x")
    status, _, err = hearth("volume", "create", "v", "--image", str(image), "--sha256", wrong)
    assert status == 2
    assert "nothing of it is used" in err
    assert node.bench.ids() == []


def test_an_image_that_cannot_be_read(hearth: Hearth, tmp_path: Path) -> None:
    path = str(tmp_path / "none")
    status, _, err = hearth("volume", "create", "v", "--image", path, "--sha256", digest())
    assert (status, err) == (1, f"hearth: {path} cannot be read: No such file or directory\n")


def test_a_revert(hearth: Hearth, node: Management) -> None:
    volume = node.bench.create("v")
    snapshot = node.bench.snapshot("s", volume)
    words = ("volume", "revert", volume.volume_id, snapshot.snapshot_id)
    assert "would revert" in hearth(*words, "--dry-run")[1]
    assert json.loads(hearth(*words, "--output=json")[1])["id"] == volume.volume_id
    assert hearth(*words)[1] == f"{volume.volume_id} is as it was in {snapshot.snapshot_id}\n"


def test_where_nobody_answers(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    at = f"unix://{tmp_path}/none.sock"
    assert cli.main(["volume", "list", "--endpoint", at]) == 1
    err = capsys.readouterr().err
    assert f"{tmp_path}/none.sock" in err
    assert err.count("\n") == 1
    assert cli.main(["volume", "list", "--endpoint", "10.0.0.1:9810"]) == 2


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "said"), [(Terminal(), 3), (StringIO(), 1)])
def test_progress_is_told_now_and_then(stream: StringIO, said: int) -> None:
    now = [0.0]
    progress = Progress(4 * MIB, stream, lambda: now[0])
    for now[0] in (1.0, 2.0, 6.0):
        progress.more(MIB)
    lines = stream.getvalue().replace("\r", "\n").split("\n")
    assert len([line for line in lines if line]) == said
    assert lines[-1 if stream.isatty() else -2].startswith("3.00 MiB of 4.00 MiB, ")
