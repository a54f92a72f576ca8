"""Logical volumes as an administrator makes them, with files in them, and what of them must not change."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drivers.manageable import AdoptionSpec, Reference, SnapshotAdoptionSpec
from drivers.model import MIB, Properties, VolumeMode
from tests.integration.lvm.bench import VG, sh

OWNER = "8f1d7a4e-import"
SIZES = {"ext4": 48 * MIB, "xfs": 320 * MIB}
CONTENT = bytes(range(256)) * 4096


def make(name: str, fs_type: str = "ext4", *, thin: bool = False, pool: str = "pool") -> Path:
    """A logical volume with a filesystem and a file in it, inactive; its device when it is active."""
    size = f"{SIZES.get(fs_type, 16 * MIB)}b"
    where = ["-V", size, "--thinpool", pool] if thin else ["-L", size]
    sh("lvm", "lvcreate", "--yes", "-q", "-Wn", *where, "-n", name, VG)
    device = Path(f"/dev/{VG}/{name}")
    if fs_type in SIZES:
        sh(f"mkfs.{fs_type}", "-q", str(device))
        with mounted(device) as folder:
            (folder / "file").write_bytes(CONTENT)
    off(name)
    return device


def off(name: str) -> None:
    """Deactivate it."""
    sh("lvm", "lvchange", "--yes", "-an", f"{VG}/{name}")


@contextmanager
def active(name: str) -> Iterator[Path]:
    """Its device, for the block."""
    sh("lvm", "lvchange", "--yes", "-ay", "-K", f"{VG}/{name}")
    try:
        yield Path(f"/dev/{VG}/{name}")
    finally:
        off(name)


@contextmanager
def mounted(device: Path, *options: str) -> Iterator[Path]:
    """What is in it, mounted by hand for the block."""
    folder = Path("/mnt/byhand")
    folder.mkdir(parents=True, exist_ok=True)
    sh("mount", *options, str(device), str(folder))
    try:
        yield folder
    finally:
        sh("umount", str(folder))


def digest(device: Path) -> str:
    """Of every byte of an active device."""
    with device.open("rb", 0) as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def known() -> str:
    """All that LVM's metadata says of all volumes, hidden ones too: any change shows."""
    fields = "lv_name,lv_uuid,lv_size,lv_tags,lv_active,origin,vg_seqno,lv_time"
    return sh("lvm", "lvs", "-a", "--noheadings", "--units", "b", "-o", fields, VG)


def tags(name: str) -> str:
    """The tags of one, hidden parts included."""
    rows = sh("lvm", "lvs", "-a", "--noheadings", "-o", "lv_name,lv_tags", VG).splitlines()
    words = (row.split() for row in rows if name in row)
    return " ".join(tag for _name, *found in words for tag in found)


def spec(name: str = "import", **properties: str) -> AdoptionSpec:
    """What a `VolumeImport` asks for."""
    return AdoptionSpec(name, OWNER, Properties(access_modes=("SINGLE_NODE_WRITER",), **properties))  # type: ignore[arg-type]


def block(name: str = "import") -> AdoptionSpec:
    """As `spec`, of a block volume."""
    return AdoptionSpec(name, OWNER, Properties(mode=VolumeMode.BLOCK))


def snapshot_spec(name: str = "import") -> SnapshotAdoptionSpec:
    """What a `SnapshotImport` asks for."""
    return SnapshotAdoptionSpec(name, OWNER, {"namespace": "shop"})


def named(name: str) -> Reference:
    """A reference by name alone."""
    return Reference(name)


def remove(name: str) -> None:
    """Remove it for good."""
    sh("lvm", "lvremove", "--yes", f"{VG}/{name}")
