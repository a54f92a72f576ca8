"""Copies of the metadata on a real group: when they are made, and that a group comes back from one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from drivers.exec import Arg, Host, Result
from drivers.lvm import backups
from drivers.model import MIB, Volume
from tests.integration.lvm import bench

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

MANY = 6
DATA = b"of the volume".ljust(MIB, b".")


class Counting(Host):
    """A door that counts the copies that LVM is asked for."""

    copies = 0

    def __call__(self, argv: Sequence[Arg], **manner: Any) -> Result:
        self.copies += "vgcfgbackup" in argv
        return super().__call__(argv, **manner)


@pytest.fixture
def disks() -> Iterator[list[str]]:
    with bench.disks([120 * MIB] * 2) as devices, bench.group(devices, pool="40m"):
        yield devices


def copies(folder: Path) -> list[Path]:
    """All of them, the newest last."""
    return sorted((folder / bench.VG).glob("*.vg"))


def named(folder: Path, volumes: Sequence[Volume]) -> bool:
    """Whether the newest copy has all the volumes, finished."""
    said = copies(folder)[-1].read_text() if copies(folder) else ""
    ids = [volume.id.partition(".")[2] for volume in volumes]
    return all(f"hearth.id={each}" in said for each in ids) and "hearth.creating" not in said


@pytest.mark.usefixtures("disks")
def test_many_changes_have_one_copy_that_lvm_would_restore(tmp_path: Path) -> None:
    door, began = Counting(), time.monotonic()
    with bench.backend(door, thinPools=["pool"], backupDirectory=str(tmp_path)) as backend:
        layouts = ["linear", "thin"] * (MANY // 2)
        volumes = [
            backend.create(f"v{number}", 8 * MIB, layout=layout)
            for number, layout in enumerate(layouts)
        ]
        end = time.monotonic() + 120
        while not named(tmp_path, volumes):
            assert time.monotonic() < end, "no copy follows"
            time.sleep(0.5)
        # Each creation changes the group twice at least.
        assert door.copies <= 1 + (time.monotonic() - began) / backups.DELAY
        for volume in volumes:
            backend.driver.delete_volume(volume.id)
        backend.drained()
        made = door.copies
    assert not named(tmp_path, volumes), "the last copy is made at the end"
    assert door.copies > made
    listed = bench.sh(
        "lvm", "vgcfgrestore", "--list", "--file", str(copies(tmp_path)[-1]), bench.VG
    )
    assert f"VG name:    \t{bench.VG}" in listed
    bench.sh("lvm", "vgchange", "--activate", "n", bench.VG)
    bench.sh(
        "lvm", "vgcfgrestore", "--force", "--test", "--file", str(copies(tmp_path)[-1]), bench.VG
    )


@pytest.mark.parametrize(("layout", "force"), [("linear", []), ("thin", ["--force"])])
def test_a_group_whose_disks_have_lost_their_metadata_is_restored_from_a_copy(
    layout: str, force: list[str], disks: list[str], tmp_path: Path
) -> None:
    if layout != "thin":
        bench.sh("lvm", "lvremove", "--yes", f"{bench.VG}/pool")
    with bench.backend(backupDirectory=str(tmp_path), **options(layout)) as backend:
        volume = backend.create("data", 8 * MIB, layout=layout)
        backend.write(volume.id, DATA)
    bench.sh("lvm", "vgchange", "--activate", "n", bench.VG)
    uuids = bench.sh("lvm", "pvs", "--noheadings", "--options", "pv_name,pv_uuid", *disks).split()
    for disk in disks:
        with Path(disk).open("r+b", 0) as file:
            file.write(bytes(MIB))
    copy = str(copies(tmp_path)[-1])
    for disk, uuid in zip(uuids[::2], uuids[1::2], strict=True):
        bench.sh("lvm", "pvcreate", "--uuid", uuid, "--restorefile", copy, disk)
    bench.sh("lvm", "vgcfgrestore", *force, "--file", copy, bench.VG)
    with bench.backend(**options(layout)) as backend:
        assert backend.driver.list_volumes() == [volume]
        assert backend.read(volume.id)[: len(DATA)] == DATA
        backend.driver.delete_volume(volume.id)
        backend.drained()


def options(layout: str) -> dict[str, object]:
    return {"thinPools": ["pool"]} if layout == "thin" else {}
