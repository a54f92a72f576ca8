"""Taking over what an administrator made, and letting go of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from drivers.manageable import AdoptionSpec, Query, Reference
from drivers.model import Content, Properties, VolumeId, VolumeMode
from tests.crash.content import content, pattern
from tests.crash.node import Node
from tests.crash.scenario import SIZE, Scenario
from tests.crash.storage import OLD, filled

SPEC = AdoptionSpec("taken", "owner", allow_delete=True)
BLOCK = replace(SPEC, properties=Properties(mode=VolumeMode.BLOCK))
HAND, PLAIN = Reference("hand"), "plain"


def scenarios() -> Iterator[Scenario]:
    """All of them."""
    for pool in (False, True):
        kind = "thin" if pool else "thick"
        yield Scenario(f"{kind}: take over", take_over, is_taken, made_by_hand, pool=pool)
        yield Scenario(f"{kind}: let go", let_go, is_plain, filled, pool=pool)


def made_by_hand(node: Node) -> None:
    """A logical volume with a filesystem, which is no volume of ours."""
    volume = node.create("source", SIZE, fs="ext4")
    node.stage("source")
    node.unstage("source")
    node.staging_of("source").rmdir()
    node.driver.unmanage(volume.id, HAND.name)


def take_over(node: Node) -> None:
    node.driver.manage_existing(SPEC, HAND)


def is_taken(node: Node) -> None:
    volume = node.volume("taken")
    assert (volume.content, volume.properties.fs_type) == (Content.ADOPTED, "ext4")
    assert told(node) == {HAND.name: volume.id}


def let_go(node: Node) -> None:
    node.driver.unmanage(VolumeId(node.ids["source"]), PLAIN)


def is_plain(node: Node) -> None:
    assert node.driver.list_volumes() == []
    assert told(node)[PLAIN] == ""
    # With leave to delete it, so that nothing is left.
    node.driver.manage_existing(BLOCK, Reference(PLAIN))
    assert content(node, "taken") == pattern(OLD, SIZE)


def told(node: Node) -> dict[str, str]:
    """The names of all that could be a volume, with the ids of those that are."""
    entries = node.driver.get_manageable_volumes(Query()).entries
    return {each.reference.name: each.id for each in entries if each.safe or each.id}
