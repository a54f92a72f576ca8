"""What proves that an open file is the device that a connection speaks of. Devices are tested in the lab."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from csi.node import devices
from drivers import proof
from drivers.errors import Unavailable
from drivers.model import Connection

DATA = b"volume"


@pytest.fixture
def plain(tmp_path: Path) -> Connection:
    """A connection that says it is a plain file, and is."""
    path = tmp_path / "volume"
    path.write_bytes(DATA)
    return Connection(path, len(DATA), backing_file=path)


def require(connection: Connection, path: Path | None = None) -> None:
    with (path or connection.path).open("rb") as file:
        proof.require(connection, file.fileno())


def test_a_plain_file_passes_only_if_the_connection_says_so(plain: Connection) -> None:
    require(plain)
    with pytest.raises(Unavailable, match="nothing tells what device"):
        require(replace(plain, backing_file=None))
    with pytest.raises(Unavailable, match="device-mapper UUID"):
        require(replace(plain, dm_uuid="LVM-of-the-volume"))


def test_another_file_does_not_pass(plain: Connection, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(DATA)
    with pytest.raises(Unavailable, match="is not the plain file"):
        require(plain, other)
    with pytest.raises(Unavailable, match=r"has .*other behind it cannot be told"):
        require(replace(plain, backing_file=other))
    with pytest.raises(Unavailable, match="is not the plain file"):
        require(Connection(Path("/dev/null"), 0, backing_file=Path("/dev/null")))


def test_a_file_that_is_gone_does_not_pass(plain: Connection) -> None:
    with plain.path.open("rb") as file:
        plain.path.unlink()
        with pytest.raises(Unavailable, match="cannot be looked at"):
            proof.require(plain, file.fileno())


@pytest.mark.parametrize("size", [0, len(DATA) - 1, len(DATA) + 1])
def test_another_size_does_not_pass(plain: Connection, size: int) -> None:
    with pytest.raises(Unavailable, match=f"has {len(DATA)} bytes, expected are {size}"):
        require(replace(plain, size=size))


def test_no_node_takes_a_plain_file(plain: Connection) -> None:
    with pytest.raises(Unavailable, match="is not a block device"), devices.opened(plain):
        pass
