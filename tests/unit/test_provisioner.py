"""The provisioner's and the inventory's rules, where no socket is needed to see them."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csi.controller import sizes
from csi.controller.access import Access
from csi.controller.paging import Where, page
from csi.controller.provisioner import Provisioner
from csi.controller.requests import VolumeRequest
from csi.controller.sizes import Floor
from drivers import errors
from drivers.backends import Backend, Backends
from drivers.exec import Host
from drivers.locks import Locks
from drivers.model import GIB, MIB, SizeRange, Volume, VolumeMode
from tests.fakes.memory import MemoryDriver, MemoryOptions, PlainDriver

FILESYSTEM = Access(VolumeMode.FILESYSTEM, "SINGLE_NODE_WRITER")


@dataclass
class Rig:
    """A provisioner with its backends and locks."""

    provisioner: Provisioner
    locks: Locks
    fast: MemoryDriver
    plain: PlainDriver

    def create(self, name: str, size: int = 8 * MIB, backend: str = "fast") -> Volume:
        return self.provisioner.create(
            VolumeRequest(name, SizeRange(size), (FILESYSTEM,), {"hearth-csi.io/backend": backend})
        )

    def write(self, volume: Volume, data: bytes) -> None:
        with self.fast.initialize_connection(volume.id).path.open("r+b") as device:
            device.write(data)
        self.fast.terminate_connection(volume.id)

    def read(self, volume: Volume, size: int) -> bytes:
        with self.fast.initialize_connection(volume.id).path.open("rb") as device:
            data = device.read(size)
        self.fast.terminate_connection(volume.id)
        return data


@pytest.fixture
def rig() -> Rig:
    fast = MemoryDriver("fast", MemoryOptions(backend_id="aaa"), Host())
    plain = PlainDriver("plain", MemoryOptions(backend_id="bbb"), Host())
    backends, locks = Backends([Backend(fast), Backend(plain)]), Locks()
    for backend in backends:
        assert backend.set_up().wait(5)
    return Rig(Provisioner(backends, locks, "n1", lambda _type, _flags: None), locks, fast, plain)


class TestRevert:
    def test_it_brings_the_bytes_back_and_keeps_size_and_ids(self, rig: Rig) -> None:
        volume = rig.create("v")
        rig.write(volume, b"before")
        snapshot = rig.provisioner.snapshot("s", volume.id, {})
        rig.write(volume, b"after!")
        rig.provisioner.expand(volume.id, SizeRange(16 * MIB))
        reverted = rig.provisioner.revert(volume.id, snapshot.id)
        assert (reverted.id, reverted.size) == (volume.id, 16 * MIB)
        assert rig.read(volume, 6) == b"before"
        assert rig.fast.list_snapshots() == [snapshot]

    def test_what_cannot_be_reverted(self, rig: Rig) -> None:
        volume, other = rig.create("v"), rig.create("w")
        snapshot = rig.provisioner.snapshot("s", other.id, {})
        with pytest.raises(errors.Invalid):
            rig.provisioner.revert(volume.id, snapshot.id)
        plain = rig.create("p", backend="plain")
        with pytest.raises(errors.Invalid, match="is not one of volume"):
            rig.provisioner.revert(plain.id, snapshot.id)
        with pytest.raises(errors.Unsupported, match=r"'plain'.*cannot revert"):
            rig.provisioner.revert(plain.id, "bbb.snapshot-1")
        with pytest.raises(errors.NotFound):
            rig.provisioner.revert("aaa.nothing", snapshot.id)
        rig.fast.initialize_connection(other.id)
        with pytest.raises(errors.InUse):
            rig.provisioner.revert(other.id, snapshot.id)

    def test_nobody_else_may_work_on_either(self, rig: Rig) -> None:
        volume = rig.create("v")
        snapshot = rig.provisioner.snapshot("s", volume.id, {})
        for held in (volume.id, snapshot.id):
            with rig.locks.hold(held), pytest.raises(errors.Busy, match=held):
                rig.provisioner.revert(volume.id, snapshot.id)


class TestImages:
    def test_in_and_out_again(self, rig: Rig) -> None:
        volume, data = rig.create("v"), b"image" * 1000
        digest = hashlib.sha256(data).hexdigest()
        copied = rig.provisioner.copy_in(volume.id, io.BytesIO(data), len(data), digest)
        assert copied.sha256 == digest
        out = io.BytesIO()
        image = rig.provisioner.copy_out(volume.id, out)
        assert image.size == volume.size
        assert out.getvalue() == data.ljust(volume.size, b"\0")
        assert image.sha256 == hashlib.sha256(out.getvalue()).hexdigest()

    def test_a_volume_in_work_is_left_alone(self, rig: Rig) -> None:
        volume = rig.create("v")
        with rig.locks.hold(volume.id):
            with pytest.raises(errors.Busy):
                rig.provisioner.copy_in(volume.id, io.BytesIO(), 0, "")
            with pytest.raises(errors.Busy):
                rig.provisioner.copy_out(volume.id, io.BytesIO())


def test_a_name_in_work_is_not_begun_twice(rig: Rig) -> None:
    with rig.locks.hold("name:v"), pytest.raises(errors.Busy, match="name:v"):
        rig.create("v")
    assert rig.create("v")


def test_a_lock_is_given_back_after_a_failure(rig: Rig) -> None:
    for _ in range(2):
        with pytest.raises(errors.Exhausted):
            rig.create("v", 1 << 50)


def test_an_ill_backend_may_hold_the_name_so_nothing_is_made_elsewhere(rig: Rig) -> None:
    rig.fast.moods.unhealthy = rig.fast.moods.broken = "a disk is away"
    with pytest.raises(errors.Unavailable):
        rig.create("v")
    assert rig.create("w", backend="plain")  # and the others go on


def test_an_absent_backend_sends_the_volume_to_another_node() -> None:
    fast = MemoryDriver("fast", MemoryOptions(), Host())
    fast.moods.absent = True
    backends = Backends([Backend(fast)])
    provisioner = Provisioner(backends, Locks(), "n1", lambda _type, _flags: None)
    with pytest.raises(errors.Exhausted, match="'fast' is not on this node"):
        provisioner.create(VolumeRequest("v", SizeRange(0), (FILESYSTEM,), {}))


BYTES = st.integers(min_value=0, max_value=4 * GIB)


@given(BYTES, BYTES, BYTES)
def test_a_chosen_size_is_always_one_that_was_asked_for(
    required: int, limit: int, low: int
) -> None:
    floor = Floor(low, "a source")
    try:
        wanted = sizes.asked(required, limit)
        chosen = sizes.choose(wanted, floor)
    except errors.OutOfRange:
        # Only where nothing could serve: an empty range, or one that ends below the floor.
        assert (limit and required > limit) or (0 < required < low) or (limit and limit < low)
    else:
        assert chosen.required in SizeRange(max(required, low), limit or None)
        assert required in (0, chosen.required)


@given(st.integers(0, 1 << 62), st.integers(1, 1 << 30))
def test_rounding_up_is_the_least_multiple(size: int, unit: int) -> None:
    rounded = sizes.round_up(size, unit)
    assert rounded % unit == 0
    assert size <= rounded < size + unit


@dataclass(frozen=True)
class Item:
    """Anything with an id."""

    id: str


IDS = st.sets(st.integers(0, 60).map(lambda number: f"a.{number:02}"), max_size=40)


@given(IDS, IDS, IDS, st.integers(1, 7))
def test_pages_tell_what_stays_exactly_once(
    stays: set[str], goes: set[str], comes: set[str], most: int
) -> None:
    goes, comes = goes - stays, comes - stays
    told: list[str] = []
    token, present = "", stays | goes
    while True:
        got = page([Item(each) for each in present], Where(most, token))
        assert len(got.items) <= most
        told.extend(item.id for item in got.items)
        token, present = got.next, stays | comes  # between the first page and the others
        if not token:
            break
    assert [each for each in told if each in stays] == sorted(stays)
    assert told == sorted(set(told))


@pytest.mark.parametrize("token", ["x", "a/b.c", "a.b c", "ä.b", "." * 3])
def test_a_token_that_is_none(token: str) -> None:
    with pytest.raises(errors.Busy, match="begin it again"):
        page([Item("a.1")], Where(0, token))
