"""How each LVM command is spelt. Pure: arguments in, argument vector out.

Always ``--yes``, because a question would wait for an answer that never comes, and ``--`` before what
names objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from drivers.lvm import report

Argv = Sequence[str]


def full_report(vg: str) -> Argv:
    """One JSON description of the whole group, hidden volumes too; sizes in bytes."""
    return [
        "lvm", "fullreport", "--all", "--reportformat", "json", "--units", "b", "--nosuffix",
        "--configreport", "vg", "--options", report.VG_FIELDS,
        "--configreport", "pv", "--options", report.PV_FIELDS,
        "--configreport", "lv", "--options", report.LV_FIELDS,
        "--configreport", "seg", "--options", report.SEG_FIELDS,
        # An empty list of fields is refused, and a section cannot be left out.
        "--configreport", "pvseg", "--options", "pvseg_start",
        "--", vg,
    ]  # fmt: skip


def details(vg: str, lv: str) -> Argv:
    """JSON with what only matters of a single volume."""
    return [
        "lvm", "lvs", "--reportformat", "json", "--options", report.DETAIL_FIELDS,
        "--", f"{vg}/{lv}",
    ]  # fmt: skip


def physical_volumes() -> Argv:
    """JSON rows of device and group of every physical volume that LVM can see."""
    return ["lvm", "pvs", "--reportformat", "json", "--options", "pv_name,vg_name"]


def create_thick(
    vg: str, name: str, *, extents: int, shape: Argv, tags: Iterable[str], on: Argv = ()
) -> Argv:
    """A new, active thick volume whose blocks are left as they are: we zero them ourselves.

    ``shape`` are the options of its layout, ``on`` the disks (or ranges of extents) it must use.
    """
    return [
        "lvm", "lvcreate", "--yes", "--zero", "n", "--wipesignatures", "n",
        *shape, "--extents", str(extents), "--name", name, *_tags(tags), "--", vg, *on,
    ]  # fmt: skip


def test_thick(vg: str, *, extents: int, shape: Argv) -> Argv:
    """Ask LVM's own allocator whether `create_thick` would succeed; changes nothing."""
    return [
        "lvm", "lvcreate", "--yes", "--test", "--zero", "n", "--wipesignatures", "n",
        *shape, "--extents", str(extents), "--", vg,
    ]  # fmt: skip


def create_thin(
    vg: str, name: str, *, pool: str, size: int, tags: Iterable[str], skip: bool = False
) -> Argv:
    """A new, inactive thin volume of ``size`` bytes; ``skip`` as in `snapshot_thin`."""
    return [
        "lvm", "lvcreate", "--yes", "--activate", "n", "--setactivationskip", "y" if skip else "n",
        "--virtualsize", f"{size}b", "--thinpool", pool, "--name", name, *_tags(tags), "--", vg,
    ]  # fmt: skip


def snapshot_thin(vg: str, origin: str, name: str, *, skip: bool, tags: Iterable[str]) -> Argv:
    """A thin snapshot. Without a size: with one, LVM makes a COW snapshot of a thin volume.

    ``skip`` leaves it out of every activation that does not insist.
    """
    return [
        "lvm", "lvcreate", "--yes", "--activate", "n", "--snapshot",
        "--setactivationskip", "y" if skip else "n",
        "--name", name, *_tags(tags), "--", f"{vg}/{origin}",
    ]  # fmt: skip


def snapshot_cow(vg: str, origin: str, name: str, *, tags: Iterable[str]) -> Argv:
    """A COW snapshot with room for every block of its origin: it can never overflow."""
    return [
        "lvm", "lvcreate", "--yes", "--snapshot", "--extents", "100%ORIGIN",
        "--name", name, *_tags(tags), "--", f"{vg}/{origin}",
    ]  # fmt: skip


def remove(vg: str, *lvs: str) -> Argv:
    """Remove volumes, active or not; refused by LVM while one is open."""
    return ["lvm", "lvremove", "--yes", "--", *(f"{vg}/{lv}" for lv in lvs)]


def rename(vg: str, old: str, new: str) -> Argv:
    """Rename a volume, also one in use."""
    return ["lvm", "lvrename", "--yes", "--", vg, old, new]


def retag(vg: str, *lvs: str, add: Iterable[str] = (), remove: Iterable[str] = ()) -> Argv:
    """Add and remove tags: of each volume in one transaction, of several one after the other."""
    changed = [*_untags(remove), *_tags(sorted(add))]
    return ["lvm", "lvchange", "--yes", *changed, "--", *(f"{vg}/{lv}" for lv in lvs)]


def retag_group(vg: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> Argv:
    """Add and remove tags of the volume group itself, all in one transaction."""
    return ["lvm", "vgchange", "--yes", *_untags(remove), *_tags(sorted(add)), "--", vg]


def activate(vg: str, lv: str) -> Argv:
    """Make the device appear, also for a volume that skips ordinary activation.

    ``--poll n``: for an origin whose snapshot merges, LVM would leave a process of its own behind that
    looks for the end of the merge and changes the group then, at a moment that nobody knows.
    """
    return [
        "lvm", "lvchange", "--yes", "--ignoreactivationskip", "--activate", "y", "--poll", "n",
        "--", f"{vg}/{lv}",
    ]  # fmt: skip


def deactivate(vg: str, lv: str) -> Argv:
    """Take the device away; refused by LVM while it is open. Never for a COW snapshot: LVM then
    deactivates its origin."""
    return ["lvm", "lvchange", "--yes", "--activate", "n", "--", f"{vg}/{lv}"]


def refresh(vg: str, lv: str) -> Argv:
    """Load the device's table anew and resume it; ``--poll`` as in `activate`."""
    return ["lvm", "lvchange", "--yes", "--refresh", "--poll", "n", "--", f"{vg}/{lv}"]


def extend(vg: str, lv: str, *, extents: int, on: Iterable[str] = ()) -> Argv:
    """Grow to a total of ``extents``, if ``on`` is given onto exactly these ranges of extents.

    ``--extents`` without a sign is the size after it, so a repeated command changes nothing.
    """
    return ["lvm", "lvextend", "--yes", "--extents", str(extents), "--", f"{vg}/{lv}", *on]


def split(vg: str, snapshot: str) -> Argv:
    """Make a COW snapshot's area a plain volume of the same name, so that it can be wiped."""
    return ["lvm", "lvconvert", "--yes", "--splitsnapshot", "--", f"{vg}/{snapshot}"]


def merge(vg: str, snapshot: str) -> Argv:
    """Let the kernel take an inactive origin back to its COW snapshot as soon as it is activated.

    For an active one, LVM waits for the end of the merge, and holds everybody up for that time.
    """
    return ["lvm", "lvconvert", "--yes", "--merge", "--", f"{vg}/{snapshot}"]


def finish_merge(vg: str, origin: str) -> Argv:
    """Remove the snapshot that the kernel has merged into an active origin; waits if it has not yet."""
    return [
        "lvm", "lvpoll", "--polloperation", "merge", "--interval", "1", "--", f"{vg}/{origin}",
    ]  # fmt: skip


def backup(vg: str, path: Path) -> Argv:
    """Write the group's metadata into a file, anew if it exists.

    ``--readonly`` takes no lock, so nobody who changes the group meanwhile has to wait.
    """
    return ["lvm", "vgcfgbackup", "--yes", "--readonly", "--file", str(path), "--", vg]


def _untags(tags: Iterable[str]) -> list[str]:
    return [arg for tag in sorted(tags) for arg in ("--deltag", tag)]


def _tags(tags: Iterable[str]) -> list[str]:
    return [arg for tag in tags for arg in ("--addtag", tag)]
