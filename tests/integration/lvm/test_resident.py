"""LVM's library, kept loaded, does what the program does."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from drivers.errors import CommandFailed, Exhausted, NotFound
from drivers.exec import Host
from drivers.lvm import commands, config
from drivers.lvm.host import Lvm
from drivers.model import MIB
from tests.integration.lvm import bench

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


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
    own = f"/proc/self/task/{os.getpid()}/children"
    return set(Path(own).read_text().split())


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
    with pytest.raises(NotFound):
        lvm.report()
    config.write(lvm._directory, [str(each) for each in disks])
    assert lvm.report().lvs
