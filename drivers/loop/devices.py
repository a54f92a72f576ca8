"""Loop devices, by the kernel's own calls: the file behind one is known by device and inode.

``losetup`` is not used: it finds a device by the text of a path, which is another one in every mount
namespace, and it calls a lazy detachment a success.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from drivers.errors import InUse, Unavailable

CONTROL = Path("/dev/loop-control")
BLOCK_DEVICES = Path("/sys/block")

# linux/loop.h and linux/fs.h
LOOP_CLR_FD = 0x4C01
LOOP_SET_STATUS64 = 0x4C04
LOOP_GET_STATUS64 = 0x4C05
LOOP_SET_CAPACITY = 0x4C07
LOOP_CONFIGURE = 0x4C0A
LOOP_CTL_GET_FREE = 0x4C82
BLKGETSIZE64 = 0x80081272
AUTOCLEAR = 4
DIRECT_IO = 16
FLAGS_AT = 52
# struct loop_info64: device, inode, rdevice, offset, sizelimit; number, encryption type and key
# size, flags; file name, cipher, key; two words of init.
INFO = struct.Struct("=5Q4I64s64s32s2Q")
# struct loop_config: descriptor, block size, loop_info64, eight reserved words.
CONFIG = struct.Struct(f"=2I{INFO.size}s64x")
LOOKS = 20
PAUSE = 0.05


class _Unbound(Exception):
    """The loop device has no file: it was detached meanwhile."""


def find(file: Path) -> Path | None:
    """The loop device that has exactly this file behind it, or None."""
    wanted = _identity(file.stat())
    for device in _candidates(file):
        if _backing(device) == wanted:
            return device
    return None


def attached(files: Iterable[Path]) -> list[Path]:
    """Those of ``files`` that are behind a loop device. The kernel's list of these is read once."""
    tails = {_tail(Path(behind)) for _, behind in _behind()}
    return [file for file in files if _tail(file) in tails and find(file)]


def attach(file: Path) -> Path:
    """The loop device of the file, made if there is none; direct I/O where the filesystem has it.

    A device that an interrupted `detach` left to vanish at its last close is kept.
    """
    device = find(file) or _configure(file)
    with _opened(device) as descriptor:
        _keep(descriptor)
        _ioctl(descriptor, LOOP_SET_CAPACITY)
        if _of(descriptor) != _identity(file.stat()):
            raise Unavailable(f"{device} was given to another file while {file} was attached")
    return device


def detach(file: Path) -> None:
    """Take the file's device away; nothing to do without one. Raises `InUse` while it is open."""
    device = find(file)
    if device is None:
        return
    with suppress(_Unbound):
        _clear(device)
        # The kernel answers a detachment of an open device with success and does it at the last
        # close; such a device is kept, and its user named as the reason.
        if not _gone(device, file):
            with _opened(device) as descriptor:
                _keep(descriptor)
            raise InUse(f"{device} is open in another process: close it first")


def refresh(file: Path) -> None:
    """Let the file's device, if there is one, take the file's size."""
    if (device := find(file)) is not None:
        with _opened(device) as descriptor:
            _ioctl(descriptor, LOOP_SET_CAPACITY)


def size(device: Path) -> int:
    """The bytes of a block device."""
    with _opened(device) as descriptor:
        answer = _ioctl(descriptor, BLKGETSIZE64, bytes(8))
    return int.from_bytes(answer, "little")


def _gone(device: Path, file: Path) -> bool:
    # udev looks into a device for a moment after it has appeared or changed, and nothing tells when
    # it has closed it.
    for _ in range(LOOKS):
        if _backing(device) != _identity(file.stat()):
            return True
        time.sleep(PAUSE)
    return False


def _candidates(file: Path) -> Iterator[Path]:
    # Only devices whose file has this one's last names are opened: opening one that somebody is
    # detaching keeps it alive. The names above them differ between mount namespaces.
    for device, behind in _behind():
        if _tail(Path(behind)) == _tail(file):
            yield device


def _behind() -> Iterator[tuple[Path, str]]:
    """Every loop device with the path of its file, as the kernel writes it."""
    for text in BLOCK_DEVICES.glob("loop*/loop/backing_file"):
        with suppress(OSError):  # it was detached meanwhile
            behind = text.read_text().rstrip("\n")
            yield Path("/dev") / text.parts[-3], behind.removesuffix(" (deleted)")


def _tail(file: Path) -> tuple[str, ...]:
    return file.parts[-2:]


def _configure(file: Path) -> Path:
    with _opened(file, os.O_RDWR) as backing, _opened(CONTROL, os.O_RDWR) as control:
        config = CONFIG.pack(backing, 0, _info(file))
        while True:
            number = fcntl.ioctl(control, LOOP_CTL_GET_FREE)
            device = Path(f"/dev/loop{number}")
            try:
                with _opened(device, os.O_RDWR) as descriptor:
                    fcntl.ioctl(descriptor, LOOP_CONFIGURE, config)
            except OSError as e:
                if e.errno == errno.EBUSY:  # somebody was quicker; the kernel names another one
                    continue
                raise
            return device


def _clear(device: Path) -> None:
    try:
        with _opened(device, os.O_RDONLY | os.O_EXCL) as descriptor:
            _ioctl(descriptor, LOOP_CLR_FD)
    except OSError as e:
        if e.errno == errno.EBUSY:
            raise InUse(f"{device} is mounted or held: unmount it first") from e
        raise


def _info(file: Path) -> bytes:
    name = os.fsencode(file)[-63:]
    return INFO.pack(0, 0, 0, 0, 0, 0, 0, 0, DIRECT_IO, name, b"", b"", 0, 0)


def _keep(descriptor: int) -> None:
    info = bytearray(_ioctl(descriptor, LOOP_GET_STATUS64, bytes(INFO.size)))
    (flags,) = struct.unpack_from("=I", info, FLAGS_AT)
    if flags & AUTOCLEAR:
        struct.pack_into("=I", info, FLAGS_AT, flags & ~AUTOCLEAR)
        _ioctl(descriptor, LOOP_SET_STATUS64, bytes(info))


def _backing(device: Path) -> tuple[int, int] | None:
    with suppress(_Unbound), _opened(device) as descriptor:
        return _of(descriptor)
    return None


def _of(descriptor: int) -> tuple[int, int]:
    info = INFO.unpack(_ioctl(descriptor, LOOP_GET_STATUS64, bytes(INFO.size)))
    return info[0], info[1]


def _ioctl(descriptor: int, request: int, argument: bytes = b"") -> bytes:
    try:
        if argument:
            return fcntl.ioctl(descriptor, request, argument)
        fcntl.ioctl(descriptor, request)
    except OSError as e:
        if e.errno == errno.ENXIO:
            raise _Unbound from e
        raise
    return b""


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


@contextmanager
def _opened(path: Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    # Not for writing where reading will do: udev looks into a device whenever a writer closes it,
    # and a device that is being looked into cannot be detached.
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
