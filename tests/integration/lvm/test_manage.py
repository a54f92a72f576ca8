"""By hand, then a volume, then by hand again: every byte as it was, and staging mounts it as it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from csi.node.access import Access
from csi.node.mounts import Mounts
from csi.node.servicer import rules
from drivers.backends import Backend as Served
from drivers.backends import Backends
from drivers.errors import Busy, NotFound, Precondition
from drivers.exec import Host
from drivers.locks import Locks
from drivers.lvm.driver import LvmDriver
from drivers.manageable import Hindrance, Query
from drivers.model import Content, SizeRange, Volume, VolumeSpec
from tests.integration.lvm import bench, byhand
from tests.integration.lvm.bench import VG, Backend, sh

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


@pytest.fixture
def backend(volume_group: str) -> Iterator[Backend]:
    """A backend of which nothing is left: what was adopted, no driver deletes."""
    with bench.backend(thinPools=["pool"]) as backend:
        yield backend
    for name in bench.lvs():
        byhand.remove(name)


@pytest.mark.parametrize("thin", [False, True], ids=["thick", "thin"])
@pytest.mark.parametrize("fs_type", ["ext4", "xfs"])
def test_a_volume_made_by_hand_is_brought_in_staged_and_let_go(
    backend: Backend, tmp_path: Path, fs_type: str, *, thin: bool
) -> None:
    driver, name = backend.driver, f"data-{fs_type}"
    byhand.make(name, fs_type, thin=thin)
    with byhand.active(name) as device:
        before = byhand.digest(device)
    volume = driver.manage_existing(byhand.spec(), byhand.named(name))
    assert (volume.content, volume.properties.fs_type) == (Content.ADOPTED, fs_type)
    assert volume.size == driver.manage_existing_get_size(byhand.named(name))
    assert driver.manage_existing(byhand.spec(), byhand.named(name)) == volume
    with byhand.active(name) as device:
        assert byhand.digest(device) == before
    assert staged_file(backend, volume, tmp_path) == byhand.CONTENT
    with pytest.raises(Precondition, match="never deleted"):
        driver.delete_volume(volume.id)
    where = driver.unmanage(volume.id, f"released-{fs_type}")
    assert where is not None
    assert where.name == f"released-{fs_type}"
    assert byhand.tags(where.name) == ""
    assert driver.unmanage(volume.id, None) is None
    with pytest.raises(NotFound):
        driver.get_volume(volume.id)
    with byhand.active(where.name) as device, byhand.mounted(device) as folder:
        assert (folder / "file").read_bytes() == byhand.CONTENT


def test_what_is_open_and_what_somebody_changed_is_told(backend: Backend) -> None:
    driver = backend.driver

    def revision() -> str:
        return driver.get_volume_stats({}, refresh=True).revision

    byhand.make("mine", thin=True)
    volume = driver.manage_existing(byhand.spec(), byhand.named("mine"))
    before = revision()
    assert before == revision() != ""
    byhand.make("theirs", thin=True)
    assert revision() != before
    connection = driver.initialize_connection(volume.id)
    assert list(driver.volumes_in_use()) == []
    with connection.path.open("rb"):
        assert list(driver.volumes_in_use()) == [volume.id]
    with byhand.mounted(connection.path):
        assert list(driver.volumes_in_use()) == [volume.id]
    assert list(driver.volumes_in_use()) == []
    driver.terminate_connection(volume.id)
    driver.unmanage(volume.id, None)


def staged_file(backend: Backend, volume: Volume, root: Path) -> bytes:
    """What a pod would find, after it wrote something of its own."""
    run, staging = Host(), root / "staging"
    staging.mkdir()
    served = Served(backend.driver)
    served.set_up().wait()
    node = rules(Backends([served]), Locks(), Mounts(root, run), run)
    access = Access(volume.properties.mode, "SINGLE_NODE_WRITER", volume.properties.fs_type, ())
    node.staging.stage(volume.id, staging, access)
    (staging / "pod").write_text("was here")
    content = (staging / "file").read_bytes()
    node.staging.unstage(volume.id, staging)
    return content


def never(_name: str) -> None:
    """Nothing more to prepare."""


def open_it(name: str) -> None:
    sh("lvm", "lvchange", "--yes", "-ay", f"{VG}/{name}")
    sh("mkdir", "-p", "/mnt/held")
    sh("mount", f"/dev/{VG}/{name}", "/mnt/held")


def cut_off(name: str) -> None:
    sh("lvm", "lvreduce", "--yes", "-f", "-L", "16m", f"{VG}/{name}")


def make_swap(name: str) -> None:
    with byhand.active(name) as device:
        sh("mkswap", "-q", str(device))


REFUSED = {
    "open": ("ext4", open_it, "open: unmount it"),
    "cut-off": ("ext4", cut_off, "it was cut off"),
    "swap": ("swap", make_swap, "it holds swap"),
    "empty": ("", never, "it holds nothing known"),
    "foreign": ("", lambda name: tag(name, "pve-vm-100"), "Proxmox VE manages it"),
    "read-only": ("", lambda name: sh("lvm", "lvchange", "-pr", f"{VG}/{name}"), "is read-only"),
}


def tag(name: str, what: str) -> None:
    sh("lvm", "lvchange", "--addtag", what, f"{VG}/{name}")


@pytest.mark.parametrize(("holds", "prepare", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_stays_as_it_is(
    backend: Backend, holds: str, prepare: Callable[[str], object], words: str
) -> None:
    byhand.make("data", holds)
    prepare("data")
    before = byhand.known()
    with pytest.raises(Precondition, match=words):
        backend.driver.manage_existing(byhand.spec(), byhand.named("data"))
    (entry,) = (
        each
        for each in backend.driver.get_manageable_volumes(Query(probe=True)).entries
        if each.reference.name == "data"
    )
    assert entry.obstacle is not None
    assert words in entry.obstacle.words
    assert byhand.known() == before
    if words.startswith("open"):
        sh("umount", "/mnt/held")


def test_parts_and_pools_are_none_and_a_raid_is_one(backend: Backend) -> None:
    sh("lvm", "lvcreate", "--yes", "-q", "--type", "raid1", "-L", "16m", "-n", "mirror", VG)
    byhand.off("mirror")
    before = byhand.known()
    entries = backend.driver.get_manageable_volumes(Query()).entries
    told = {each.reference.name: each.obstacle and each.obstacle.hindrance for each in entries}
    assert told.pop("mirror") is None
    assert told.pop("pool") is Hindrance.POOL
    assert {told.pop(f"pool_{part}") for part in ("tdata", "tmeta")} == {Hindrance.PART_OF_POOL}
    assert told.pop("lvol0_pmspare") is Hindrance.PART_OF_POOL
    assert set(told.values()) == {Hindrance.RAID_IMAGE}
    assert len(told) == 4
    assert byhand.known() == before
    # LVM hands the tags of a new RAID volume to hidden parts of it, and must not do so here.
    volume = backend.driver.manage_existing(byhand.block(), byhand.named("mirror"))
    assert byhand.tags("mirror_r") == ""
    backend.driver.unmanage(volume.id, None)
    assert byhand.tags("mirror") == ""


@pytest.mark.parametrize("thin", [False, True], ids=["thick", "thin"])
def test_a_snapshot_made_by_hand_restores_like_any_other(backend: Backend, *, thin: bool) -> None:
    driver = backend.driver
    byhand.make("data", "ext4", thin=thin)
    sh(
        "lvm",
        "lvcreate",
        "--yes",
        "-s",
        *([] if thin else ["-L", "16m"]),
        "-n",
        "cut",
        f"{VG}/data",
    )
    byhand.off("data")
    with pytest.raises(Precondition, match="bring that in first"):
        driver.manage_existing_snapshot(byhand.snapshot_spec(), byhand.named("cut"))
    volume = driver.manage_existing(byhand.spec(), byhand.named("data"))
    snapshot = driver.manage_existing_snapshot(byhand.snapshot_spec(), byhand.named("cut"))
    assert (snapshot.volume_id, snapshot.size, snapshot.usable) == (volume.id, volume.size, True)
    spec = VolumeSpec("restored", SizeRange(volume.size), volume.properties, volume.options)
    restored = again(lambda: driver.create_volume_from_snapshot(spec, snapshot.id))
    assert restored.content is Content.INHERITED
    with (
        byhand.active(name_of(driver, restored)) as device,
        byhand.mounted(device) as folder,
    ):
        assert (folder / "file").read_bytes() == byhand.CONTENT
    assert driver.unmanage_snapshot(snapshot.id, None) is not None
    assert byhand.tags("cut") == ""


def name_of(driver: LvmDriver, volume: Volume) -> str:
    """What the logical volume of a volume is called."""
    entries = driver.get_manageable_volumes(Query()).entries
    return next(each.reference.name for each in entries if each.id == volume.id)


def again(call: Callable[[], Volume]) -> Volume:
    """Its answer, once the copying is done."""
    while True:
        try:
            return call()
        except Busy:
            time.sleep(0.2)
