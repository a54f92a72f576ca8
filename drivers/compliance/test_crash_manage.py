"""What is left when the process is killed while it takes something over, or lets go of it.

As `test_crash`: there is no state in between. The object is managed, by one record, or it is nobody's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from drivers.compliance.adoptions import adoption, cut_adoption, cuts, manages
from drivers.compliance.bench import Bench, pattern
from drivers.compliance.marks import DEATHS, checks
from drivers.compliance.subjects import Bed
from drivers.compliance.test_crash import Act, Case, filled, only, survive
from drivers.compliance.test_manage import PLAIN, released
from drivers.compliance.test_manage_snapshots import PLAIN as PLAIN_CUT
from drivers.compliance.test_manage_snapshots import released as released_cut
from drivers.compliance.test_snapshots import restore
from drivers.interface import ManageDriver, ManageSnapshotsDriver
from drivers.manageable import Manageable, Query, Reference
from drivers.model import Content


def managing() -> Case:
    def prepare(bench: Bench) -> Act:
        where, _volume = released(bench)
        return lambda driver: cast(ManageDriver, driver).manage_existing(adoption(), where)

    def verify(bench: Bench) -> None:
        volume = only(bench, "adopted")
        assert volume.content is Content.ADOPTED
        assert bench.read(volume.id) == pattern(1, volume.size)
        assert [each.reference.name for each in ours(bench)] == [PLAIN]

    return Case(prepare, verify)


def unmanaging() -> Case:
    def prepare(bench: Bench) -> Act:
        volume = filled(bench)
        return lambda driver: cast(ManageDriver, driver).unmanage(volume.id, PLAIN)

    def verify(bench: Bench) -> None:
        assert not bench.driver.list_volumes()
        assert not ours(bench)
        volume = bench.done(manages(bench).manage_existing, adoption(), Reference(PLAIN))
        assert bench.read(volume.id)[: len(pattern(1))] == pattern(1)

    return Case(prepare, verify)


def managing_a_snapshot() -> Case:
    def prepare(bench: Bench) -> Act:
        where, _snapshot = released_cut(bench)
        return lambda driver: cast(ManageSnapshotsDriver, driver).manage_existing_snapshot(
            cut_adoption(), where
        )

    return Case(prepare, verify_snapshot)


def unmanaging_a_snapshot() -> Case:
    def prepare(bench: Bench) -> Act:
        volume = filled(bench)
        snapshot = bench.snapshot(volume)
        bench.write(volume.id, pattern(2, volume.size))
        bench.disconnect(volume.id)
        return lambda driver: cast(ManageSnapshotsDriver, driver).unmanage_snapshot(
            snapshot.id, PLAIN_CUT
        )

    def verify(bench: Bench) -> None:
        assert not bench.snapshots.list_snapshots()
        where = Reference(PLAIN_CUT)
        bench.done(cuts(bench).manage_existing_snapshot, cut_adoption(), where)
        verify_snapshot(bench)

    return Case(prepare, verify)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(managing, marks=checks("manage_existing")),
        pytest.param(unmanaging, marks=checks("unmanage")),
        pytest.param(managing_a_snapshot, marks=checks("manage_existing_snapshot")),
        pytest.param(unmanaging_a_snapshot, marks=checks("unmanage_snapshot")),
    ],
)
def test_a_killed_process_has_taken_it_over_or_not(
    bed: Bed,
    make: Callable[[], Case],
    point_limit: int | None,
    request: pytest.FixtureRequest,
) -> None:
    deaths = survive(bed, make(), point_limit)
    request.node.user_properties.append((DEATHS, deaths))


def ours(bench: Bench) -> list[Manageable]:
    """What the driver lists as its own."""
    entries = manages(bench).get_manageable_volumes(Query()).entries
    return [each for each in entries if each.manager]


def verify_snapshot(bench: Bench) -> None:
    """One snapshot, with what its volume held at the cut."""
    (snapshot,) = bench.snapshots.list_snapshots()
    assert snapshot.volume_id == only(bench, "source").id
    restored = restore(bench, snapshot)
    assert bench.read(restored.id)[: len(pattern(1))] == pattern(1)
