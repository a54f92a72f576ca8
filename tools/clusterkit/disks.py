"""The files that are a node's disks: empty ones for LVM, and a root disk with the images in it.

The root disk is made once and copied for every node; what differs between nodes is no part of it.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from tools.clusterkit import errors, guestfiles, preload
from tools.clusterkit.layout import Layout
from tools.clusterkit.progress import say

ROOT_SIZE = 10 << 30  # sparse, as all disks are
PATH = {"PATH": f"{os.defpath}:/sbin:/usr/sbin"}
IMPORTED = "var/lib/imported"  # its first process looks for it


def ensure(layout: Layout, archives: Sequence[Path]) -> None:
    """Make the root disk that nodes get a copy of, unless it is newer than all that is in it."""
    sources = [*archives, Path(__file__), Path(guestfiles.__file__), Path(preload.__file__)]
    if _is_newer(layout.root_disk, sources):
        return
    say("making the root disk of nodes")
    with tempfile.TemporaryDirectory(dir=layout.images) as name:
        tree = Path(name)
        tree.chmod(0o755)
        guestfiles.write_root(tree)
        _copy_settings(tree / "etc")
        _fill(layout, tree, archives)
        unfinished = layout.root_disk.with_suffix(".part")
        unfinished.unlink(missing_ok=True)
        make_sparse(unfinished, ROOT_SIZE)
        options = ("-q", "-F", "-E", "lazy_itable_init=1", "-d", str(tree))
        _run("mkfs.ext4", *options, str(unfinished))
    unfinished.rename(layout.root_disk)


def make(layout: Layout, folder: Path, sizes: Iterable[int]) -> None:
    """Make the disks of one node; the root disk comes last and says that all is there."""
    for number, size in enumerate(sizes, 1):
        make_sparse(folder / f"disk{number}.img", size)
    unfinished = folder / "root.part"
    _run("cp", "--sparse=always", "--reflink=auto", str(layout.root_disk), str(unfinished))
    unfinished.rename(folder / "root.img")


def make_sparse(path: Path, size: int) -> None:
    """A file of zeros that takes no room."""
    path.touch(mode=0o600)
    os.truncate(path, size)


def _fill(layout: Layout, tree: Path, archives: Sequence[Path]) -> None:
    try:
        preload.fill(layout, tree, archives)
    except errors.ClusterFailed as e:
        say(f"{e}; so every node imports its images itself, which takes longer")
        containers = tree / "var/lib/containerd"
        shutil.rmtree(containers)
        containers.mkdir()
    else:
        (tree / IMPORTED).touch()


def _copy_settings(target: Path) -> None:
    for name in guestfiles.COPIED:
        source = Path("/etc", name)
        if source.is_dir():
            shutil.copytree(source, target / name, symlinks=True)
        elif source.exists():
            shutil.copy(source, target / name)


def _is_newer(target: Path, sources: Iterable[Path]) -> bool:
    if not target.exists():
        return False
    made = target.stat().st_mtime
    return all(source.stat().st_mtime <= made for source in sources)


def _run(*command: str) -> None:
    done = subprocess.run(command, env=PATH, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise errors.ClusterFailed(f"{' '.join(command)}: {done.stderr.strip()}")
