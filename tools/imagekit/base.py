"""A base image made by debootstrap, for machines that reach Debian's archive and no image registry."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

NAME = "localhost/hearth-base:bookworm"
SUITE = "bookworm"
# As in every slim image: nobody reads manuals in a container.
LEFT_OUT = ("doc", "man", "info", "locale", "lintian")
EXCLUDES = "".join(f"path-exclude /usr/share/{name}/*\n" for name in LEFT_OUT)


def make(folder: Path) -> Path:
    """A tree with the least packages of Debian, below ``folder``. Needs root."""
    tree = folder / "base"
    shutil.rmtree(tree, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    command = ["debootstrap", "--variant=minbase", "--include=ca-certificates,python3", SUITE]
    subprocess.run([*command, str(tree)], check=True, stdout=subprocess.DEVNULL)
    for name in LEFT_OUT:
        _empty(tree / "usr/share" / name)
    for name in ("var/cache/apt", "var/lib/apt/lists", "var/log"):
        _empty(tree / name)
    (tree / "etc/dpkg/dpkg.cfg.d/slim").write_text(EXCLUDES)
    return tree


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
