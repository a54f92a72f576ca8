"""Groups of thin volumes: the moments cut of them, and the groups that last."""

from __future__ import annotations

from collections.abc import Iterator

from drivers.groups import Group, GroupSnapshot, GroupSnapshotSpec
from drivers.model import VolumeId
from tests.crash.content import content, fill, member_content, pattern
from tests.crash.node import Node
from tests.crash.scenario import SIZE, Scenario

NAMES = ("first", "second", "third")
SEEDS = dict(zip(NAMES, (1, 2, 3), strict=True))
LATER = 9


def scenarios() -> Iterator[Scenario]:
    """All of them."""
    yield Scenario("thin: cut a group", cut, is_cut, filled, connected, True)
    yield Scenario("thin: cut an idle group", cut, is_cut, filled, pool=True)
    yield Scenario("thin: delete a group snapshot", uncut, is_filled, was_cut, pool=True)
    yield Scenario("thin: form a group", form, is_formed, filled, pool=True)
    yield Scenario("thin: change a group", change, is_changed, formed, pool=True)
    yield Scenario("thin: dissolve a group", dissolve, is_dissolved, formed, pool=True)


def volume_ids(node: Node) -> tuple[VolumeId, ...]:
    """Those of the members."""
    return tuple(VolumeId(node.ids[each]) for each in NAMES)


def filled(node: Node) -> None:
    for name in NAMES:
        node.create(name, SIZE)
        fill(node, name, SEEDS[name])


def connected(node: Node) -> None:
    """As a pod has them: they must be suspended."""
    for each in volume_ids(node):
        node.driver.initialize_connection(each)


def cut(node: Node) -> GroupSnapshot:
    return node.driver.create_group_snapshot(GroupSnapshotSpec("moment", volume_ids(node)))


def was_cut(node: Node) -> None:
    filled(node)
    node.ids["moment"] = cut(node).id


def is_cut(node: Node) -> None:
    """The members show what was there, whatever is written now; and writing goes on."""
    for name in NAMES:
        fill(node, name, LATER)
    (made,) = node.driver.list_group_snapshots()
    assert node.driver.list_snapshots() == list(made.snapshots)
    assert cut(node) == made
    for name in NAMES:
        member = next(each for each in made.snapshots if each.volume_id == node.ids[name])
        assert member_content(node, member.id) == pattern(SEEDS[name], SIZE)


def uncut(node: Node) -> None:
    for made in node.driver.list_group_snapshots():
        node.driver.delete_group_snapshot(made.id)


def is_filled(node: Node) -> None:
    assert node.driver.list_snapshots() == []
    for name in NAMES:
        assert content(node, name) == pattern(SEEDS[name], SIZE)


def form(node: Node) -> Group:
    return node.driver.create_group("shop", volume_ids(node)[:2])


def is_formed(node: Node) -> None:
    (group,) = node.driver.list_groups()
    assert group.name == "shop"
    assert set(group.volume_ids) == set(volume_ids(node)[:2])


def formed(node: Node) -> None:
    filled(node)
    form(node)


def change(node: Node) -> None:
    first, _second, third = volume_ids(node)
    for group in node.driver.list_groups():
        node.driver.update_group(group.id, [third], [first])


def is_changed(node: Node) -> None:
    (group,) = node.driver.list_groups()
    assert set(group.volume_ids) == set(volume_ids(node)[1:])


def dissolve(node: Node) -> None:
    for group in node.driver.list_groups():
        node.driver.delete_group(group.id)


def is_dissolved(node: Node) -> None:
    assert node.driver.list_groups() == []
    assert len(node.driver.list_volumes()) == len(NAMES)
