"""The calls of the Controller service, on thick and on thin volumes."""

from __future__ import annotations

from collections.abc import Iterator

from drivers.exec import Host
from drivers.model import Content
from tests.crash.content import content, fill, pattern, snapshot_content, write
from tests.crash.disks import GROUP
from tests.crash.node import Node
from tests.crash.scenario import SIZE, Scenario, nothing

OLD, NEW, OTHER = 1, 2, 3


def scenarios() -> Iterator[Scenario]:
    """All of them."""
    for pool in (False, True):
        kind = "thin" if pool else "thick"
        yield Scenario(f"{kind}: create", create, is_blank, pool=pool)
        yield Scenario(f"{kind}: delete", delete, nothing, filled, pool=pool)
        yield Scenario(f"{kind}: snapshot", snapshot, is_cut, filled, pool=pool)
        yield Scenario(f"{kind}: delete a snapshot", uncut, is_source, cut, pool=pool)
        yield Scenario(f"{kind}: restore", restore, is_copy, cut, pool=pool)
        yield Scenario(f"{kind}: clone", clone, is_copy, filled, pool=pool)
        yield Scenario(f"{kind}: extend", extend, is_grown, filled, pool=pool)
        yield Scenario(f"{kind}: revert", revert, is_reverted, changed, pool=pool)
    both = {"wipeOn": "both"}
    yield Scenario("thick: create, wiped", create, is_blank, dirty, options=both)
    yield Scenario("thick: extend with snapshots", extend, is_grown_and_cut, cut)
    yield Scenario("thick: extend raid1", extend, is_grown, mirrored)


def create(node: Node) -> None:
    node.create("made", SIZE)


def is_blank(node: Node) -> None:
    assert node.volume("made").content is Content.BLANK
    assert content(node, "made") == bytes(SIZE)


def dirty(node: Node) -> None:
    """Free extents with the data of somebody who does not wipe."""
    node.create("foreign", 16 * SIZE)
    with node.connected("foreign") as connection:
        write(connection.path, b"\xaa" * connection.size)
    lv = next(iter(node.driver.list_volumes())).id.partition(".")[2]
    Host()(["lvm", "lvremove", "--yes", "--select", f"lv_tags=hearth.id={lv}", GROUP])


def filled(node: Node) -> None:
    node.create("source", SIZE)
    fill(node, "source", OLD)


def mirrored(node: Node) -> None:
    node.create("source", SIZE, layout="raid1")
    fill(node, "source", OLD)


def cut(node: Node) -> None:
    """A volume that has changed since its snapshot."""
    filled(node)
    node.snapshot("snapshot", "source")
    fill(node, "source", NEW)


def changed(node: Node) -> None:
    """A volume that has changed and grown since the first of its two snapshots."""
    cut(node)
    node.snapshot("other", "source")
    fill(node, "source", OTHER)
    node.expand("source", 2 * SIZE)
    fill(node, "source", OTHER)


def delete(node: Node) -> None:
    node.delete("source")


def snapshot(node: Node) -> None:
    node.snapshot("snapshot", "source")


def is_cut(node: Node) -> None:
    fill(node, "source", NEW)
    assert snapshot_content(node, "snapshot") == pattern(OLD, SIZE)


def uncut(node: Node) -> None:
    node.delete_snapshot("snapshot")


def is_source(node: Node) -> None:
    assert content(node, "source") == pattern(NEW, SIZE)


def restore(node: Node) -> None:
    node.restore("copy", 2 * SIZE, "snapshot")


def clone(node: Node) -> None:
    node.clone("copy", 2 * SIZE, "source")


def is_copy(node: Node) -> None:
    assert content(node, "copy") == pattern(OLD, SIZE) + bytes(SIZE)


def extend(node: Node) -> None:
    node.expand("source", 2 * SIZE)


def is_grown(node: Node) -> None:
    assert content(node, "source") == pattern(OLD, SIZE) + bytes(SIZE)


def is_grown_and_cut(node: Node) -> None:
    assert content(node, "source") == pattern(NEW, SIZE) + bytes(SIZE)
    assert snapshot_content(node, "snapshot") == pattern(OLD, SIZE)
    # The area of the snapshot has grown with its origin, so it cannot overflow.
    fill(node, "source", OTHER)
    assert snapshot_content(node, "snapshot") == pattern(OLD, SIZE)


def revert(node: Node) -> None:
    node.revert("source", "snapshot")


def is_reverted(node: Node) -> None:
    assert content(node, "source")[:SIZE] == pattern(OLD, SIZE)
    assert node.volume("source").size == 2 * SIZE
    # A thick one was cut anew, and LVM gives it the size of its origin today.
    assert node.snapshot_of("snapshot").size == SIZE
    assert snapshot_content(node, "snapshot")[:SIZE] == pattern(OLD, SIZE)
    assert snapshot_content(node, "other") == pattern(NEW, SIZE)
