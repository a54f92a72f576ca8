"""The storage under each run of csi-sanity: made on one empty disk, and taken away without a trace."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from drivers.lvm import names

GROUP = "hearth-sanity"


@dataclass(frozen=True, slots=True)
class Storage:
    """A backend called ``b``, as YAML of one line, and the layout to ask it for."""

    backend: str
    layout: str = ""


@contextmanager
def thin(disk: str, folder: Path) -> Iterator[Storage]:
    """A thin pool."""
    with _volume_group(disk, "--thin-pool", "pool0"):
        yield Storage(_backend(folder, ", thinPools: [pool0]"), "thin")


@contextmanager
def thick(disk: str, folder: Path) -> Iterator[Storage]:
    """A volume group without a pool."""
    with _volume_group(disk):
        yield Storage(_backend(folder), "linear")


@contextmanager
def loop(disk: str, folder: Path) -> Iterator[Storage]:
    """Files on an xfs with reflinks."""
    place = folder / "loop"
    place.mkdir()
    _run("mkfs.xfs", "-q", "-f", "-m", "reflink=1", disk)
    _run("mount", disk, str(place))
    try:
        (place / "volumes").mkdir()
        yield Storage(f"{{name: b, driver: loop, directory: {place}/volumes}}")
    finally:
        _run("umount", str(place))
        _run("wipefs", "--all", "--quiet", disk)


def _backend(folder: Path, more: str = "") -> str:
    keys = f"name: b, driver: lvm, volumeGroup: {GROUP}, backupDirectory: {folder}/backup"
    return f"{{{keys}{more}}}"


STORAGES: Mapping[str, Callable[[str, Path], AbstractContextManager[Storage]]] = {
    "thin": thin,
    "thick": thick,
    "loop": loop,
}


@contextmanager
def _volume_group(disk: str, *options: str) -> Iterator[None]:
    _run(sys.executable, "-m", "csi", "backend", "create", GROUP, disk, *options)
    try:
        yield
        assert _left() == [], "csi-sanity cleans up: this was leaked"
    finally:
        _run("lvm", "vgremove", "--yes", "--force", "--", GROUP)
        _run("lvm", "pvremove", "--yes", "--", disk)


def _left() -> list[str]:
    """What is neither the pool nor deleted and still to be wiped, which the next start would do."""
    report = _run("lvm", "lvs", "--noheadings", "--options", "lv_name,lv_tags", "--", GROUP)
    lines = [line for line in report.splitlines() if names.DELETING not in line]
    return [line for line in lines if line.split() != ["pool0"]]


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
