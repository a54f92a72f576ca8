"""Blocks of a device that was proven to be the right one; here in files, which are no devices."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from drivers.errors import Unavailable
from drivers.lvm import blocks
from drivers.model import Connection

DATA = os.urandom(3 * blocks.CHUNK + 12345)


def connection(path: Path, dm_uuid: str = "") -> Connection:
    return Connection(path, len(DATA), dm_uuid)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(DATA)
    return path


def test_another_device_than_the_one_that_is_meant_is_not_touched(source: Path) -> None:
    with (
        pytest.raises(Unavailable, match="is no device-mapper device, not LVM-abc"),
        blocks.opened(connection(source, "LVM-abc"), write=True),
    ):
        pass
    assert source.read_bytes() == DATA


def test_a_device_that_is_gone_is_unavailable_and_not_made(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    with pytest.raises(Unavailable, match="cannot be opened"), blocks.opened(connection(gone)):
        pass
    with (
        pytest.raises(Unavailable, match="cannot be opened"),
        blocks.opened(connection(gone), write=True),
    ):
        pass
    assert not gone.exists()


def test_what_the_kernel_refuses_names_the_device(source: Path) -> None:
    with (
        pytest.raises(Unavailable, match=f"{source}: Inappropriate ioctl"),
        blocks.opened(connection(source), write=True) as descriptor,
    ):
        blocks.zero(descriptor, 0, blocks.PIECE)


def test_reading_gives_no_right_to_write(source: Path) -> None:
    with (
        pytest.raises(Unavailable, match="Bad file descriptor"),
        blocks.opened(connection(source)) as descriptor,
    ):
        os.write(descriptor, b"x")


@pytest.mark.parametrize("length", [1, blocks.CHUNK, blocks.CHUNK + 1, len(DATA)])
def test_a_copy_has_every_byte_and_no_more(tmp_path: Path, source: Path, length: int) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"x" * (len(DATA) + 1))
    told: list[int] = []
    with (
        blocks.opened(connection(source)) as reader,
        blocks.opened(connection(target), write=True) as writer,
    ):
        blocks.copy(reader, writer, length, told.append)
    assert target.read_bytes() == DATA[:length] + b"x" * (len(DATA) + 1 - length)
    assert told[-1] == length
    assert told == sorted(set(told))


def test_a_source_that_ends_early_fails_the_copy(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "target"
    target.touch()
    with (
        blocks.opened(connection(source)) as reader,
        blocks.opened(connection(target), write=True) as writer,
        pytest.raises(Unavailable, match=f"ends after {len(DATA)} of {len(DATA) + 1} bytes"),
    ):
        blocks.copy(reader, writer, len(DATA) + 1)


def test_a_tick_that_raises_stops_the_copy(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "target"
    target.touch()

    def stop(_done: int) -> None:
        raise Unavailable("stopped")

    with (
        blocks.opened(connection(source)) as reader,
        blocks.opened(connection(target), write=True) as writer,
        pytest.raises(Unavailable, match="stopped"),
    ):
        blocks.copy(reader, writer, len(DATA), stop)
    assert target.stat().st_size == blocks.CHUNK
