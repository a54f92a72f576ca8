"""What a driver does with groups of volumes, and with the one moment that a snapshot of them shows."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from drivers import errors
from drivers.compliance.bench import SIZE, Bench, pattern
from drivers.compliance.marks import checks
from drivers.compliance.test_snapshots import restore
from drivers.compliance.test_volumes import strange_ids
from drivers.compliance.writers import broken, number, ordered
from drivers.groups import GroupId, GroupSnapshot, GroupSnapshotSpec
from drivers.model import GroupSnapshotId, Volume, VolumeId

CUTS = 6
"""How often a moment is cut under a writer: a driver that takes two moments may be lucky once."""


def filled(bench: Bench, *names: str) -> list[Volume]:
    """Volumes, each full of a pattern of its own."""
    made = [bench.create(name) for name in names or ("first", "second", "third")]
    for seed, volume in enumerate(made, 1):
        bench.write(volume.id, pattern(seed, volume.size))
        bench.disconnect(volume.id)
    return made


def cut(bench: Bench, volumes: Sequence[Volume], name: str = "moment") -> GroupSnapshot:
    """A group snapshot of these volumes."""
    ids = tuple(each.id for each in volumes)
    spec = GroupSnapshotSpec(name, ids, {"namespace": "shop"})
    return bench.done(bench.groups.create_group_snapshot, spec)


@checks("create_group_snapshot", "get_group_snapshot", "find_group_snapshot")
def test_cutting_twice_gives_the_same_group_snapshot(bench: Bench) -> None:
    volumes = filled(bench)
    first = cut(bench, volumes)
    bench.write(volumes[0].id, pattern(9, SIZE))
    assert cut(bench, volumes) == first
    bench.restart()
    assert cut(bench, volumes) == first
    assert bench.groups.get_group_snapshot(first.id) == first
    assert bench.groups.find_group_snapshot("moment") == first
    assert bench.groups.find_group_snapshot("nothing") is None


@checks("create_group_snapshot", "list_group_snapshots", "get_snapshot", "list_snapshots")
def test_members_are_snapshots_that_know_their_group(bench: Bench) -> None:
    volumes, now = filled(bench), datetime.now(UTC)
    made = cut(bench, volumes)
    assert made.id.startswith(f"{bench.driver.backend_id}.")
    assert len(made.id.encode()) <= 128
    assert made.usable
    assert made.volume_ids == {each.id for each in volumes}
    assert now - timedelta(seconds=1) <= made.created <= datetime.now(UTC)
    assert bench.snapshots.list_snapshots() == list(made.snapshots)
    assert bench.groups.list_group_snapshots() == [made]
    for member in made.snapshots:
        assert bench.snapshots.get_snapshot(member.id) == member
        assert member.group_snapshot_id == made.id
        assert member.created == made.created
        assert member.labels == {"namespace": "shop"}
    assert bench.driver.list_volumes() == sorted(volumes, key=lambda each: each.id)


def shows(bench: Bench, made: GroupSnapshot) -> bool:
    """Whether the members hold what `filled` put into their volumes."""
    contents = []
    for member in made.snapshots:
        copy = restore(bench, member, f"look at {member.id}")
        contents.append(bench.read(copy.id))
        bench.disconnect(copy.id)
        bench.driver.delete_volume(copy.id)
    wanted = [pattern(seed, len(each)) for seed, each in enumerate(contents, 1)]
    return sorted(contents) == sorted(wanted)


@checks("create_group_snapshot", "create_volume_from_snapshot")
def test_members_show_what_their_volumes_held_and_restore_larger(bench: Bench) -> None:
    volumes = filled(bench)
    made = cut(bench, volumes)
    for volume in volumes:
        bench.write(volume.id, pattern(9, volume.size))
    assert shows(bench, made)
    for seed, volume in enumerate(volumes, 1):
        member = next(each for each in made.snapshots if each.volume_id == volume.id)
        restored = restore(bench, member, f"copy {seed}", 2 * SIZE)
        content = pattern(seed, volume.size) + bytes(restored.size - volume.size)
        assert bench.read(restored.id) == content
        assert bench.read(volume.id) == pattern(9, volume.size)


@checks("create_group_snapshot")
def test_volumes_in_use_are_cut_at_one_moment_or_left_alone(bench: Bench) -> None:
    volumes = filled(bench)
    with ExitStack() as stack:
        devices = [stack.enter_context(bench.connected(each.id)) for each in volumes]
        stack.enter_context(ordered(devices))
        try:
            made = [cut(bench, volumes, f"moment {each}") for each in range(CUTS)]
        except errors.Precondition:
            assert not bench.snapshots.list_snapshots()
            return
    assert not [found for each in made if broken(found := shown(bench, each, volumes))]


def shown(bench: Bench, made: GroupSnapshot, volumes: Sequence[Volume]) -> list[int]:
    """The numbers in the members of a group snapshot, in the order in which they were written."""
    members = {each.volume_id: each for each in made.snapshots}
    copies = [restore(bench, members[each.id], f"{each.id} {made.id}") for each in volumes]
    numbers = [number(bench.read(each.id)) for each in copies]
    for each in copies:
        bench.disconnect(each.id)
        bench.driver.delete_volume(each.id)
    bench.groups.delete_group_snapshot(made.id)
    return numbers


@checks("delete_group_snapshot", "delete_snapshot", "get_group_snapshot")
def test_a_member_goes_with_its_group_snapshot_alone(bench: Bench) -> None:
    volumes = filled(bench)
    doomed, kept = cut(bench, volumes, "doomed"), cut(bench, volumes[:2], "kept")
    single = bench.snapshot(volumes[0])
    copy = restore(bench, doomed.snapshots[0])
    with pytest.raises(errors.Invalid):
        bench.snapshots.delete_snapshot(doomed.snapshots[0].id)
    assert bench.groups.get_group_snapshot(doomed.id) == doomed
    for _ in range(2):
        bench.done(bench.groups.delete_group_snapshot, doomed.id)
    with pytest.raises(errors.NotFound):
        bench.groups.get_group_snapshot(doomed.id)
    left = sorted([*kept.snapshots, single], key=lambda each: each.id)
    assert bench.snapshots.list_snapshots() == left
    seed = 1 + [each.id for each in volumes].index(doomed.snapshots[0].volume_id)
    assert bench.read(copy.id) == pattern(seed, SIZE)


@checks("create_group_snapshot")
def test_what_cannot_be_cut_leaves_nothing(bench: Bench) -> None:
    volumes = filled(bench)
    ids = tuple(each.id for each in volumes)
    for wrong in ((), (*ids, ids[0])):
        with pytest.raises(errors.Invalid):
            bench.groups.create_group_snapshot(GroupSnapshotSpec("moment", wrong))
    for strange in strange_ids(bench, ids[0]):
        with pytest.raises(errors.NotFound):
            bench.groups.create_group_snapshot(
                GroupSnapshotSpec("moment", (*ids, VolumeId(strange)))
            )
    assert bench.snapshots.list_snapshots() == []
    assert bench.groups.list_group_snapshots() == []


@checks("get_group_snapshot", "delete_group_snapshot", "get_group", "delete_group", "update_group")
def test_unknown_groups_are_not_found(bench: Bench) -> None:
    made = cut(bench, filled(bench))
    for strange in strange_ids(bench, made.id):
        group_id, cut_id = GroupId(strange), GroupSnapshotId(strange)
        with pytest.raises(errors.NotFound):
            bench.groups.get_group_snapshot(cut_id)
        with pytest.raises(errors.NotFound):
            bench.groups.get_group(group_id)
        with pytest.raises(errors.NotFound):
            bench.groups.update_group(group_id, [], [])
        bench.groups.delete_group_snapshot(cut_id)
        bench.groups.delete_group(group_id)
    assert bench.groups.list_group_snapshots() == [made]


@checks("create_group", "get_group", "list_groups", "update_group", "delete_group")
def test_a_group_lasts_until_it_is_deleted(bench: Bench) -> None:
    first, second, third = (each.id for each in filled(bench))
    group = bench.groups.create_group("shop / ünits", [first, second])
    assert group.name == "shop / ünits"
    assert set(group.volume_ids) == {first, second}
    assert bench.groups.create_group("shop / ünits", [third]) == group
    bench.restart()
    assert bench.groups.list_groups() == [group]
    changed = bench.groups.update_group(group.id, [third], [first])
    assert set(changed.volume_ids) == {second, third}
    assert bench.groups.update_group(group.id, [third], [first]) == changed
    bench.driver.delete_volume(third)
    assert bench.groups.get_group(group.id).volume_ids == (second,)
    for _ in range(2):
        bench.groups.delete_group(group.id)
    assert bench.groups.list_groups() == []
    assert {each.id for each in bench.driver.list_volumes()} == {first, second}


@checks("create_group_from_src")
def test_a_group_is_made_from_a_moment_of_another(bench: Bench) -> None:
    volumes = filled(bench)
    made = cut(bench, volumes)
    wanted = {each.id: bench.spec(f"of {each.volume_id}") for each in made.snapshots}
    with pytest.raises(errors.NotFound):
        bench.groups.create_group_from_src("copy", GroupSnapshotId(f"{made.id}0"), wanted)
    group = bench.groups.create_group_from_src("copy", made.id, wanted)
    assert bench.groups.create_group_from_src("copy", made.id, wanted) == group
    assert len(group.volume_ids) == len(volumes)
    for seed, volume in enumerate(volumes, 1):
        copy = bench.driver.find_volume(f"of {volume.id}")
        assert copy is not None
        assert bench.read(copy.id) == pattern(seed, SIZE)


@checks("create_group_from_src")
def test_a_group_is_made_of_nothing_but_the_moment(bench: Bench) -> None:
    volumes = filled(bench)
    made = cut(bench, volumes)
    first, second, *_others = made.snapshots
    bench.driver.create_volume(bench.spec("blank"))
    with pytest.raises(errors.Exists):
        bench.groups.create_group_from_src("copy", made.id, {first.id: bench.spec("blank")})
    bench.snapshots.create_volume_from_snapshot(bench.spec("another"), second.id)
    with pytest.raises(errors.Exists):
        bench.groups.create_group_from_src("copy", made.id, {first.id: bench.spec("another")})
    assert bench.groups.list_groups() == []
