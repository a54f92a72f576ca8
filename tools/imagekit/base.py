"""A base image made by debootstrap, for machines that reach Debian's archive and no image registry."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

SUITE = "bookworm"
# As in every slim image: nobody reads manuals in a container.
LEFT_OUT = ("doc", "man", "info", "locale", "lintian")
EXCLUDES = "".join(f"path-exclude /usr/share/{name}/*\n" for name in LEFT_OUT)
ARCHIVE = "http://deb.debian.org/debian"
SOURCES = f"""\
deb {ARCHIVE} {SUITE} main
deb {ARCHIVE} {SUITE}-updates main
deb {ARCHIVE}-security {SUITE}-security main
"""
# Made anew when this file says something else.
NAME = f"localhost/hearth-base:{hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]}"


def make(tree: Path) -> None:
    """Make a tree of the least packages of Debian, without Python. Needs root."""
    command = ["debootstrap", "--variant=minbase", SUITE, str(tree), ARCHIVE]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    for name in LEFT_OUT:
        _empty(tree / "usr/share" / name)
    for name in ("var/cache/apt", "var/lib/apt/lists", "var/log"):
        _empty(tree / name)
    (tree / "etc/apt/sources.list").write_text(SOURCES)
    (tree / "etc/dpkg/dpkg.cfg.d/slim").write_text(EXCLUDES)


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
