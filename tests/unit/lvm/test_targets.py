"""A kernel without a module that LVM needs: the module is named, and nothing else is the worse for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from drivers.errors import CommandFailed, MissingModule
from drivers.lvm import targets
from drivers.model import MIB
from tests.fakes.lvm import FakeLvm
from tests.fakes.lvm.driver import life

POOL: dict[str, Any] = {"thinPools": ["pool"]}
TRIED = """\
modprobe: FATAL: Module dm-thin-pool not found in directory /lib/modules/6.1.176
  /sbin/modprobe failed: 1
"""
DETECTED = "Required device-mapper target(s) not detected in your kernel."
SILENT = """\
  /dev/mapper/control: open failed: No such device
  Failure to communicate with kernel device-mapper driver.
  Check that device-mapper is available in the kernel.
  Incompatible libdevmapper 1.02.185 (2022-05-18) and kernel driver (unknown version).
"""
REFUSED = "  device-mapper: reload ioctl on  (254:4) failed: Invalid argument\n"
# As LVM 2.03.16 said them.
WORDS = {
    f"{TRIED}  thin: {DETECTED}\n": "dm_thin_pool",
    f"{TRIED}  Can't process LV vg/pool: thin-pool target support missing from kernel?\n": (
        "dm_thin_pool"
    ),
    f"  /sbin/modprobe: execvp failed: No such file or directory\n  raid10: {DETECTED}\n": "dm_raid",
    f"  snapshot: {DETECTED}\n": "dm_snapshot",
    f"  mirror: {DETECTED}\n": "dm_mirror",
    SILENT: "dm_mod",
}


@pytest.mark.parametrize("words", WORDS, ids=WORDS.values())
def test_lvms_words_tell_the_module(words: str) -> None:
    lacking = targets.missing(CommandFailed("lvm", 5, words))
    assert lacking is not None
    assert lacking.module == WORDS[words]
    assert f"run `modprobe {lacking.module}` on the node" in str(lacking)


def test_what_modprobe_said_is_told_too() -> None:
    lacking = targets.missing(CommandFailed("lvm", 3, f"{TRIED}  thin: {DETECTED}\n"))
    assert str(lacking).endswith("(modprobe: FATAL: Module dm-thin-pool not found in directory"
                                 " /lib/modules/6.1.176)")  # fmt: skip


@pytest.mark.parametrize("words", ["", "Volume group vg not found", REFUSED])
def test_other_failures_are_of_no_module(words: str) -> None:
    assert targets.missing(CommandFailed("lvm", 5, words)) is None


def test_a_raid_level_without_code_is_read_from_the_kernel(tmp_path: Path) -> None:
    told, failed = tmp_path / "mdstat", CommandFailed("lvm", 5, REFUSED)
    told.write_text("Personalities : [raid6] [raid10]\nunused devices: <none>\n")
    lacking = targets.missing_personality("raid1", failed, told)
    assert lacking is not None
    assert lacking.module == "raid1"
    assert targets.missing_personality("raid10", failed, told) is None
    assert targets.missing_personality("linear", failed, told) is None
    other = CommandFailed("lvm", 5, "No space left")
    assert targets.missing_personality("raid1", other, told) is None
    assert targets.missing_personality("raid1", failed, tmp_path / "none") is None


def test_a_layout_that_the_kernel_lacks_is_refused_and_has_no_room(lvm: FakeLvm) -> None:
    lvm.unloadable = {"dm_raid"}
    with life(lvm, **POOL) as alive:
        with pytest.raises(
            MissingModule, match="lacks the module dm_raid, which LVM needs for raid1:"
        ):
            alive.volume(layout="raid1")
        asked = alive.driver.get_volume_stats({"layout": "raid1"}, refresh=True)
        assert asked.max_volume_size == 0
        assert alive.volume("linear", layout="linear").size == 4 * MIB
        lvm.unloadable.clear()
        asked = alive.driver.get_volume_stats({"layout": "raid1"}, refresh=True)
        assert asked.max_volume_size not in (0, None)
        assert alive.volume(layout="raid1").size == 4 * MIB


def test_a_snapshot_that_the_kernel_cannot_have_is_refused(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        lvm.unloadable = {"dm_snapshot"}
        with pytest.raises(MissingModule, match="modprobe dm_snapshot"):
            alive.snapshot(volume)
        lvm.unloadable.clear()
        assert alive.snapshot(volume).usable


def test_a_pool_that_cannot_be_activated_fails_the_set_up(lvm: FakeLvm) -> None:
    lvm.state.deactivate(lvm.lv("pool"))
    lvm.unloadable = {"dm_thin_pool"}
    with pytest.raises(MissingModule, match="dm_thin_pool"), life(lvm, **POOL):
        pass


@pytest.mark.parametrize("layout", ["raid1", "raid10"])
def test_a_default_layout_that_the_kernel_lacks_fails_the_set_up(lvm: FakeLvm, layout: str) -> None:
    lvm.unloadable = {"dm_raid"}
    with pytest.raises(MissingModule, match="dm_raid"), life(lvm, layout=layout):
        pass


def test_a_full_group_whose_default_layout_is_a_raid_is_fit(lvm: FakeLvm) -> None:
    with life(lvm, layout="linear") as alive:
        while largest := alive.driver.get_volume_stats({}, refresh=True).max_volume_size:
            assert isinstance(largest, int)
            alive.volume(str(largest), largest)
    with life(lvm, layout="raid1"):
        pass
