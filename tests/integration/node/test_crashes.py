"""The process dies before and after each step of staging, publishing and their undoing.

The steps are recorded from an undisturbed run: each program, each mount, each record of what a volume
holds. For each of them a process is killed there, a new one is asked the same again, and the outcome
must be that of an undisturbed run.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from drivers.exec import Arg, Host, Result
from drivers.model import MIB, Content, FsType, Volume, VolumeId
from tests.integration.node.conftest import SMALLEST, World, wired

pytestmark = [pytest.mark.lab, pytest.mark.fault, pytest.mark.timeout(300)]


class Mortal(Host):
    """Runs programs and lets steps happen, until one too many: then the process is gone."""

    def __init__(self, fatal: int | None = None) -> None:
        super().__init__()
        self.points: list[str] = []
        self._fatal = fatal

    def step(self, what: str) -> None:
        self._pass(what)

    def __call__(self, argv: Sequence[Arg], **manner: Any) -> Result:
        name = " ".join(os.fspath(each) for each in argv[:2])
        self._pass(f"before {name}")
        result = super().__call__(argv, **manner)
        self._pass(f"after {name}")
        return result

    def _pass(self, what: str) -> None:
        if self._fatal is not None and len(self.points) == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        self.points.append(what)


Story = Callable[[World, Volume], None]


def up_and_down(world: World, volume: Volume) -> None:
    """Everything that happens to a volume of a pod that comes and goes."""
    world.stage(volume)
    target = world.publish(volume)
    world.rules.usage.expand(volume.id, target, volume.size)
    world.rules.publisher.unpublish(volume.id, target)
    world.unstage(volume)


def staged(world: World, volume: Volume) -> None:
    """What is different for a copy."""
    world.stage(volume)


def lived(world: World, volume: Volume, fatal: int | None, story: Story) -> Sequence[str]:
    """Run a story in a process of its own that is killed at a point; its points, if it is not."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            run = Mortal(fatal)
            world.driver.run = run
            world.rules = wired(world.driver, world.root, run)
            story(world, volume)
            os.write(writing, "\n".join(run.points).encode())
        finally:
            os._exit(0)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as told:
        points = told.read().decode().splitlines()
    world.driver.recall()
    assert os.waitstatus_to_exitcode(status) == (0 if points else -signal.SIGKILL)
    return points


def copied(world: World, fs_type: str) -> tuple[Volume, VolumeId]:
    source = world.volume(fs_type)
    (world.stage(source) / "file").write_bytes(b"inherited")
    return world.driver.clone(source.id, SMALLEST[fs_type] + 256 * MIB), source.id


def check(world: World, volume: Volume, file: bytes | None) -> None:
    """Go through it all once more, and look at what came out."""
    staged = world.stage(volume)
    assert world.driver.get_volume(volume.id).content is Content.FORMATTED
    room = os.statvfs(staged)
    assert room.f_blocks * room.f_frsize > world.driver.get_volume(volume.id).size * 0.6
    if file is not None:
        assert (staged / "file").read_bytes() == file
    target = world.publish(volume)
    (target / "probe").touch()
    world.unpublish(volume)
    world.unstage(volume)
    assert not target.exists()
    assert not world.driver.is_active(volume.id)


@pytest.mark.parametrize("fs_type", [each.value for each in FsType])
def test_an_empty_volume_survives_every_death(world: World, fs_type: str) -> None:
    points = lived(world, world.volume(fs_type), None, up_and_down)
    assert {"content formatting", "content formatted"} <= set(points)
    for fatal in range(len(points)):
        volume = world.volume(fs_type)
        lived(world, volume, fatal, up_and_down)
        check(world, volume, None)
        world.driver.delete_volume(volume.id)
    print(f"{fs_type}: {len(points)} points")


@pytest.mark.parametrize("fs_type", [each.value for each in FsType])
def test_a_copy_survives_every_death_beside_its_source(world: World, fs_type: str) -> None:
    volume, source = copied(world, fs_type)
    points = lived(world, volume, None, staged)
    for fatal in range(len(points)):
        volume = world.driver.clone(source, SMALLEST[fs_type] + 256 * MIB)
        lived(world, volume, fatal, staged)
        check(world, volume, b"inherited")
        world.driver.delete_volume(volume.id)
    print(f"copy of {fs_type}: {len(points)} points")
