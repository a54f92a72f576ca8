"""The calls of the Node service, and those of the Controller service on volumes in use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from drivers.model import MIB, Content, VolumeMode
from tests.crash.content import pattern, read, snapshot_content, write
from tests.crash.node import Node
from tests.crash.scenario import SIZE, Act, Scenario, nothing

SIZES = {"ext4": SIZE, "xfs": 300 * MIB, "btrfs": 256 * MIB}
BYTES = pattern(9, MIB)


def scenarios() -> Iterator[Scenario]:
    """All of them."""
    for fs in SIZES:
        yield Scenario(f"stage {fs}", stage, is_staged, empty(fs), pool=True)
        yield Scenario(f"stage a restored {fs}", stage_copy, is_old, restored(fs), pool=True)
    yield Scenario("thick: stage ext4", stage, is_staged, empty("ext4"))
    yield Scenario(
        "snapshot of a btrfs in use", snapshot, is_thawed, empty("btrfs"), use, pool=True
    )
    for fs in ("ext4", ""):
        yield from _in_use(fs, fs or "a device")
    yield Scenario("stage a device", stage, is_device, empty(""), pool=True)
    yield Scenario("thick: expand ext4 in use", expand, is_grown, empty("ext4"), use)


def _in_use(fs: str, what: str) -> Iterator[Scenario]:
    made = empty(fs)
    yield Scenario(f"publish {what}", publish, is_used, made, hold, pool=True)
    yield Scenario(f"unpublish {what}", unpublish, nothing, made, use, pool=True)
    yield Scenario(f"unstage {what}", unstage, was_used, made, hold, pool=True)
    yield Scenario(f"thin: expand {what} in use", expand, is_grown, made, use, pool=True)


def empty(fs: str) -> Act:
    """A new volume with that filesystem to be made, or a raw device."""
    return lambda node: node.create("source", SIZES.get(fs, SIZE), fs=fs)


def restored(fs: str) -> Act:
    """A volume restored from a snapshot that was cut while its source was mounted and written."""

    def prepare(node: Node) -> None:
        empty(fs)(node)
        hold(node)
        node.snapshot("snapshot", "source")
        node.unstage("source")
        node.restore("copy", SIZES[fs] + SIZE, "snapshot", fs=fs)

    return prepare


def shown(node: Node, at: Path, name: str = "source") -> Path:
    """Where bytes can be put that a pod would see: a file, or the device itself."""
    if node.volume(name).properties.mode is VolumeMode.FILESYSTEM:
        return at / "file"
    return at if at.is_block_device() else at / "device"


def hold(node: Node) -> None:
    """The volume is staged and holds something."""
    at = shown(node, node.stage("source"))
    if not at.exists():
        at.touch()
    write(at, BYTES)


def use(node: Node) -> None:
    """The volume is held and published."""
    hold(node)
    node.publish("source")


def stage(node: Node) -> None:
    node.stage("source")


def stage_copy(node: Node) -> None:
    node.stage("copy")


def publish(node: Node) -> None:
    node.publish("source")


def unpublish(node: Node) -> None:
    node.unpublish("source")


def unstage(node: Node) -> None:
    node.unstage("source")


def expand(node: Node) -> None:
    node.expand("source", 2 * SIZE)
    node.grow("source")


def snapshot(node: Node) -> None:
    node.snapshot("snapshot", "source")


def is_staged(node: Node) -> None:
    """It can be written to, and was marked so that nobody formats it again."""
    hold(node)
    assert node.volume("source").content is Content.FORMATTED


def is_device(node: Node) -> None:
    at = shown(node, node.staging_of("source"))
    assert read(at) == bytes(SIZE)
    assert node.volume("source").content is Content.FORMATTED


def is_old(node: Node) -> None:
    """The copy has the bytes and the size that it should, beside its mounted source."""
    at = node.staging_of("copy")
    assert read(at / "file")[: len(BYTES)] == BYTES
    assert node.volume("copy").content is Content.FORMATTED
    node.stage("source")


def is_used(node: Node) -> None:
    assert read(shown(node, node.target_of("source")))[: len(BYTES)] == BYTES


def was_used(node: Node) -> None:
    assert read(shown(node, node.stage("source")))[: len(BYTES)] == BYTES


def is_grown(node: Node) -> None:
    is_used(node)
    at = shown(node, node.target_of("source"))
    if at.is_block_device():
        assert len(read(at)) == 2 * SIZE
    else:
        found = os.statvfs(at)
        assert found.f_blocks * found.f_frsize > 3 * SIZE // 2


def is_thawed(node: Node) -> None:
    """The source can be written to, and the snapshot is as it was before."""
    is_used(node)
    hold(node)
    assert BYTES[:4096] in snapshot_content(node, "snapshot")
