"""The process dies around every single thing it does, and the next one goes on.

What it does are programs, blocks zeroed or copied, and steps. After each death a new process is started
on the same machine and asked the same again. Then there is one object with the right content, nothing
is unfinished or left over, and no free extent holds what was in a volume.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from drivers.manageable import AdoptionSpec, Reference, SnapshotAdoptionSpec
from drivers.model import MIB, Content, SnapshotId, SnapshotSpec, VolumeId
from tests.fakes.lvm import Died, FakeLvm, Moment
from tests.fakes.lvm.driver import Life, life, survives, wanted

OPTIONS: dict[str, Any] = {"thinPools": ["pool"], "overcommit": 8}
LAYOUTS = ("thin", "linear", "raid10")
EVERY_LAYOUT = (*LAYOUTS, "striped", "raid1")
MARKS = ("hearth.creating", "hearth.deleting", "hearth.growing", "hearth.reverting",
         "hearth.replaces", "hearth.tail", "hearth.zeroed", "hearth.copy",
         "hearth.note", "hearth.area")  # fmt: skip
OLD, NEW, ZERO = "old", "new", ""


@dataclass(frozen=True, slots=True)
class Scene:
    """What is there before the call that is interrupted: a volume written twice, a snapshot between."""

    volume: VolumeId
    snapshot: SnapshotId


Act = Callable[[Life, Scene], object]


def set_scene(lvm: FakeLvm, layout: str) -> Scene:
    with life(lvm, **OPTIONS) as first:
        volume = first.volume("v", 4 * MIB, layout=layout)
        lvm.write(lvm.object(volume.id), OLD)
        snapshot = first.snapshot(volume, "s")
        lvm.write(lvm.object(volume.id), NEW, 1, 2)
        first.driver.terminate_connection(volume.id)
    return Scene(volume.id, snapshot.id)


def interrupted(
    lvm: FakeLvm, layout: str, act: Act, *moments: Moment
) -> Iterator[tuple[FakeLvm, Scene]]:
    """The machine and its scene after each death and the call that followed it.

    A death before an event leaves what a death after the last one left.
    """
    scene = set_scene(lvm, layout)
    for moment in moments or (Moment.AFTER,):
        for number in count():
            now = lvm.copy()
            if survives(now, _bound(act, scene), number, moment, **OPTIONS):
                assert number, "nothing was done at all"
                break
            with life(now, **OPTIONS) as second:
                act(second, scene)
                second.drained()
            tidy(now)
            yield now, scene


def _bound(act: Act, scene: Scene) -> Callable[[Life], object]:
    return lambda one: act(one, scene)


def tidy(lvm: FakeLvm) -> None:
    assert [mark for mark in MARKS if lvm.tagged(mark)] == []
    assert lvm.old_blocks() == set()
    assert all(not device.suspended for device in lvm.state.devices.values())
    assert [name for name in lvm.names() if not name.startswith(("vol-", "snap-"))] == []


@pytest.mark.parametrize("layout", LAYOUTS)
def test_create(lvm: FakeLvm, layout: str) -> None:
    def act(one: Life, scene: Scene) -> None:
        one.volume("made", 4 * MIB, layout=layout)

    for now, _scene in interrupted(lvm, layout, act):
        assert len(now.names()) == 3
        (made,) = (lv for lv in now.tagged("hearth.id=") if now.content(lv) == [ZERO] * 4)
        assert now.state.device(made) is None


@pytest.mark.parametrize("layout", LAYOUTS)
def test_snapshot(lvm: FakeLvm, layout: str) -> None:
    def act(one: Life, scene: Scene) -> None:
        one.driver.create_snapshot(SnapshotSpec("late", scene.volume))

    for now, scene in interrupted(lvm, layout, act):
        assert len(now.names()) == 3
        with life(now, **OPTIONS) as third:
            late = third.driver.find_snapshot("late")
        assert late is not None
        assert late.volume_id == scene.volume
        assert now.content(now.object(late.id)) == [OLD, NEW, NEW, OLD]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_restore_to_a_larger_size(lvm: FakeLvm, layout: str) -> None:
    def act(one: Life, scene: Scene) -> None:
        one.driver.create_volume_from_snapshot(
            wanted("made", 6 * MIB, layout=layout), scene.snapshot
        )

    for now, scene in interrupted(lvm, layout, act):
        assert_made(now, [OLD] * 4 + [ZERO] * 2)
        assert now.content(now.object(scene.volume)) == [OLD, NEW, NEW, OLD]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_clone_to_a_larger_size(lvm: FakeLvm, layout: str) -> None:
    def act(one: Life, scene: Scene) -> None:
        one.driver.create_cloned_volume(wanted("made", 6 * MIB, layout=layout), scene.volume)

    for now, _scene in interrupted(lvm, layout, act):
        assert_made(now, [OLD, NEW, NEW, OLD, ZERO, ZERO])


def test_clone_of_a_thin_volume_as_a_thick_one(lvm: FakeLvm) -> None:
    def act(one: Life, scene: Scene) -> None:
        one.driver.create_cloned_volume(wanted("made", 6 * MIB, layout="linear"), scene.volume)

    for now, _scene in interrupted(lvm, "thin", act):
        assert_made(now, [OLD, NEW, NEW, OLD, ZERO, ZERO])


def test_clone_of_a_volume_that_is_being_written(lvm: FakeLvm) -> None:
    """Whatever process copies, all of the clone is of one moment."""

    def act(one: Life, scene: Scene) -> None:
        moments = count()

        def write(what: str) -> None:
            if what.startswith("copy "):
                one.lvm.write(one.lvm.object(scene.volume), f"moment {next(moments)}")

        one.process.meanwhile = write
        one.driver.create_cloned_volume(wanted("made", 4 * MIB, layout="linear"), scene.volume)

    for now, _scene in interrupted(lvm, "linear", act):
        with life(now, **OPTIONS) as third:
            made = third.driver.find_volume("made")
        assert made is not None
        content = now.content(now.object(made.id))
        assert content == [OLD, NEW, NEW, OLD] or len(set(content)) == 1, content


def assert_made(lvm: FakeLvm, content: list[str]) -> None:
    assert len(lvm.names()) == 3
    with life(lvm, **OPTIONS) as third:
        made = third.driver.find_volume("made")
    assert made is not None
    assert made.source is not None
    assert made.size == len(content) * MIB
    assert lvm.content(lvm.object(made.id)) == content


@pytest.mark.parametrize("layout", EVERY_LAYOUT)
def test_extend(lvm: FakeLvm, layout: str) -> None:
    def act(one: Life, scene: Scene) -> None:
        one.driver.extend_volume(scene.volume, 8 * MIB)

    for now, scene in interrupted(lvm, layout, act):
        assert now.content(now.object(scene.volume)) == [OLD, NEW, NEW, OLD] + [ZERO] * 4
        assert now.content(now.object(scene.snapshot)) == [OLD] * 4
        overwrite(now, scene)


def overwrite(lvm: FakeLvm, scene: Scene) -> None:
    """All of the volume is written anew: a COW area that did not grow with it would overflow."""
    lvm.write(lvm.object(scene.volume), "more")
    assert not lvm.object(scene.snapshot).overflowed
    assert lvm.content(lvm.object(scene.snapshot)) == [OLD] * 4


@pytest.mark.parametrize("layout", LAYOUTS)
def test_revert(lvm: FakeLvm, layout: str) -> None:
    def act(one: Life, scene: Scene) -> None:
        one.driver.revert_to_snapshot(scene.volume, scene.snapshot)

    for now, scene in interrupted(lvm, layout, act):
        assert len(now.names()) == 2
        assert now.state.device(now.object(scene.volume)) is None
        assert now.content(now.object(scene.volume)) == [OLD] * 4
        assert now.content(now.object(scene.snapshot)) == [OLD] * 4
        overwrite(now, scene)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_revert_after_growth(lvm: FakeLvm, layout: str) -> None:
    def act(one: Life, scene: Scene) -> None:
        one.driver.extend_volume(scene.volume, 6 * MIB)
        one.driver.revert_to_snapshot(scene.volume, scene.snapshot)

    for now, scene in interrupted(lvm, layout, act):
        assert now.content(now.object(scene.volume)) == [OLD] * 4 + [ZERO] * 2
        assert now.content(now.object(scene.snapshot))[:4] == [OLD] * 4


@pytest.mark.parametrize("layout", LAYOUTS)
def test_delete_of_a_snapshot(lvm: FakeLvm, layout: str) -> None:
    def act(one: Life, scene: Scene) -> None:
        one.driver.delete_snapshot(scene.snapshot)

    for now, scene in interrupted(lvm, layout, act):
        assert now.names() == [now.object(scene.volume).name]
        assert now.content(now.object(scene.volume)) == [OLD, NEW, NEW, OLD]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_delete_of_everything(lvm: FakeLvm, layout: str) -> None:
    def act(one: Life, scene: Scene) -> None:
        one.driver.delete_snapshot(scene.snapshot)
        one.driver.delete_volume(scene.volume)

    for now, _scene in interrupted(lvm, layout, act):
        assert now.names() == []
        assert now.free() == 116 - 17


@pytest.mark.parametrize("layout", ["thin", "linear"])
def test_record_of_what_a_volume_holds(lvm: FakeLvm, layout: str) -> None:
    def act(one: Life, scene: Scene) -> None:
        one.driver.set_content(scene.volume, Content.FORMATTED)

    for now, scene in interrupted(lvm, layout, act):
        with life(now, **OPTIONS) as third:
            assert third.driver.get_volume(scene.volume).content is Content.FORMATTED


@pytest.mark.parametrize("layout", EVERY_LAYOUT)
def test_one_death_after_the_other(lvm: FakeLvm, layout: str) -> None:
    """Each process gets one event further than the one before it, until one comes to the end."""
    scene = set_scene(lvm, layout)

    def act(one: Life) -> None:
        one.driver.extend_volume(scene.volume, 6 * MIB)
        one.driver.revert_to_snapshot(scene.volume, scene.snapshot)
        one.driver.create_cloned_volume(wanted("made", 6 * MIB, layout=layout), scene.volume)

    for number in count():
        if survives(lvm, act, number, **OPTIONS):
            break
    tidy(lvm)
    assert number > 5
    assert_made(lvm, [OLD] * 4 + [ZERO] * 2)


def test_a_dead_process_does_nothing_more(lvm: FakeLvm) -> None:
    with pytest.raises(Died), life(lvm, 0, Moment.BEFORE, **OPTIONS) as first:
        first.volume()
    assert lvm.names() == []


ADOPTION = AdoptionSpec("import", "owner")
CUT = SnapshotAdoptionSpec("cut", "owner")


def plain(now: FakeLvm, scene: Scene) -> None:
    """What the scene has made, as an administrator would have made it."""
    now.object(scene.volume).name, now.object(scene.snapshot).name = "vol-hand", "snap-hand"
    for lv in now.tagged("hearth."):
        lv.tags.clear()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bringing_in_and_letting_go(lvm: FakeLvm, layout: str) -> None:
    """Two of each at most: a retry finds its own, whatever moment the process before it died at."""
    scene = set_scene(lvm, layout)
    content = [lvm.content(lvm.object(each)) for each in (scene.volume, scene.snapshot)]
    lvm.write(lvm.object(scene.volume), "ext4", 0)
    content[0][0] = "ext4"
    plain(lvm, scene)

    def bring_in(one: Life) -> None:
        one.driver.manage_existing(ADOPTION, Reference("vol-hand"))
        one.driver.manage_existing_snapshot(CUT, Reference("snap-hand"))

    def let_go(one: Life) -> None:
        for snapshot in one.driver.list_snapshots():
            one.driver.unmanage_snapshot(snapshot.id, "snap-plain")
        for volume in one.driver.list_volumes():
            one.driver.unmanage(volume.id, "vol-plain")

    for act, names in (
        (bring_in, ["snap-hand", "vol-hand"]),
        (let_go, ["snap-plain", "vol-plain"]),
    ):
        for number in count():
            now = lvm.copy()
            if survives(now, act, number, **OPTIONS):
                assert number
                break
            with life(now, **OPTIONS) as second:
                act(second)
            tidy(now)
            assert now.names() == names
            shown = [now.content(now.lv(name)) for name in reversed(names)]
            assert shown == content
            assert len(now.tagged("hearth.")) == (2 if act is bring_in else 0)
        with life(lvm, **OPTIONS) as third:
            act(third)
