"""An ext4 of somebody in the blocks of a device, and what is left of it when another has been made there."""

from __future__ import annotations

import os
import re
from pathlib import Path

from csi.node.devices import Device
from drivers.exec import Run
from drivers.model import MIB

FILES = 6000
"""Of the old filesystem: inodes in several groups."""
FRESH = 11
"""The inodes of an ext4 without files."""
INODE = 256


def tool(run: Run, device: Device, *argv: str) -> str:
    """Run a program with the device as its last argument; what it printed."""
    return run([*argv, device.link], pass_fds=(device.descriptor,)).stdout


def leave(run: Run, device: Device, directory: Path) -> None:
    """Fill the blocks, but for both ends, which are zeros as in a new thick volume."""
    directory.mkdir()
    for number in range(FILES):
        (directory / f"{number}").touch()
    tool(run, device, "mkfs.ext4", "-q", "-F", "-I", str(INODE), "-d", str(directory))
    with Path(device.link).open("r+b", 0) as blocks:
        for at in (0, device.size - MIB):
            blocks.seek(at)
            blocks.write(bytes(MIB))
        os.fsync(blocks.fileno())


def inodes(run: Run, device: Device) -> int:
    """How many inodes are in the inode tables, whatever the groups say of them."""
    shown = tool(run, device, "dumpe2fs")
    found = re.search(r"^Block size: +([0-9]+)", shown, re.MULTILINE)
    assert found is not None
    block, count = int(found[1]), 0
    for first, last in re.findall(r"Inode table at ([0-9]+)-([0-9]+)", shown):
        table = device.read(int(first) * block, (int(last) + 1 - int(first)) * block)
        count += sum(any(table[at : at + INODE]) for at in range(0, len(table), INODE))
    return count


def damage(run: Run, device: Device) -> None:
    """Spoil the checksum of a group: e2fsck then looks at every inode in its table."""
    tool(run, device, "debugfs", "-w", "-R", "set_bg 1 checksum 0xdead")
