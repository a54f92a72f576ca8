"""The one door to mounting: places below the kubelet's directory, and what is mounted at them.

A place is a name in a directory that is held open. The directory was reached without following any
symbolic link, so nobody who may write to a part of the path can lead a mount elsewhere, not even
between a check and its use. Nothing is ever unmounted lazily or by force: what is busy is an error.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from csi.node import detached, syscalls
from csi.node.detached import Filesystem
from csi.node.devices import Device
from drivers import mountinfo
from drivers.errors import InUse, Invalid, Precondition, StorageError, Unavailable
from drivers.exec import Run
from drivers.mountinfo import Device as Number
from drivers.mountinfo import Mount


class NoPlace(Precondition):
    """The directory that a place would be in does not exist."""


@dataclass(frozen=True, slots=True)
class Place:
    """A name in an open directory, which may or may not exist; ``path`` is for messages."""

    path: Path
    directory: int
    name: str


class Mounts:
    """Mounts below one directory, the kubelet's. Each change tells ``run`` first (`Run.step`)."""

    def __init__(self, root: Path, run: Run) -> None:
        self._root = root
        self._real = root.resolve()
        self._run = run

    @contextmanager
    def place(self, path: Path) -> Iterator[Place]:
        """The place that a request names.

        Raises `Invalid` for a path that is not below the kubelet's directory or goes through a
        symbolic link, `NoPlace` if the directory above it does not exist.
        """
        below = self._below(path)
        root = self._opened_root()
        try:
            parent = _opened(root, str(below.parent), os.O_PATH | os.O_DIRECTORY, path)
        finally:
            os.close(root)
        if parent is None:
            raise NoPlace(f"{path.parent} does not exist; the caller must make it")
        try:
            yield Place(path, parent, below.name)
        finally:
            os.close(parent)

    @contextmanager
    def opened(self, place: Place, flags: int = os.O_PATH) -> Iterator[int]:
        """A descriptor of what is at the place, mounts included; `Precondition` if nothing is."""
        descriptor = _opened(place.directory, place.name, flags, place.path)
        if descriptor is None:
            raise Precondition(f"{place.path} does not exist")
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def directory(self, place: Place) -> Iterator[int]:
        """As `opened`, for reading the directory at the place or asking its filesystem."""
        with self.opened(place, os.O_RDONLY | os.O_DIRECTORY) as descriptor:
            yield descriptor

    def real(self, place: Place) -> Path:
        """The path of the place as mountinfo shows it."""
        return Path(f"/proc/self/fd/{place.directory}").readlink() / place.name

    def at(self, place: Place) -> Mount | None:
        """The uppermost mount at the place, None if nothing is mounted exactly there."""
        descriptor = _opened(place.directory, place.name, os.O_PATH, place.path)
        if descriptor is None:
            return None
        try:
            number = syscalls.mount_id(descriptor)
            seen_at = Path(f"/proc/self/fd/{descriptor}").readlink()
        finally:
            os.close(descriptor)
        found = (each for each in mountinfo.read() if each.id == number)
        return next((each for each in found if each.target == seen_at), None)

    def on(self, device: Number) -> Sequence[Mount]:
        """All mounts below the kubelet's directory that show a block device.

        Those of the filesystem on it, and those of its node.
        """
        table = [each for each in mountinfo.read() if each.target.is_relative_to(self._real)]
        return [
            *mountinfo.mounts_of(device, table),
            *mountinfo.nodes_of(device, table),
        ]

    def shows(self, mount: Mount, device: Number) -> bool:
        """Whether a mount is one of `on`, whatever became of its flags meanwhile."""
        return mount.id in {each.id for each in self.on(device)}

    def make_directory(self, place: Place) -> None:
        """Make the place a directory; one that exists is kept."""
        what = f"mkdir {place.path}"
        self._run.step(what)
        with _refused(what):
            try:
                os.mkdir(place.name, 0o750, dir_fd=place.directory)
            except FileExistsError:
                _require(place, stat.S_ISDIR, "a directory")

    def make_file(self, place: Place) -> None:
        """Make the place an empty file, for a device to be bound onto; one that exists is kept."""
        what = f"touch {place.path}"
        self._run.step(what)
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        with _refused(what):
            try:
                os.close(os.open(place.name, flags, 0o640, dir_fd=place.directory))
            except FileExistsError:
                _require(place, stat.S_ISREG, "a file")

    def remove(self, place: Place) -> None:
        """Remove the empty file or directory at the place, if there is one; nothing below it."""
        self._run.step(f"remove {place.path}")
        try:
            found = os.stat(place.name, dir_fd=place.directory, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                os.rmdir(place.name, dir_fd=place.directory)
                return
            if not stat.S_ISREG(found.st_mode) or found.st_size:
                raise Precondition(f"{place.path} is not an empty file of ours; remove it by hand")
            os.unlink(place.name, dir_fd=place.directory)
        except FileNotFoundError:
            return
        except OSError as error:
            raise Precondition(f"{place.path} cannot be removed: {error.strerror}") from error

    def mount(self, filesystem: Filesystem, place: Place, attributes: Iterable[str]) -> None:
        """Mount a filesystem at an existing directory, with exactly these `ATTRIBUTES`."""
        what = f"mount {filesystem.fs_type} {filesystem.device.path} at {place.path}"
        self._run.step(what)
        with (
            _refused(what),
            self.opened(place) as target,
            detached.made(filesystem, attributes) as mount,
        ):
            syscalls.attach(mount, target)

    def replay(self, filesystem: Filesystem) -> None:
        """Mount a filesystem where nobody sees it and let go again: its log is replayed by that."""
        what = f"mount {filesystem.fs_type} {filesystem.device.path} to replay its log"
        self._run.step(what)
        with _refused(what), detached.made(filesystem, ["nodev", "nosuid", "noexec"]):
            pass

    def bind(self, source: Place, place: Place, attributes: Iterable[str], *, node: bool) -> None:
        """Show what is mounted at ``source`` at an existing place too, with these ``attributes``.

        They are set before the mount is attached, so nobody ever finds it without them. A ``node`` of
        a device keeps all but ``ro`` from its source: with nodev it could not be opened.
        """
        what = f"bind {source.path} to {place.path}"
        self._run.step(what)
        changed = detached.READ_ONLY if node else detached.ALL
        with (
            _refused(what),
            self.opened(source) as origin,
            self.opened(place) as target,
            detached.cloned(origin, attributes, changed) as mount,
        ):
            syscalls.attach(mount, target)

    def bind_device(self, device: Device, place: Place) -> None:
        """Show the node of a block device at an existing file."""
        what = f"bind {device.path} to {place.path}"
        self._run.step(what)
        with self.opened(place) as target, _refused(what):
            node = os.open(device.path, os.O_PATH | os.O_CLOEXEC)
            try:
                device.require_same(node)
                with detached.cloned(node, [], 0) as mount:
                    syscalls.attach(mount, target)
            finally:
                os.close(node)

    def unmount(self, place: Place) -> None:
        """Unmount the uppermost mount at the place. Raises `InUse` while something is open in it."""
        self._run.step(f"unmount {place.path}")
        try:
            syscalls.unmount(place.directory, place.name)
        except OSError as error:
            if error.errno == errno.EBUSY:
                raise InUse(
                    f"{place.path} is busy: files in it are open, or mounts below"
                ) from None
            raise Unavailable(f"{place.path} cannot be unmounted: {error.strerror}") from error

    def _opened_root(self) -> int:
        try:
            return os.open(self._root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise Unavailable(
                f"the kubelet's directory {self._root} cannot be opened: {error.strerror}"
            ) from error

    def _below(self, path: Path) -> Path:
        if not path.is_absolute() or ".." in path.parts:
            raise Invalid(f"{str(path)!r} is not an absolute path without '..'")
        # The kubelet's own directory may be reached through links, mountinfo names it without them.
        for root in (self._root, self._real):
            if path != root and path.is_relative_to(root):
                return path.relative_to(root)
        raise Invalid(f"{str(path)!r} is not below the kubelet's directory {self._root}")


def _opened(directory: int, name: str, flags: int, path: Path) -> int | None:
    try:
        return syscalls.openat2(directory, name, flags)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise Invalid(f"a part of {str(path)!r} is not a directory") from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EXDEV):
            raise Invalid(f"{str(path)!r} goes through a symbolic link") from None
        if error.errno == errno.ENAMETOOLONG:
            raise Invalid(f"{str(path)!r} has a name that is too long") from None
        raise Unavailable(f"{str(path)!r} cannot be opened: {error.strerror}") from error


def _require(place: Place, is_kind: Callable[[int], bool], kind: str) -> None:
    found = os.stat(place.name, dir_fd=place.directory, follow_symlinks=False)
    if not is_kind(found.st_mode):
        raise Precondition(f"{place.path} exists and is not {kind}; remove it")


@contextmanager
def _refused(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind: type[StorageError] = InUse if error.errno == errno.EBUSY else Unavailable
        raise kind(f"the kernel refuses to {what}: {error.strerror}") from error
