"""The system calls around mounting that Python does not offer, one function each.

They take descriptors where mount(2) takes paths: what was opened without following symbolic links is
then what is mounted, whatever happens to the path meanwhile. They need Linux 5.12; their numbers are
the same on all architectures. Every function raises OSError.
"""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)

OPEN_TREE, MOVE_MOUNT, FSOPEN, FSCONFIG, FSMOUNT, OPENAT2 = 428, 429, 430, 431, 432, 437
MOUNT_SETATTR = 442

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
OPEN_TREE_CLONE = 1
FSCONFIG_SET_FLAG, FSCONFIG_SET_STRING, FSCONFIG_CMD_CREATE = 0, 1, 6
MOVE_MOUNT_EMPTY_PATHS = 0x04 | 0x40
UMOUNT_NOFOLLOW = 8

# RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH
RESOLVE_STRICTLY = 0x02 | 0x04 | 0x08


def openat2(directory: int, path: str, flags: int) -> int:
    """Open ``path`` below an open directory; no part of it may be a symbolic link or lead out."""
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, 0, RESOLVE_STRICTLY)
    return _syscall(OPENAT2, directory, os.fsencode(path), how, len(how))


def open_clone(descriptor: int) -> int:
    """A copy of the mount that an open file is on, with the file as its root, not attached anywhere."""
    flags = OPEN_TREE_CLONE | AT_EMPTY_PATH | os.O_CLOEXEC
    return _syscall(OPEN_TREE, descriptor, b"", flags)


def set_attributes(mount: int, wanted: int, cleared: int) -> None:
    """Clear some attributes of a mount, then set the ``wanted``."""
    attributes = struct.pack("QQQQ", wanted, cleared, 0, 0)
    _syscall(MOUNT_SETATTR, mount, b"", AT_EMPTY_PATH, attributes, len(attributes))


def attach(mount: int, target: int) -> None:
    """Attach a mount that is attached nowhere onto an open file or directory."""
    _syscall(MOVE_MOUNT, mount, b"", target, b"", MOVE_MOUNT_EMPTY_PATHS)


def fsopen(fs_type: str) -> int:
    """Begin to configure a filesystem."""
    return _syscall(FSOPEN, fs_type.encode(), 1)


def fsconfig(context: int, key: str, value: str | None) -> None:
    """Give a filesystem that is being configured an option; None is a flag."""
    if value is None:
        _syscall(FSCONFIG, context, FSCONFIG_SET_FLAG, key.encode(), None, 0)
    else:
        _syscall(FSCONFIG, context, FSCONFIG_SET_STRING, key.encode(), os.fsencode(value), 0)


def fscreate(context: int) -> None:
    """Read the filesystem from its device: the part of mounting that takes time and can fail."""
    _syscall(FSCONFIG, context, FSCONFIG_CMD_CREATE, None, None, 0)


def fsmount(context: int, attributes: int) -> int:
    """A mount of the filesystem, not attached anywhere; it ends with its last descriptor."""
    return _syscall(FSMOUNT, context, 1, attributes)


def unmount(directory: int, name: str) -> None:
    """Unmount what is mounted at a name in an open directory; never lazily and never by force."""
    # A descriptor of the mount itself would keep it busy, so its parent leads to it.
    path = os.fsencode(f"/proc/self/fd/{directory}/{name}")
    _checked(_LIBC.umount2(ctypes.c_char_p(path), ctypes.c_int(UMOUNT_NOFOLLOW)))


def said(context: int) -> str:
    """What the kernel has to say about a filesystem that it refused, possibly nothing."""
    lines = []
    try:
        while line := os.read(context, 4096):
            lines.append(line.decode(errors="replace").strip())
    except OSError:
        pass  # ENODATA ends the list; nothing here is worth another error
    return "; ".join(lines)


def mount_id(descriptor: int) -> int:
    """The id, as in mountinfo, of the mount that an open file is on."""
    text = Path(f"/proc/self/fdinfo/{descriptor}").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("mnt_id:"))


def _syscall(number: int, *arguments: int | bytes | None) -> int:
    typed = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return _checked(int(_LIBC.syscall(ctypes.c_long(number), *typed)))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
