"""The metadata header of a disk, as LVM lays it out, in files."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from drivers.errors import Unavailable
from drivers.lvm.headers import MAGIC, SECTOR, Headers

AREA = 4096


def disk(path: Path, *, label_at: int = SECTOR, areas: tuple[int, ...] = (AREA,)) -> Path:
    """A physical volume of 1 MiB: a label, its header, and metadata areas of 4 KiB."""
    raw = bytearray(1 << 20)
    pairs = b"".join(struct.pack("<QQ", at, AREA) for at in areas)
    data_area = struct.pack("<QQ", 1 << 19, 0)
    end = struct.pack("<QQ", 0, 0)
    header = b"u" * 32 + struct.pack("<Q", 1 << 20) + data_area + end + pairs + end
    label = b"LABELONE" + struct.pack("<QII", label_at // SECTOR, 0, 32) + b"LVM2 001" + header
    raw[label_at : label_at + len(label)] = label
    for at in areas:
        raw[at : at + SECTOR] = area(1)
    path.write_bytes(raw)
    return path


def area(change: int) -> bytes:
    """A header of a metadata area: checksum, magic, version, start, size, and where the text is."""
    where = struct.pack("<QQII", 512 * change, 400, change, 0)
    return (b"sum!" + MAGIC + struct.pack("<IQQ", 1, AREA, AREA) + where).ljust(SECTOR, b"\0")


def commit(path: Path, change: int, at: int = AREA) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(area(change))


@pytest.mark.parametrize("label_at", [0, SECTOR, 2 * SECTOR, 3 * SECTOR])
def test_a_change_of_the_group_is_seen_and_nothing_else(tmp_path: Path, label_at: int) -> None:
    path = disk(tmp_path / "sda", label_at=label_at)
    headers = Headers([str(path)])
    before = headers.read()
    assert headers.read() == before
    with path.open("r+b") as file:
        file.seek(1 << 19)
        file.write(b"the data of a volume")
    assert headers.read() == before
    commit(path, 2)
    assert headers.read() != before
    commit(path, 1)
    assert headers.read() == before


def test_all_areas_of_all_disks_count(tmp_path: Path) -> None:
    first = disk(tmp_path / "sda", areas=(AREA, 1 << 18))
    second = disk(tmp_path / "sdb")
    headers = Headers([str(first), str(second)])
    seen = [headers.read()]
    for path, at in ((first, AREA), (first, 1 << 18), (second, AREA)):
        commit(path, 2, at)
        seen.append(headers.read())
    assert len(set(seen)) == 4


def test_a_disk_that_has_another_name_is_a_change(tmp_path: Path) -> None:
    """A report names the disks, and commands are given these names."""
    path = disk(tmp_path / "sdb")
    before = Headers([str(path)]).read()
    moved = path.rename(tmp_path / "sde")
    assert Headers([str(moved)]).read() != before


def test_a_disk_without_a_metadata_area_leaves_it_to_the_others(tmp_path: Path) -> None:
    bare, whole = disk(tmp_path / "sda", areas=()), disk(tmp_path / "sdb")
    assert len(Headers([str(bare), str(whole)]).read()) == 1
    with pytest.raises(Unavailable, match="no LVM metadata area on"):
        Headers([str(bare)])
    with pytest.raises(Unavailable, match="no device at all"):
        Headers([])


def test_what_is_no_physical_volume_is_unavailable_by_name(tmp_path: Path) -> None:
    path = tmp_path / "sda"
    path.write_bytes(bytes(1 << 20))
    with pytest.raises(Unavailable, match="sda carries no LVM label"):
        Headers([str(path)])


def test_a_disk_that_is_gone_is_unavailable_and_not_unchanged(tmp_path: Path) -> None:
    path = disk(tmp_path / "sda")
    headers = Headers([str(path)])
    path.unlink()
    with pytest.raises(Unavailable, match="sda cannot be opened"):
        headers.read()


def test_a_damaged_header_is_unavailable(tmp_path: Path) -> None:
    path = disk(tmp_path / "sda")
    headers = Headers([str(path)])
    with path.open("r+b") as file:
        file.seek(AREA)
        file.write(bytes(SECTOR))
    with pytest.raises(Unavailable, match="damaged; look at vgck"):
        headers.read()
