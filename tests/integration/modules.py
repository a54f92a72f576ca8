"""Taking modules away from the lab's kernel, and hiding those that it could load instead."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drivers.exec import Host

MODULES = Path("/lib/modules")


def loaded() -> set[str]:
    """The names of the modules that the kernel has loaded."""
    return {line.split()[0] for line in Path("/proc/modules").read_text().splitlines()}


def unload(*names: str) -> None:
    """Unload modules and what only they needed; they may be away already, but not in use."""
    Host()(["modprobe", "--remove", "--all", *names])
    assert not loaded() & set(names)


@contextmanager
def without_any(folder: Path) -> Iterator[None]:
    """For the block, modprobe finds no module: as in a kernel whose modules are not installed."""
    folder.mkdir()
    with _instead(folder):
        yield


@contextmanager
def without(module: str, folder: Path) -> Iterator[None]:
    """For the block, modprobe finds every module of device-mapper but one."""
    release = os.uname().release
    kept = folder / release / "kernel/drivers/md"
    shutil.copytree(MODULES / release / "kernel", folder / release / "kernel")
    (kept / f"{module}.ko").unlink()
    for index in ("modules.order", "modules.builtin"):
        shutil.copy(MODULES / release / index, folder / release)
    with _instead(folder):
        Host()(["depmod", "--all"])
        yield


@contextmanager
def _instead(folder: Path) -> Iterator[None]:
    run = Host()
    run(["mount", "--bind", folder, MODULES])
    try:
        yield
    finally:
        run(["umount", MODULES])
