"""The rules of publishing: a staged volume is shown to a pod, and taken from it again.

A publication is a bind mount of what is staged, on a directory or file that is made for it and removed
with it. As with staging, the mount table is the only record.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from csi.node.access import READER_ONLY, SINGLE_WRITER, Access
from csi.node.mounts import Mounts, NoPlace, Place
from csi.node.staging import COMPARED, Staged, Staging, comparable
from drivers.backends import Backends
from drivers.errors import Exists, Invalid, Precondition
from drivers.locks import Locks
from drivers.model import Volume, VolumeId, VolumeMode
from drivers.mountinfo import Mount


class Publisher:
    """Publishes staged volumes, under the same locks as `Staging`."""

    def __init__(self, backends: Backends, staging: Staging, locks: Locks, mounts: Mounts) -> None:
        self._backends = backends
        self._staging = staging
        self._locks = locks
        self._mounts = mounts

    def publish(
        self, volume_id: VolumeId, staging: Path, target: Path, access: Access, *, read_only: bool
    ) -> None:
        """Show the staged volume at ``target``.

        Raises `NotFound`, `Exists` if ``target`` shows something else or in another way, `Invalid` if
        it is the staging path or lies in it, which is the volume itself, and `Precondition` if the volume
        is not staged, or is for one pod alone and another has it.
        """
        if staging in (target, *target.parents):
            raise Invalid(f"{target} is in the staging path {staging}: publish it elsewhere")
        with self._locks.hold(volume_id), self._mounts.place(target) as place:
            volume = self._backends.of(volume_id).get_volume(volume_id)
            access.require_possible(volume)
            wanted = self._attributes(volume, access, read_only=read_only)
            with self._staging.staged(volume_id, staging, access.mode) as staged:
                if (found := self._mounts.at(place)) is not None:
                    self._require_same(found, staged, wanted, access.mode)
                    return
                if access.access_mode == SINGLE_WRITER:
                    self._require_alone(staged, volume_id)
                self._show(staged, place, wanted, access.mode)

    def unpublish(self, volume_id: VolumeId, target: Path) -> None:
        """Undo `publish` and remove ``target``. Success if it is undone; `InUse` while it is open."""
        with (
            self._locks.hold(volume_id),
            suppress(NoPlace),
            self._mounts.place(target) as place,
        ):
            self._staging.unmount(volume_id, place)
            self._mounts.remove(place)

    def _attributes(self, volume: Volume, access: Access, *, read_only: bool) -> frozenset[str]:
        ro = {"ro"} if read_only or access.access_mode == READER_ONLY else set()
        if access.mode is VolumeMode.BLOCK:
            return frozenset(ro)
        flags = self._staging.flags(volume, access)
        # A filesystem is staged for writing, so that it can be repaired and grown; pods see this.
        return flags.attributes | ro | ({"ro"} if flags.read_only else set())

    def _require_same(
        self, found: Mount, staged: Staged, wanted: frozenset[str], mode: VolumeMode
    ) -> None:
        if not _is_of(staged, found):
            raise Exists(f"{found.target} shows something else; unpublish that first")
        told = {"ro"} if mode is VolumeMode.BLOCK else COMPARED
        asked = wanted if mode is VolumeMode.BLOCK else comparable(wanted)
        if found.options & told != asked:
            raise Exists(f"{found.target} is published with other flags; unpublish it first")

    def _require_alone(self, staged: Staged, volume_id: VolumeId) -> None:
        for other in self._mounts.on(staged.number):
            if _is_of(staged, other) and other.id != staged.mount.id:
                raise Precondition(
                    f"volume {volume_id} is for one pod alone ({SINGLE_WRITER}), and published at"
                    f" {other.target}"
                )

    def _show(self, staged: Staged, place: Place, wanted: frozenset[str], mode: VolumeMode) -> None:
        node = mode is VolumeMode.BLOCK
        if node:
            self._mounts.make_file(place)
        else:
            self._mounts.make_directory(place)
        self._mounts.bind(staged.place, place, wanted, node=node)


def _is_of(staged: Staged, mount: Mount) -> bool:
    """Whether a mount shows what is staged, all of it and not a directory in it."""
    return (mount.device, mount.root) == (staged.mount.device, staged.mount.root)
