"""LVM's library, kept loaded, does what the program does."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from drivers.errors import CommandFailed, Exhausted, NotFound, StorageError, Unavailable
from drivers.exec import Arg, Host, Result
from drivers.lvm import commands, config
from drivers.lvm.host import Lvm
from drivers.model import MIB, SnapshotSpec
from tests.integration.lvm import bench

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

Answer = TypeVar("Answer")


@pytest.fixture(scope="module")
def disks() -> Iterator[Sequence[Path]]:
    with bench.disks([200 * MIB]) as devices, bench.group(devices, pool="60m"):
        yield devices


@pytest.fixture
def lvm(disks: Sequence[Path], tmp_path: Path) -> Lvm:
    config.write(tmp_path / "conf", [str(each) for each in disks])
    return Lvm(Host(), bench.VG, tmp_path / "conf")


def children() -> set[str]:
    """The processes that this one has started and that are there."""
    own = Path("/proc/self/task").glob("*/children")
    return {pid for thread in own for pid in thread.read_text().split()}


def test_one_process_does_it_all_and_says_the_same(lvm: Lvm) -> None:
    kept = children()
    lvm.run(commands.create_thin(bench.VG, "one", pool="pool", size=8 * MIB, tags=["hearth.id=1"]))
    worker = children() - kept
    assert len(worker) == 1
    shown = lvm.run(commands.full_report(bench.VG)).stdout
    environment = {"LVM_SYSTEM_DIR": str(lvm._directory), "LVM_SUPPRESS_FD_WARNINGS": "1"}
    assert Host()(commands.full_report(bench.VG), environment=environment).stdout == shown
    lvm.run(commands.activate(bench.VG, "one"))
    lvm.run(commands.rename(bench.VG, "one", "two"))
    lvm.run(commands.deactivate(bench.VG, "two"))
    lvm.run(commands.remove(bench.VG, "two"))
    assert lvm.report().lvs.keys() & {"one", "two"} == set()
    assert children() - kept == worker


def test_failures_have_the_same_names(lvm: Lvm) -> None:
    with pytest.raises(NotFound):
        lvm.run(commands.remove(bench.VG, "nothing"))
    with pytest.raises(Exhausted):
        lvm.run(commands.create_thick(bench.VG, "big", extents=9999, shape=[], tags=[]))
    with pytest.raises(CommandFailed) as caught:
        lvm.run(["lvm", "lvchange", "--bogus"])
    assert caught.value.code == 3


def test_what_others_change_is_seen(lvm: Lvm) -> None:
    assert "beside" not in lvm.report().lvs
    bench.lvm(f"lvcreate --yes -an -Wn -Zn -l 1 -n beside {bench.VG}")
    assert "beside" in lvm.report().lvs
    bench.lvm(f"lvremove --yes {bench.VG}/beside")
    assert "beside" not in lvm.report().lvs


def test_a_long_command_is_given_to_a_process(lvm: Lvm) -> None:
    tags = [f"tag{number}" for number in range(40)]
    lvm.run(commands.create_thick(bench.VG, "tagged", extents=1, shape=[], tags=tags))
    assert set(tags) <= lvm.report().lvs["tagged"].tags
    lvm.run(commands.remove(bench.VG, "tagged"))


def test_another_configuration_is_read(lvm: Lvm, disks: Sequence[Path]) -> None:
    assert lvm.report().lvs
    config.write(lvm._directory, ["/dev/nothing"])
    with pytest.raises(Unavailable, match="not found"):
        lvm.report()
    config.write(lvm._directory, [str(each) for each in disks])
    assert lvm.report().lvs


class Processes(Host):
    """A door that starts a process for each command, as on a machine without LVM's library."""

    def __call__(self, argv: Sequence[Arg], **manner: Any) -> Result:
        return super().__call__(argv, **{**manner, "resident": None})


@pytest.mark.parametrize("layout", ["thin", "linear"])
def test_a_driver_does_the_same_without_the_library(disks: Sequence[Path], layout: str) -> None:
    assert disks
    told = [story(Host(), layout), story(Processes(), layout)]
    assert told[0] == told[1]
    assert told[0].volumes


@dataclass(frozen=True)
class Told:
    """What is left of a story, without what is new each time, and how many processes were kept."""

    volumes: list[tuple[str, int, str]]
    content: bytes


def story(door: Host, layout: str) -> Told:
    kept = children()
    with bench.backend(run=door, thinPools=["pool"]) as backend:
        volume = backend.create("data", 8 * MIB, layout=layout)
        backend.write(volume.id, b"before")
        snapshot = backend.driver.create_snapshot(SnapshotSpec("cut", volume.id))
        backend.write(volume.id, b"after!")
        backend.driver.revert_to_snapshot(volume.id, snapshot.id)
        backend.driver.delete_snapshot(snapshot.id)
        backend.drained()
        backend.driver.extend_volume(volume.id, 12 * MIB)
        assert len(children() - kept) == (0 if isinstance(door, Processes) else 1)
        listed = [(each.id, each.size, each.content) for each in backend.driver.list_volumes()]
        told = Told(
            [(each[0].partition(".")[0], *each[1:]) for each in listed], backend.read(volume.id)
        )
        backend.driver.delete_volume(volume.id)
        backend.drained()
    return told


@pytest.mark.fault
@pytest.mark.parametrize("layout", ["thin", "linear"])
def test_a_resident_killed_at_work_is_a_process_killed_at_work(
    disks: Sequence[Path], layout: str
) -> None:
    """At any moment of any command; the next call finishes or undoes, and nothing stays suspended."""
    assert disks
    dice = random.Random(layout)  # noqa: S311  (dice)
    with bench.backend(thinPools=["pool"]) as backend:
        backend.driver.list_volumes()
        kept = children()
        for number in range(12):
            killer = threading.Timer(dice.uniform(0.0, 0.25), kill, (kept,))
            killer.start()
            life(backend, f"volume{number}", layout)
            killer.join()
        backend.drained()
        assert bench.lvs() == {}
        assert (
            bench.sh("dmsetup", "info", "-c", "--noheadings", "-o", "suspended").count("Susp") == 0
        )


def kill(kept: set[str]) -> None:
    """SIGKILL to the resident; ``kept`` are other processes."""
    for pid in children() - kept:
        if "resident.py" in Path(f"/proc/{pid}/cmdline").read_text():
            os.kill(int(pid), signal.SIGKILL)


def life(backend: bench.Backend, name: str, layout: str) -> None:
    """The life of a volume, each call repeated until it succeeds."""
    volume = patient(lambda: backend.create(name, 8 * MIB, layout=layout))
    patient(lambda: backend.write(volume.id, b"written"))
    snapshot = patient(
        lambda: backend.driver.create_snapshot(SnapshotSpec(f"of {name}", volume.id))
    )
    assert [each.id for each in backend.driver.list_volumes()] == [volume.id]
    assert patient(lambda: backend.read(volume.id))[:7] == b"written"
    patient(lambda: backend.driver.delete_snapshot(snapshot.id))
    patient(lambda: backend.driver.extend_volume(volume.id, 12 * MIB))
    patient(lambda: backend.driver.delete_volume(volume.id))


def patient(call: Callable[[], Answer]) -> Answer:
    """The answer to the call, which a killed command may have made fail."""
    for _ in range(50):
        try:
            return call()
        except (StorageError, CommandFailed):
            time.sleep(0.1)
    return call()
