"""What is there after a call, without what differs from one making to the next.

Two ways to the same end must give the same state: the same logical volumes with the same tags, the same free
extents, mounts and files. That is "exactly one object" and "nothing leaked" at once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from drivers import mountinfo
from drivers.lvm import devicemapper, names
from drivers.lvm.report import Group, Lv
from tests.crash.content import look, stale
from tests.crash.node import NOBODY, Home

NEW = "new"
MADE_UP = re.compile(r"(?<=^cut-)[0-9a-f]{32}$")
"""What the name of a member of a group snapshot ends with: nothing that stands anywhere else."""


@dataclass(frozen=True, slots=True)
class State:
    """``volumes`` are lines of text, one for each LV and each tag of the group; ``active``
    are names of LVs."""

    volumes: frozenset[str]
    free: int
    mounts: frozenset[str]
    files: frozenset[str]
    stale: frozenset[str]
    suspended: frozenset[str]
    active: frozenset[str]

    def differs(self, other: State) -> str:
        """In what; empty if in nothing but which devices are active.

        Activation is no part of an object: staging finds it done, deletion undoes it.
        """
        parts = ("volumes", "free", "mounts", "files", "stale", "suspended")
        return "\n".join(
            f"{part}: {getattr(self, part)}\n  expected: {getattr(other, part)}"
            for part in parts
            if getattr(self, part) != getattr(other, part)
        )


def state(home: Home, ids: Mapping[str, str] = NOBODY) -> State:
    """The state now; ``ids`` are those of objects that must keep theirs."""
    known = {each.partition(".")[2] for each in ids.values()}
    _, group = look(home)
    devices = devicemapper.devices(f"LVM-{group.id}")
    fresh = _ids(group) - known - {""}
    return State(
        volumes=frozenset(_line(lv, fresh) for lv in group.lvs.values())
        | {_masked(tag, fresh) for tag in group.tags},
        free=group.free,
        mounts=frozenset(_mounts(home.kubelet, fresh)),
        files=frozenset(_files(home.kubelet, fresh)),
        stale=frozenset(stale(home, group)),
        suspended=frozenset(each.name for each in devices if each.suspended),
        active=frozenset(_active(group, devices)),
    )


def _ids(group: Group) -> set[str]:
    """Of everything that has one: what is on the volumes, and what is in tags of the group."""
    cuts = {lv.tag(names.CUT) for lv in group.lvs.values()}
    groups = {
        tag.removeprefix(names.GROUP).partition(":")[0]
        for tag in group.tags
        if tag.startswith(names.GROUP)
    }
    return {lv.object_id for lv in group.lvs.values()} | cuts | groups


def _line(lv: Lv, fresh: set[str]) -> str:
    fields = {**names.unpack(lv.tags), "created": ""}
    kept = lv.tags - names.packed(lv.tags)
    tags = sorted(tag for tag in kept if not tag.startswith(names.CUT_AT))
    name = MADE_UP.sub(NEW, lv.name)
    told = f"{name} {lv.type} {lv.size} of {lv.origin or '-'} {tags} {sorted(fields.items())}"
    return _masked(told, fresh)


def _masked(text: str, fresh: set[str]) -> str:
    for each in fresh:
        text = text.replace(each, NEW)
    return text


def _active(group: Group, devices: list[devicemapper.Device]) -> Iterator[str]:
    by_uuid = {group.dm_uuid(lv): lv.name for lv in group.lvs.values()}
    for each in devices:
        if each.uuid in by_uuid:
            yield by_uuid[each.uuid]


def _mounts(kubelet: Path, fresh: set[str]) -> Iterator[str]:
    for each in mountinfo.read():
        if each.target.is_relative_to(kubelet):
            where = each.target.relative_to(kubelet)
            told = f"{where} {each.fs_type} {sorted(each.options)} {sorted(each.super_options)}"
            yield _masked(told, fresh)


def _files(kubelet: Path, fresh: set[str]) -> Iterator[str]:
    """What lies below the kubelet's directory, on its own filesystem."""
    for folder, folders, files in os.walk(kubelet):
        at = Path(folder)
        folders[:] = [each for each in folders if not (at / each).is_mount()]
        for each in (*(folders if at != kubelet else ()), *files):
            yield _masked(str((at / each).relative_to(kubelet)), fresh)
