"""What every filesystem class offers, and the mount flags that all of them share."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from csi.node.detached import ATTRIBUTES
from csi.node.devices import Device
from csi.node.mounts import Mounts
from drivers.errors import Invalid, Unavailable
from drivers.exec import Run
from drivers.model import FsType
from drivers.mountinfo import Mount

# Of every filesystem's superblock.
SUPERBLOCK_FLAGS = ("sync", "dirsync", "lazytime")
ACCESS_TIMES = frozenset({"relatime", "noatime", "strictatime"})
# Without meaning: a mount is so anyway.
PLAIN = ("rw", "suid", "exec", "defaults")
CONTEXT_KEY = re.compile("context|fscontext|defcontext|rootcontext")
CONTEXT = re.compile(rf'({CONTEXT_KEY.pattern})="?([A-Za-z0-9_:.,-]+)"?')

Option = tuple[str, str | None]
"""A mount option of a filesystem; None: it has no value."""


@dataclass(frozen=True, slots=True)
class Flags:
    """Mount flags, sorted by who acts on them.

    ``attributes`` are those of a mount (words of mountinfo, nodev always among them, but not ro),
    ``options`` those of the filesystem.
    """

    read_only: bool
    attributes: frozenset[str]
    options: tuple[Option, ...]


class Filesystem(ABC):
    """One filesystem. Its methods get a proven device that nobody has mounted, where not said else."""

    fs_type: ClassVar[FsType]
    mount_options: ClassVar[Mapping[str, str]]
    """The filesystem's own mount flags that are allowed, with the form of the value ("": none)."""

    untold: ClassVar[frozenset[str]]
    """Those of them that ask for what is the default, or of which the kernel does not tell."""

    def __init__(self, run: Run, mounts: Mounts) -> None:
        self.run = run
        self.mounts = mounts

    @abstractmethod
    def make(self, device: Device, options: Sequence[str], *, zeros: bool) -> None:
        """Format the device, whatever is on it. ``zeros``: all of it reads as zeros."""

    @abstractmethod
    def check(self, device: Device) -> None:
        """Bring the filesystem into a state that may be mounted, as far as mounting does not.

        Raises `Precondition` if it has damage that needs a person.
        """

    @abstractmethod
    def uuid(self, device: Device) -> UUID:
        """The UUID in the superblock. Raises `Precondition` if there is no such superblock."""

    @abstractmethod
    def change_uuid(self, device: Device) -> None:
        """Give the filesystem another UUID. May be repeated after a crash at any point."""

    def grow(self, descriptor: int, device: Device) -> None:
        """Grow the mounted filesystem to its device; nothing to do if it is that large.

        ``descriptor`` is an open directory of a mount that can be written to.
        """
        self.run.step(f"grow {self.fs_type.value} to {device.size}")
        try:
            self._resize(descriptor, device)
        except OSError as error:
            raise Unavailable(
                f"the kernel refuses to grow the {self.fs_type.value} on {device.path} to"
                f" {device.size} bytes: {error.strerror}"
            ) from error

    @abstractmethod
    def _resize(self, descriptor: int, device: Device) -> None:
        """The kernel's call for `grow`: one call, so that no crash leaves it half done."""

    def shows(self, mount: Mount, option: Option) -> bool:
        """Whether a mount has the option, as far as the kernel tells: it does not tell defaults."""
        key, value = option
        if key in self.untold or key in SUPERBLOCK_FLAGS or CONTEXT_KEY.fullmatch(key):
            return True
        shown = [each for each in mount.super_options if re.split("[=:]", each)[0] == key]
        return any(value is None or each.startswith(f"{key}={value}") for each in shown)

    def renew_uuid(self, device: Device) -> None:
        """`change_uuid`, proven by reading it back: a program's success is not enough."""
        before = self.uuid(device)
        self.change_uuid(device)
        if self.uuid(device) == before:
            raise Unavailable(
                f"{device.path}: the {self.fs_type.value} still has its source's UUID {before}"
                " although it was told to take another"
            )

    def argument(self, device: Device) -> str:
        """How a program is told of the device: by the descriptor that was proven."""
        return device.link

    def tool(self, device: Device, *argv: str, ok: Sequence[int] = (0,)) -> int:
        """Run a program with the device as its last argument; returns its exit status."""
        # It outlives the caller's deadline: half a mkfs or fsck would have to begin again.
        command = [*argv, self.argument(device)]
        return self.run(command, ok=ok, wait=True, pass_fds=(device.descriptor,)).code


def parse_flags(filesystem: Filesystem, flags: Sequence[str]) -> Flags:
    """Sort a request's mount flags; raises `Invalid` for one that is not on the list.

    The message gives its place and not its text: CSI says that mount flags may hold secrets.
    """
    attributes, options = {"nodev"}, []
    for index, flag in enumerate(flags):
        if flag in ATTRIBUTES:
            attributes.add(flag)
        elif (option := _option(filesystem, flag)) is not None:
            options.append(option)
        elif flag not in PLAIN:
            raise Invalid(
                f"mount_flags[{index}] is not allowed for {filesystem.fs_type.value};"
                f" allowed: {', '.join(_allowed(filesystem))}"
            )
    if len(attributes & ACCESS_TIMES) > 1:
        raise Invalid(f"mount_flags: only one of {', '.join(sorted(ACCESS_TIMES))} is possible")
    return Flags("ro" in attributes, frozenset(attributes - {"ro"}), tuple(options))


def _option(filesystem: Filesystem, flag: str) -> Option | None:
    if flag in SUPERBLOCK_FLAGS:
        return flag, None
    if match := CONTEXT.fullmatch(flag):
        return match[1], match[2]
    key, equals, value = flag.partition("=")
    form = filesystem.mount_options.get(key)
    if form is None or not re.fullmatch(form, value) or (equals and not value):
        return None
    return key, value or None


def _allowed(filesystem: Filesystem) -> Sequence[str]:
    own = [key if not form else f"{key}=..." for key, form in filesystem.mount_options.items()]
    return [*PLAIN, *ATTRIBUTES, *SUPERBLOCK_FLAGS, "context=...", *own]
