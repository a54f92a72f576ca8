"""Many callers at once, and callers that do not wait."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from drivers import errors
from drivers.compliance.bench import SIZE, Bench, in_a_hurry, pattern
from drivers.compliance.marks import checks
from drivers.compliance.test_snapshots import filled
from drivers.locks import Locks
from drivers.model import SnapshotSpec, Volume, VolumeSpec

Answer = TypeVar("Answer")

THREADS = 8
SHARED = ("shared-a", "shared-b")


@checks("create_volume", "delete_volume", "initialize_connection", "extend_volume")
def test_eight_callers_work_on_volumes_of_their_own(bench: Bench) -> None:
    def life(number: int) -> Volume:
        kept = bench.create(f"kept-{number}")
        bench.write(kept.id, pattern(number, kept.size))
        if number % 2:
            return bench.done(bench.driver.extend_volume, kept.id, 2 * SIZE)
        brief = bench.create(f"brief-{number}")
        bench.done(bench.driver.delete_volume, brief.id)
        return kept

    kept = together(life)
    assert bench.driver.list_volumes() == sorted(kept, key=lambda each: each.id)
    for number, volume in enumerate(kept):
        assert bench.read(volume.id)[:SIZE] == pattern(number)[:SIZE]


@checks("create_volume", "list_volumes")
def test_eight_callers_of_the_same_names_make_one_volume_each(bench: Bench) -> None:
    # The caller's part of the contract: nobody changes one object twice at once.
    locks = Locks()

    def create(name: str) -> Volume:
        with locks.hold(name):
            return bench.driver.create_volume(bench.spec(name))

    def life(number: int) -> list[Volume]:
        names = SHARED if number % 2 else reversed(SHARED)
        return [bench.done(create, name) for name in names]

    made = {volume.id for volumes in together(life) for volume in volumes}
    assert made == {volume.id for volume in bench.driver.list_volumes()}
    assert len(made) == len(SHARED)


@checks("list_volumes", "find_volume", "get_volume_stats")
def test_readers_see_only_finished_volumes(bench: Bench) -> None:
    def write(number: int) -> None:
        for _ in range(2):
            volume = bench.create(f"coming-{number}")
            bench.done(bench.driver.delete_volume, volume.id)

    def read(number: int) -> None:
        for _ in range(10):
            bench.driver.get_volume_stats({}, refresh=bool(number % 2))
            bench.driver.find_volume(f"coming-{number - 1}")
            for volume in bench.driver.list_volumes():
                assert volume.size >= SIZE
                look(bench, volume)

    together(lambda number: read(number) if number % 2 else write(number))


@checks("create_volume_from_snapshot")
def test_a_restore_that_nobody_waits_for_is_found_by_the_next_call(bench: Bench) -> None:
    volume = filled(bench)
    snapshot = bench.snapshot(volume)
    spec = bench.spec("restored")
    hurried(lambda: bench.snapshots.create_volume_from_snapshot(spec, snapshot.id))
    restored = bench.done(bench.snapshots.create_volume_from_snapshot, spec, snapshot.id)
    assert bench.read(restored.id) == pattern(1, volume.size)
    assert len(bench.driver.list_volumes()) == 2


@checks("create_cloned_volume")
def test_a_clone_that_nobody_waits_for_is_made_by_a_new_process(bench: Bench) -> None:
    volume, spec = filled(bench), bench.spec("clone")
    hurried(lambda: bench.clones.create_cloned_volume(spec, volume.id))
    bench.restart()
    copy = bench.done(bench.clones.create_cloned_volume, spec, volume.id)
    assert bench.read(copy.id) == pattern(1, volume.size)
    assert len(bench.driver.list_volumes()) == 2


@checks("create_snapshot", "create_volume", "delete_volume")
def test_calls_without_time_finish_or_can_be_repeated(bench: Bench) -> None:
    spec: VolumeSpec = bench.spec("hurried")
    hurried(lambda: bench.driver.create_volume(spec))
    volume = bench.done(bench.driver.create_volume, spec)
    cut = SnapshotSpec("hurried", volume.id, {})
    hurried(lambda: bench.snapshots.create_snapshot(cut))
    snapshot = bench.done(bench.snapshots.create_snapshot, cut)
    assert bench.snapshots.list_snapshots() == [snapshot]
    hurried(lambda: bench.snapshots.delete_snapshot(snapshot.id))
    bench.done(bench.snapshots.delete_snapshot, snapshot.id)
    hurried(lambda: bench.driver.delete_volume(volume.id))
    bench.done(bench.driver.delete_volume, volume.id)
    assert not bench.driver.list_volumes()


def together(work: Callable[[int], Answer]) -> list[Answer]:
    """What eight threads return that begin at once; raises what any of them raises."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, range(THREADS)))


def hurried(call: Callable[[], object]) -> None:
    """Make a call whose deadline has passed: it may finish, or say that it should be repeated."""
    try:
        with in_a_hurry(0):
            call()
    except errors.Busy:
        return


def look(bench: Bench, volume: Volume) -> None:
    """Ask for a volume that others delete: it is there as it was listed, or not at all."""
    try:
        found = bench.driver.get_volume(volume.id)
    except errors.NotFound:
        return
    assert found == volume
