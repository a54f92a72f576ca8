"""Which device-mapper target a command needs, and what LVM says where the kernel lacks it."""

from __future__ import annotations

from collections.abc import Container

from tests.fakes.lvm.state import Refused, State
from tests.fakes.lvm.words import Words

MODULES = {
    "thin": "dm_thin_pool",
    "thin-pool": "dm_thin_pool",
    "snapshot": "dm_snapshot",
    "raid1": "dm_raid",
    "raid10": "dm_raid",
}


def refuse(state: State, unloadable: Container[str], words: Words) -> None:
    """Refuse a command whose target is in a module that nobody can load."""
    kind = _kind(state, words)
    module = MODULES.get(kind)
    if module not in unloadable:
        return
    where = "not found in directory /lib/modules/6.1.0"
    tried = f"modprobe: FATAL: Module {module} {where}\n  /sbin/modprobe failed: 1\n"
    if words.command == "lvcreate":
        raise Refused(
            f"{tried}  {kind}: Required device-mapper target(s) not detected in your kernel.\n"
            "  Run `lvcreate --help' for more information.",
            3,
        )
    lv = words.operands[0]
    raise Refused(f"{tried}  Can't process LV {lv}: {kind} target support missing from kernel?")


def _kind(state: State, words: Words) -> str:
    if words.command == "lvcreate":
        thin = "thin" if "--virtualsize" in words.options else ""
        cow = "snapshot" if {"--snapshot", "--extents"} <= words.options.keys() else ""
        return words.value("--type", thin or cow)
    lv = state.get(words.operands[0].partition("/")[2])
    return lv.type if lv is not None and words.value("--activate", "n") == "y" else ""
