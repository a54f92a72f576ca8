"""Groups and group snapshots: what is refused, what is seen when, and what a death leaves."""

from __future__ import annotations

import errno
import re
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Timer, current_thread, main_thread
from typing import Any

import pytest

from drivers.errors import (
    Busy,
    Exhausted,
    Exists,
    InUse,
    Invalid,
    NotFound,
    OutOfRange,
    Precondition,
    Unavailable,
)
from drivers.groups import GroupSnapshot, GroupSnapshotSpec
from drivers.lvm import devicemapper, devices
from drivers.lvm.moment import Unsettled
from drivers.model import MIB, Snapshot, SnapshotId, VolumeId
from tests.fakes.lvm import FakeLvm
from tests.fakes.lvm.driver import Life, life, wanted
from tests.fakes.lvm.state import Device

OPTIONS: dict[str, Any] = {"thinPools": ["pool"], "overcommit": 8}
NAMES = ("a", "b", "c")
OLD, NEW = "old", "new"


def filled(one: Life, *names: str) -> tuple[VolumeId, ...]:
    made = []
    for name in names or NAMES:
        volume = one.volume(name)
        one.lvm.write(one.lvm.object(volume.id), f"{OLD} {name}")
        made.append(volume.id)
    return tuple(made)


def cut(one: Life, ids: tuple[VolumeId, ...], name: str = "moment") -> GroupSnapshot:
    return one.driver.create_group_snapshot(GroupSnapshotSpec(name, ids))


def held(lvm: FakeLvm, made: GroupSnapshot) -> list[set[str]]:
    return sorted((set(lvm.content(lvm.object(each.id))) for each in made.snapshots), key=str)


def marked(lvm: FakeLvm) -> list[str]:
    return [lv.name for lv in lvm.tagged("hearth.creating")]


def test_members_show_their_volumes_and_vanish_together(lvm: FakeLvm) -> None:
    with life(lvm, **OPTIONS) as one:
        ids = filled(one)
        made = cut(one, ids)
        for each in ids:
            lvm.write(lvm.object(each), NEW)
        assert held(lvm, made) == [{f"{OLD} a"}, {f"{OLD} b"}, {f"{OLD} c"}]
        assert cut(one, ids) == made
        assert made.pause == 0.01
        assert cut(one, ids).pause is None
        one.driver.delete_group_snapshot(made.id)
        assert one.driver.list_snapshots() == []
        assert len(lvm.names()) == 3


def test_a_cut_that_fails_leaves_nothing(lvm: FakeLvm) -> None:
    with life(lvm, **OPTIONS) as one:
        ids = filled(one)
        one.process.cut_fails = True
        with pytest.raises(Busy):
            cut(one, ids)
        assert len(lvm.names()) == 3
        one.process.cut_fails = False
        assert len(cut(one, ids).snapshots) == 3


def test_a_failure_without_a_name_leaves_nothing(lvm: FakeLvm) -> None:
    def fail(what: str) -> None:
        if what.startswith("cut "):
            raise BlockingIOError(errno.EAGAIN, "no process")

    with life(lvm, **OPTIONS) as one:
        ids = filled(one)
        one.process.meanwhile = fail
        with pytest.raises(BlockingIOError):
            cut(one, ids)
        assert len(lvm.names()) == 3


def test_what_could_not_be_taken_back_goes_by_itself(lvm: FakeLvm) -> None:
    def refuse(what: str) -> None:
        if what.startswith("lvm lvremove"):
            raise Busy("another program holds the lock of the group")

    with life(lvm, **OPTIONS) as one:
        ids = filled(one)
        one.process.cut_fails, one.process.meanwhile = True, refuse
        with pytest.raises(Busy, match="given up"):
            cut(one, ids)
        assert len(lvm.names()) == 6
        assert one.driver.list_snapshots() == []
        one.process.meanwhile = lambda _what: None
        lvm.wait_for(lambda: len(lvm.names()) == 3)


def left_over(one: Life, ids: tuple[VolumeId, ...], name: str) -> set[str]:
    """The names of what could not be taken back of a cut that failed, and cannot still."""
    before = set(one.lvm.names())
    kept: set[str] = set()

    def refuse(what: str) -> None:
        if one.process.cut_fails:
            kept.update(set(one.lvm.names()) - before)
        if what.startswith("lvm lvremove") and kept.intersection(re.findall(r"cut-\w+", what)):
            raise Unavailable("it cannot be removed")

    one.process.cut_fails, one.process.meanwhile = True, refuse
    with pytest.raises(Busy):
        cut(one, ids, name)
    one.process.cut_fails = False
    return kept


def test_what_cannot_be_removed_is_in_nobody_elses_way(lvm: FakeLvm) -> None:
    with life(lvm, **OPTIONS) as one:
        ids = filled(one)
        kept = left_over(one, ids, "stays")
        assert len(kept) == 3
        made = cut(one, ids, "other")
        assert len(made.snapshots) == 3
        one.driver.delete_group_snapshot(made.id)
        assert {name for name in lvm.names() if name.startswith("cut-")} == kept
        with pytest.raises(Unavailable, match="cannot be removed"):
            cut(one, ids, "stays")


def test_deleting_needs_no_room_in_the_metadata(lvm: FakeLvm) -> None:
    """It is what helps when that is full."""

    def full(what: str) -> None:
        added, removed = (re.findall(rf"--{each}tag (\S+)", what) for each in ("add", "del"))
        if sum(map(len, added)) > sum(map(len, removed)):
            raise Exhausted("the metadata area of the volume group is full")

    with life(lvm, **OPTIONS) as one:
        made = cut(one, filled(one))
        one.process.meanwhile = full
        one.driver.delete_group_snapshot(made.id)
        assert len(lvm.names()) == 3


@pytest.mark.parametrize("end", [Unsettled("it was given up"), KeyboardInterrupt()])
def test_what_nobody_resumed_goes_on_before_lvm_is_asked(lvm: FakeLvm, end: BaseException) -> None:
    """Whoever holds LVM's lock may wait for a device that is suspended."""

    def stand_still(what: str) -> None:
        if what.startswith("lvm") and [each for each in suspended(lvm) if each != "vg-other"]:
            raise Busy("it waits for a suspended device")

    with life(lvm, **OPTIONS) as one:
        ids = filled(one)
        one.driver.initialize_connection(ids[0])
        uuid = lvm.device(lvm.object(ids[0])).uuid[:36] + "x" * 32
        other = Device("vg-other", uuid, lvm.directory / "none", suspended=True)
        lvm.state.devices[other.uuid] = other
        one.process.cut_leaves_suspended, one.process.meanwhile = True, stand_still
        one.process.cut_ends = end
        with pytest.raises(type(end)):
            cut(one, ids)
        assert suspended(lvm) == ["vg-other"], "who suspended that has a reason"
        assert len(lvm.names()) == 3


def test_nothing_is_cut_while_devices_of_another_cut_are_stopped(lvm: FakeLvm) -> None:
    """They would be taken for left over in the middle of the next one, and the kernel cuts what goes on."""
    stuck = True

    def refuse(what: str) -> None:
        if what.startswith("resume ") and stuck:
            raise Unavailable("it cannot be resumed")

    with life(lvm, **OPTIONS) as one:
        ids = filled(one)
        one.driver.initialize_connection(ids[0])
        one.process.cut_leaves_suspended, one.process.meanwhile = True, refuse
        with pytest.raises(Unavailable, match="cannot be resumed"):
            cut(one, ids[:1])
        one.process.cut_leaves_suspended, before = False, set(lvm.names())
        with pytest.raises(Unavailable, match="cannot be resumed"):
            cut(one, ids[1:], "of others")
        assert before.issuperset(lvm.names())
        stuck = False
        assert len(cut(one, ids).snapshots) == 3
        assert suspended(lvm) == []


def test_nobody_resumes_in_the_middle_of_a_cut(lvm: FakeLvm) -> None:
    """Whoever has seen in the background what an earlier cut left does not come to it during the next."""
    at_it, go_on, told = Event(), Event(), []

    def meddle(what: str) -> None:
        told.append(what)
        if what.startswith("resume "):
            if current_thread() is main_thread():
                raise Unavailable("it cannot be resumed")
            at_it.set()
            assert go_on.wait(10)

    with life(lvm, **OPTIONS) as one:
        ids = filled(one)
        one.driver.initialize_connection(ids[0])
        one.process.cut_leaves_suspended, one.process.meanwhile = True, meddle
        with pytest.raises(Unavailable, match="cannot be resumed"):
            cut(one, ids)
        one.process.cut_leaves_suspended = False
        assert at_it.wait(10)
        timer = Timer(0.5, go_on.set)
        timer.start()
        del told[:]
        assert len(cut(one, ids).snapshots) == 3
        timer.join()
        assert suspended(lvm) == []
        assert [each for each in told if each.startswith("resume ")] == []
        assert go_on.is_set(), "the cut has waited for the one who resumes"


def suspended(lvm: FakeLvm) -> list[str]:
    return [each.name for each in lvm.state.devices.values() if each.suspended]


def test_a_device_that_cannot_be_looked_at_is_unavailable(tmp_path: Path) -> None:
    gone = devicemapper.Device("vg-a", "LVM-a", 0, suspended=False, path=tmp_path / "dm-9")
    with pytest.raises(Unavailable, match="dm-9 cannot be looked at"):
        devices.use(gone)


def test_a_group_that_was_changed_meanwhile_is_not_cut(lvm: FakeLvm) -> None:
    def meddle(what: str) -> None:
        if what.startswith("cut "):
            lvm.state.seqno += 1

    with life(lvm, **OPTIONS) as one:
        ids = filled(one)
        one.process.meanwhile = meddle
        with pytest.raises(Busy):
            cut(one, ids)
        assert len(lvm.names()) == 3


def test_one_that_was_activated_meanwhile_is_not_cut_while_it_goes_on(lvm: FakeLvm) -> None:
    """Activation changes no metadata, and the kernel takes the snapshot of a device that goes on."""
    with life(lvm, **OPTIONS) as one:
        ids = filled(one)

        def meddle(what: str) -> None:
            if re.fullmatch(r"cut [0-9a-f]{32}", what):
                lvm.state.activate(lvm.object(ids[1]))

        one.process.meanwhile = meddle
        with pytest.raises(Busy, match="changed meanwhile"):
            cut(one, ids)
        assert len(lvm.names()) == 3


def test_its_time_is_that_of_the_cut(lvm: FakeLvm) -> None:
    moments = []

    def note(what: str) -> None:
        if what == "cut 3":
            moments.append(datetime.now(UTC))

    with life(lvm, **OPTIONS) as one:
        ids = filled(one)
        one.process.meanwhile = note
        made = cut(one, ids)
        assert moments[0] <= made.created
        assert {each.created for each in made.snapshots} == {made.created}
        assert cut(one, ids).created == made.created


def test_only_what_is_active_is_suspended(lvm: FakeLvm) -> None:
    with life(lvm, **OPTIONS) as one:
        ids = filled(one)
        connection = one.driver.initialize_connection(ids[1])
        cut(one, ids)
        assert one.process.plan is not None
        assert one.process.plan.active == (connection.dm_uuid,)
        assert one.process.plan.raw == (connection.path,)
        assert len(one.process.plan.snapshots) == 3
        assert [each for each in one.process.changes if each.startswith("sync")]


def test_a_device_that_somebody_suspended_is_left_alone(lvm: FakeLvm) -> None:
    with life(lvm, **OPTIONS) as one:
        ids = filled(one)
        one.driver.initialize_connection(ids[0])
        lvm.device(lvm.object(ids[0])).suspended = True
        with pytest.raises(Unavailable, match="suspended"):
            cut(one, ids)


def test_what_cannot_be_cut_together_is_refused_by_name(lvm: FakeLvm) -> None:
    lvm.add_pool("other", 8)
    with life(lvm, thinPools=["pool", "other"], overcommit=8) as one:
        thick, thin = one.volume("t", layout="linear"), one.volume("p")
        with pytest.raises(Precondition, match=rf"{thick.id} \(vg/vol-\w+\) are thick"):
            cut(one, (thick.id, thin.id))
        elsewhere = one.volume("big", 60 * MIB)
        lvm.object(elsewhere.id).pool = next(
            lv.uuid
            for lv in lvm.state.lvs.values()
            if lv.name in ("pool", "other") and lv.uuid != lvm.object(thin.id).pool
        )
        lvm.state.seqno += 1
        with pytest.raises(Precondition, match=f"these are in 2: {thin.id} in"):
            cut(one, (thin.id, elsewhere.id))
        with pytest.raises(Precondition):
            one.driver.create_group("g", [thick.id, thin.id])


@pytest.mark.parametrize("fill", ["1 16/2048 1000/1024", "1 2000/2048 0/1024"])
def test_a_pool_without_room_is_a_precondition(lvm: FakeLvm, fill: str) -> None:
    with life(lvm, **OPTIONS) as one:
        ids = filled(one)
        lvm.fill = fill
        with pytest.raises(Precondition, match=f"(?s){ids[0]}.*above its watermark"):
            cut(one, ids)
        assert len(lvm.names()) == 3


def test_a_member_cannot_go_alone(lvm: FakeLvm) -> None:
    with life(lvm, **OPTIONS) as one:
        made = cut(one, filled(one))
        member = made.snapshots[0].id
        with pytest.raises(Invalid, match=made.id):
            one.driver.delete_snapshot(member)
        with pytest.raises(Precondition, match=made.id):
            one.driver.unmanage_snapshot(member, None)
        assert one.driver.get_group_snapshot(made.id) == made


def test_a_volume_is_released_after_its_group_snapshots(lvm: FakeLvm) -> None:
    """A member can neither be deleted nor released, so it must not be said to do that."""
    with life(lvm, **OPTIONS) as one:
        ids = filled(one)
        made = cut(one, ids)
        with pytest.raises(InUse, match=f"delete {made.id} first"):
            one.driver.unmanage(ids[0], None)
        one.driver.delete_group_snapshot(made.id)
        one.driver.unmanage(ids[0], None)


def test_a_member_that_is_read_holds_all(lvm: FakeLvm) -> None:
    with life(lvm, **OPTIONS) as one:
        made = cut(one, filled(one))
        lv = lvm.object(made.snapshots[1].id)
        lvm.state.activate(lv)
        lvm.device(lv).opened = 1
        with pytest.raises(InUse):
            one.driver.delete_group_snapshot(made.id)
        assert one.driver.list_snapshots() == list(made.snapshots)


def test_one_whose_member_somebody_removed_is_not_usable(lvm: FakeLvm) -> None:
    with life(lvm, **OPTIONS) as one:
        made = cut(one, filled(one))
        lvm.run(["lvm", "lvremove", "--yes", "--", f"vg/{lvm.object(made.snapshots[0].id).name}"])
        found = one.driver.get_group_snapshot(made.id)
        assert not found.usable
        assert len(found.snapshots) == 2


def test_letting_go_of_a_volume_brings_no_half_group_back(lvm: FakeLvm) -> None:
    with life(lvm, **OPTIONS) as one:
        made = cut(one, filled(one))
        doomed = next(
            each for each in made.snapshots if each.volume_id == made.snapshots[0].volume_id
        )
        lvm.object(doomed.id).tags.add("hearth.creating")
        lvm.state.seqno += 1
        one.driver.unmanage(doomed.volume_id, None)
        assert one.driver.list_snapshots() == []


def test_names_of_groups_are_kept_as_they_are(lvm: FakeLvm) -> None:
    with life(lvm, **OPTIONS) as one:
        ids = filled(one)
        group = one.driver.create_group("shop: a/b ü%", ids[:2])
        assert group.name == "shop: a/b ü%"
        assert one.driver.get_group(group.id) == group
        for wrong in ("", "x" * 129):
            with pytest.raises(Invalid):
                one.driver.create_group(wrong, ids)


def test_a_group_from_a_moment_leaves_no_volume_if_one_cannot_be(lvm: FakeLvm) -> None:
    with life(lvm, **OPTIONS) as one:
        made = cut(one, filled(one))
        first, second, _ = (each.id for each in made.snapshots)
        too_small = {first: wanted("x"), second: wanted("y", 1 * MIB)}
        with pytest.raises(OutOfRange):
            one.driver.create_group_from_src("copy", made.id, too_small)
        assert one.driver.find_volume("x") is None
        with pytest.raises(Invalid, match="no members"):
            one.driver.create_group_from_src(
                "copy", made.id, {SnapshotId(f"{made.id}0"): wanted("x")}
            )
        with pytest.raises(NotFound):
            one.driver.get_group(made.id)  # type: ignore[arg-type]


def test_a_group_from_a_moment_takes_nothing_that_was_not_restored_from_it(lvm: FakeLvm) -> None:
    with life(lvm, **OPTIONS) as one:
        made = cut(one, filled(one))
        first, second, _ = (each.id for each in made.snapshots)
        one.volume("x")
        with pytest.raises(Exists, match=f"not what would be restored from {first}"):
            one.driver.create_group_from_src("copy", made.id, {first: wanted("x")})
        one.driver.create_volume_from_snapshot(wanted("y"), second)
        with pytest.raises(Exists, match=f"not what would be restored from {first}"):
            one.driver.create_group_from_src("copy", made.id, {first: wanted("y")})
        larger = {second: wanted("y", 8 * MIB)}
        with pytest.raises(Exists, match=f"not what would be restored from {second}"):
            one.driver.create_group_from_src("copy", made.id, larger)
        assert one.driver.list_groups() == []
        group = one.driver.create_group_from_src("copy", made.id, {second: wanted("y")})
        assert one.driver.create_group_from_src("copy", made.id, {second: wanted("y")}) == group


def test_what_is_told_of_a_member(lvm: FakeLvm) -> None:
    with life(lvm, **OPTIONS) as one:
        made = cut(one, filled(one))
        assert all(isinstance(each, Snapshot) for each in made.snapshots)
        assert one.driver.find_snapshot("moment") is None
        assert {each.group_snapshot_id for each in one.driver.list_snapshots()} == {made.id}
