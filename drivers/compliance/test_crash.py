"""What is left when the process is killed between two steps: nothing that the next call does not mend.

Each operation runs in a child process that gets SIGKILL before one of its steps, then a new instance is
asked for the same again. There must be exactly one object afterwards, with the right bytes, and no room
may be lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TypeVar, cast

import pytest

from drivers.compliance import crash
from drivers.compliance.bench import PAUSE, PROPERTIES, SIZE, Bench, device_size, pattern
from drivers.compliance.marks import DEATHS, checks
from drivers.compliance.subjects import Bed
from drivers.compliance.test_snapshots import restore
from drivers.errors import StorageError
from drivers.interface import CloneDriver, RevertDriver, SnapshotDriver, VolumeDriver
from drivers.model import Content, SnapshotSpec, Volume

Act = Callable[[VolumeDriver], object]
Id = TypeVar("Id", bound=str)


@dataclass(frozen=True, slots=True)
class Case:
    """An operation: what must be there before, what is done, and what must be true afterwards."""

    prepare: Callable[[Bench], Act]
    verify: Callable[[Bench], None]


def survive(bed: Bed, case: Case, limit: int | None) -> int:
    """Kill the operation before each of its steps and repeat it; returns the number of deaths."""
    steps = rehearse(bed, case)
    chosen = crash.points(len(steps), limit)
    for number in chosen:
        with told_of(f"killed before step {number + 1} of {len(steps)}: {steps[number]}"):
            die_once(bed, case, number)
    return len(chosen)


def rehearse(bed: Bed, case: Case) -> Sequence[str]:
    """The steps of the operation when nobody kills it."""
    with closing(Bench(bed)) as bench:
        bench.clear()
        act = case.prepare(bench)
    return crash.live(bed, act).steps


def die_once(bed: Bed, case: Case, number: int) -> None:
    """One death, and what the next process makes of it."""
    # Threads do not survive a fork: no driver is open in this process while the child lives.
    with closing(Bench(bed)) as bench:
        bench.clear()
        idle = bench.provisioned
        act = case.prepare(bench)
    crash.live(bed, act, kill_before=number)
    with closing(Bench(bed)) as bench:
        for volume in bench.driver.list_volumes():
            assert bench.driver.get_volume(volume.id) == volume
        bench.done(act, bench.driver)
        case.verify(bench)
        bench.clear()
        bench.done(bench.settled, idle)


@contextmanager
def told_of(what: str) -> Iterator[None]:
    """Add to a failure where the process was killed."""
    try:
        yield
    except (AssertionError, StorageError) as e:
        e.add_note(what)
        raise


def creation() -> Case:
    def prepare(bench: Bench) -> Act:
        spec = bench.spec("made")
        return lambda driver: driver.create_volume(spec)

    def verify(bench: Bench) -> None:
        volume = only(bench, "made")
        assert volume.content is Content.BLANK
        assert SIZE <= volume.size < SIZE + bench.unit
        bench.read_new(volume)

    return Case(prepare, verify)


def deletion() -> Case:
    def prepare(bench: Bench) -> Act:
        volume = filled(bench)
        return lambda driver: until_wiped(driver, driver.delete_volume, volume.id)

    def verify(bench: Bench) -> None:
        assert not bench.driver.list_volumes()

    return Case(prepare, verify)


def growth() -> Case:
    def prepare(bench: Bench) -> Act:
        volume = filled(bench)
        return lambda driver: driver.extend_volume(volume.id, 3 * SIZE)

    def verify(bench: Bench) -> None:
        volume = only(bench, "source")
        assert 3 * SIZE <= volume.size < 3 * SIZE + bench.unit
        content = bench.read(volume.id)
        assert content[:SIZE] == pattern(1)
        assert content[SIZE:] == bytes(volume.size - SIZE)

    return Case(prepare, verify)


def connection() -> Case:
    def prepare(bench: Bench) -> Act:
        volume = filled(bench)
        return lambda driver: driver.initialize_connection(volume.id)

    def verify(bench: Bench) -> None:
        assert bench.read(only(bench, "source").id)[:SIZE] == pattern(1)

    return Case(prepare, verify)


def disconnection() -> Case:
    def prepare(bench: Bench) -> Act:
        volume = filled(bench)
        bench.driver.initialize_connection(volume.id)
        return lambda driver: driver.terminate_connection(volume.id)

    def verify(bench: Bench) -> None:
        assert bench.read(only(bench, "source").id)[:SIZE] == pattern(1)

    return Case(prepare, verify)


def marking() -> Case:
    def prepare(bench: Bench) -> Act:
        volume = bench.create("source")
        return lambda driver: driver.set_content(volume.id, Content.FORMATTED)

    def verify(bench: Bench) -> None:
        volume = only(bench, "source")
        assert volume.content is Content.FORMATTED
        assert (volume.requested, volume.properties) == (SIZE, PROPERTIES)

    return Case(prepare, verify)


def cut() -> Case:
    def prepare(bench: Bench) -> Act:
        spec = SnapshotSpec("snapshot", filled(bench).id, {})
        return lambda driver: snapshots(driver).create_snapshot(spec)

    def verify(bench: Bench) -> None:
        (snapshot,) = bench.snapshots.list_snapshots()
        bench.write(only(bench, "source").id, pattern(2))
        restored = restore(bench, snapshot)
        assert bench.read(restored.id)[:SIZE] == pattern(1)

    return Case(prepare, verify)


def uncut() -> Case:
    def prepare(bench: Bench) -> Act:
        snapshot = bench.snapshot(filled(bench))
        return lambda driver: until_wiped(driver, snapshots(driver).delete_snapshot, snapshot.id)

    def verify(bench: Bench) -> None:
        assert not bench.snapshots.list_snapshots()
        assert bench.read(only(bench, "source").id)[:SIZE] == pattern(1)

    return Case(prepare, verify)


def restoring() -> Case:
    def prepare(bench: Bench) -> Act:
        snapshot, spec = bench.snapshot(filled(bench)), bench.spec("copy", 2 * SIZE)
        return lambda driver: snapshots(driver).create_volume_from_snapshot(spec, snapshot.id)

    return Case(prepare, verify_copy)


def cloning() -> Case:
    def prepare(bench: Bench) -> Act:
        volume, spec = filled(bench), bench.spec("copy", 2 * SIZE)
        return lambda driver: cast(CloneDriver, driver).create_cloned_volume(spec, volume.id)

    return Case(prepare, verify_copy)


def reverting() -> Case:
    def prepare(bench: Bench) -> Act:
        volume = filled(bench)
        snapshot = bench.snapshot(volume)
        bench.write(volume.id, pattern(2))
        bench.disconnect(volume.id)
        bench.driver.extend_volume(volume.id, 2 * SIZE)
        return lambda driver: cast(RevertDriver, driver).revert_to_snapshot(volume.id, snapshot.id)

    def verify(bench: Bench) -> None:
        volume = only(bench, "source")
        assert volume.size >= 2 * SIZE
        assert bench.read(volume.id)[:SIZE] == pattern(1)
        (snapshot,) = bench.snapshots.list_snapshots()
        assert snapshot.volume_id == volume.id

    return Case(prepare, verify)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(creation, marks=checks("create_volume")),
        pytest.param(deletion, marks=checks("delete_volume")),
        pytest.param(growth, marks=checks("extend_volume")),
        pytest.param(connection, marks=checks("initialize_connection")),
        pytest.param(disconnection, marks=checks("terminate_connection")),
        pytest.param(marking, marks=checks("set_content")),
        pytest.param(cut, marks=checks("create_snapshot")),
        pytest.param(uncut, marks=checks("delete_snapshot")),
        pytest.param(restoring, marks=checks("create_volume_from_snapshot")),
        pytest.param(cloning, marks=checks("create_cloned_volume")),
        pytest.param(reverting, marks=checks("revert_to_snapshot")),
    ],
)
def test_a_killed_process_leaves_nothing_that_the_next_call_does_not_mend(
    bed: Bed,
    make: Callable[[], Case],
    point_limit: int | None,
    request: pytest.FixtureRequest,
) -> None:
    deaths = survive(bed, make(), point_limit)
    request.node.user_properties.append((DEATHS, deaths))
    assert deaths > 0 or make is not creation, "the kit saw no step of the driver"


def only(bench: Bench, name: str) -> Volume:
    """The one volume of that name."""
    found = bench.driver.find_volume(name)
    assert found is not None
    assert [each.id for each in bench.driver.list_volumes()].count(found.id) == 1
    with bench.connected(found.id) as device:
        assert device_size(device) == device.size == found.size
    return found


def verify_copy(bench: Bench) -> None:
    """The source, and a copy of it of twice its size, and nothing else."""
    copy = only(bench, "copy")
    assert len(bench.driver.list_volumes()) == 2
    assert copy.content is Content.INHERITED
    assert copy.size >= 2 * SIZE
    content = bench.read(copy.id)
    assert content[:SIZE] == pattern(1)
    assert content[SIZE:] == bytes(copy.size - SIZE)
    assert bench.read(only(bench, "source").id)[:SIZE] == pattern(1)


def filled(bench: Bench) -> Volume:
    """A volume whose first bytes are a pattern, said to hold a filesystem."""
    volume = bench.create("source")
    bench.write(volume.id, pattern(1))
    bench.disconnect(volume.id)
    return bench.driver.set_content(volume.id, Content.FORMATTED)


def snapshots(driver: VolumeDriver) -> SnapshotDriver:
    """The driver by its ability to make snapshots."""
    return cast(SnapshotDriver, driver)


def until_wiped(driver: VolumeDriver, delete: Callable[[Id], None], object_id: Id) -> None:
    """Delete, and wait for the background work that gives the space back."""
    delete(object_id)
    while driver.get_volume_stats({}, refresh=True).wiping:
        time.sleep(PAUSE)
