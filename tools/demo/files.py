"""Bytes that can be made again: written, read back and digested."""

from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path
from typing import BinaryIO

from drivers.model import MIB


def write(file: Path, seed: int, size: int) -> str:
    """Fill ``file`` with ``size`` bytes that follow from ``seed``, durably; their SHA-256."""
    with file.open("wb") as stream:
        digest = generate(stream, seed, size)
        stream.flush()
        os.fsync(stream.fileno())
    return digest


def generate(stream: BinaryIO, seed: int, size: int) -> str:
    """Write ``size`` bytes, whole MiB, that follow from ``seed``; their SHA-256."""
    digest, numbers = hashlib.sha256(), random.Random(seed)  # noqa: S311  (not for secrets)
    for _ in range(size // MIB):
        chunk = numbers.randbytes(MIB)
        digest.update(chunk)
        stream.write(chunk)
    return digest.hexdigest()


def digest(file: Path) -> str:
    """The SHA-256 of what is in ``file`` now, read past the page cache."""
    with file.open("rb") as stream:
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return hashlib.file_digest(stream, "sha256").hexdigest()


def filesystem_size(folder: Path) -> int:
    """Bytes that the filesystem at ``folder`` has in all."""
    found = os.statvfs(folder)
    return found.f_blocks * found.f_frsize
