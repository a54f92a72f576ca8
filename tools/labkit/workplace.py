"""Where a run keeps its files: one folder, gone when the run ends, and disks without a name."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.labkit import errors

DEFAULT_PARENT = "/var/tmp"  # noqa: S108  (on a disk on most machines, as /tmp is not)

# The kernel or the first process mounts these anew before the guest reads its folder.
HIDDEN = (("dev",), ("proc",), ("sys",))


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for this run, below $LAB_DIR when that is set."""
    parent = os.environ.get("LAB_DIR", DEFAULT_PARENT)
    if Path(parent).resolve().parts[1:2] in HIDDEN:
        raise errors.LabFailed(f"LAB_DIR={parent} would be hidden in a guest: choose another")
    try:
        holder = tempfile.TemporaryDirectory(prefix="hearth-lab-", dir=parent)
    except OSError as e:
        raise errors.LabFailed(f"no folder can be made in {parent}: {e.strerror}") from e
    with holder as path:
        yield Path(path)


@contextmanager
def disk_file(path: Path, size: int) -> Iterator[int]:
    """An open sparse file.

    Its name is removed at once: whatever way the lab ends, the bytes go with the last process
    that has the file open.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        path.unlink()
        os.truncate(descriptor, size)
        yield descriptor
    finally:
        os.close(descriptor)
