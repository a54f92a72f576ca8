"""The interface every driver implements: volumes.

Rules for all methods of all interfaces:

* Sizes are int bytes. Ids are the driver's own, at most 128 bytes, opaque to everybody else, and begin
  with the backend id and a dot.
* Every method may be called again with the same arguments after any failure, also in a new process
  after a SIGKILL at any instruction, and must then finish or undo what the first call began.
* The caller never runs two methods that change the same object at once. It does call different
  objects, and everything that only reads, from many threads.
* Errors are those of `drivers.errors`. "Cannot tell" is `Unavailable`, never an empty answer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import BinaryIO, ClassVar

import msgspec

from drivers.exec import Run
from drivers.images import read_image, write_image
from drivers.model import (
    Connection,
    Content,
    Image,
    Volume,
    VolumeId,
    VolumeSpec,
    VolumeStats,
)


class VolumeDriver(ABC):
    """Volumes of one backend on this node."""

    NAME: ClassVar[str] = ""
    """The name in a backend's ``driver:``; set by the decorator."""
    VERSION: ClassVar[str] = ""
    """The driver's own version, ``major.minor.patch``."""
    VENDOR_NAME: ClassVar[str] = ""
    """Who makes the storage, for people."""
    CI_WIKI_NAME: ClassVar[str] = ""
    """Where the results of this driver's tests are published: a page or a path in the repository."""
    STORAGE_PROTOCOL: ClassVar[str] = ""
    """How data travels: ``local``, ``iSCSI``..."""
    PARAMETERS: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """The StorageClass parameters the driver knows, without prefix, each with the values allowed
    (an empty tuple: the driver checks it itself)."""
    Options: ClassVar[type[msgspec.Struct]]
    """The schema of a backend's configuration beyond ``name`` and ``driver``; unknown keys are
    refused by it (``forbid_unknown_fields=True``)."""

    def __init__(self, name: str, options: msgspec.Struct, run: Run) -> None:
        """Remember the backend's ``name``, its checked ``options`` and the door to programs.

        Called once per backend at start. Touches nothing outside the process.
        """
        self.name = name
        self.options = options
        self.run = run

    @property
    @abstractmethod
    def backend_id(self) -> str:
        """What identifies this storage wherever its disks are moved (a VG UUID): ``[A-Za-z0-9]+``.

        Every id of the backend's objects is ``<backend id>.<object id>``. Raises `Unavailable`
        before `do_setup` has seen the storage; one that it then found unwell can be told.
        """

    @abstractmethod
    def do_setup(self) -> None:
        """Get ready: look at the storage, heal what a crash left, take background work up again.

        Called at start, and again whenever the backend was unhealthy and is asked for something.
        Must be repeatable. Raises `Absent` where the storage is provably not on this node, and any
        other `Unavailable` where it is damaged or cannot be told; neither stops the other backends.
        """

    @abstractmethod
    def check_for_setup_error(self) -> None:
        """Raise `Invalid` or `Unavailable`, with the remedy, if the backend must not be used.

        Called after `do_setup`. Changes nothing.
        """

    @abstractmethod
    def close(self) -> None:
        """Stop background work at the next safe point and return when it has stopped.

        Called once, at the end of the process. What is unfinished is taken up by the next `do_setup`.
        """

    @abstractmethod
    def get_volume_stats(self, options: Mapping[str, str], *, refresh: bool) -> VolumeStats:
        """The state of the backend, as seen by a volume with these StorageClass ``options``.

        Called often, and while other calls change the storage; never waits for a change to finish.
        Without ``refresh`` (metrics) it answers from memory and starts no program; with it
        (GetCapacity) it looks again first if something may have changed and nothing is in the way.
        """

    def look(self) -> VolumeStats:
        """The state of the backend for a person at a terminal, asked of an object without a set-up.

        Changes nothing, so that it can be called beside the process that serves the backend. Replace
        it where `get_volume_stats` needs a set-up. Raises `Unavailable` and `Absent`.
        """
        return self.get_volume_stats({}, refresh=True)

    @abstractmethod
    def create_volume(self, spec: VolumeSpec) -> Volume:
        """Make an empty volume, content BLANK, whose first and last MiB read as zeros.

        If all of it does, whatever its blocks held before, `Volume.zeroed` says so.
        The size is ``spec.size.required`` rounded up to what the backend can do, never down.
        Idempotent by ``spec.name``: if a finished volume of that name exists it is returned as it is
        (the caller has compared it), and one that a crash left half made is finished or replaced.
        Raises `Invalid` for options that do not fit, `OutOfRange` if the rounded size is beyond the
        limit, `Exhausted` if there is no room. A layout that was asked for is never degraded.
        """

    @abstractmethod
    def delete_volume(self, volume_id: VolumeId) -> None:
        """Make the volume and its data unreachable; nobody can read its bytes in another volume.

        Success if it is absent. Raises `InUse` while somebody has it open, or when snapshots that
        cannot live without it exist (the message names them). The space may come free later.
        """

    @abstractmethod
    def get_volume(self, volume_id: VolumeId) -> Volume:
        """The volume of that id; raises `NotFound` if it is provably absent or not finished."""

    @abstractmethod
    def find_volume(self, name: str) -> Volume | None:
        """The finished volume that was created under that name, or None."""

    def has_begun_volume(self, name: str) -> bool:
        """Whether a volume of that name is here: finished, or half made by a call that broke off.

        Called when another node could make it as well, so that one name never becomes two volumes.
        Replace it where `create_volume` leaves something that is not undone by itself.
        """
        return self.find_volume(name) is not None

    @abstractmethod
    def list_volumes(self) -> Sequence[Volume]:
        """All finished volumes in a stable order (by id)."""

    def volumes_in_use(self) -> Collection[VolumeId]:
        """The ids of the volumes that somebody on this node has open, or is about to open.

        Called by lists, for people and for whoever lets go of a volume: deleting or releasing one of
        these would raise `InUse`. This one says that nobody has any; replace it in every driver whose
        volumes nodes connect.
        """
        return ()

    @abstractmethod
    def initialize_connection(self, volume_id: VolumeId) -> Connection:
        """Make the volume's device appear on this node, and prove that it is this volume's.

        Called by NodeStageVolume. Repeatable. Raises `NotFound`, or `Busy` while something that
        forbids use (a revert, a growth of a thick volume) is under way.
        """

    @abstractmethod
    def terminate_connection(self, volume_id: VolumeId) -> None:
        """Take the device away. Called by NodeUnstageVolume. Success if it is absent or inactive.

        Raises `InUse` if somebody still has it open. A volume that a background copy or a revert
        needs stays active until that ends.
        """

    @abstractmethod
    def extend_volume(self, volume_id: VolumeId, new_size: int) -> Volume:
        """Grow the volume to at least ``new_size`` bytes; the new part reads as zeros at all times.

        Success without a change if it is that large already; never shrinks. The filesystem in it is
        the node's business. Raises `NotFound`, `Exhausted`, and `Precondition` (with what to do) if
        it cannot grow in its present state.
        """

    @abstractmethod
    def set_content(self, volume_id: VolumeId, content: Content) -> Volume:
        """Record durably what the volume holds (see `Content`), before this returns.

        Called by the node around mkfs and around giving a copied filesystem its own UUID.
        """

    def copy_image_to_volume(
        self, volume_id: VolumeId, image: BinaryIO, size: int, sha256: str
    ) -> Image:
        """Write exactly ``size`` bytes of ``image`` to the start of the volume.

        Succeeds only if the stream has exactly that many bytes and their SHA-256 is ``sha256`` (hex);
        otherwise raises `Invalid`. Raises `OutOfRange`, writing nothing, if the volume is smaller,
        `Precondition` if it is not BLANK, and `InUse` while somebody has it open. The content is
        FORMATTED afterwards. This one implementation, over the connected device, serves every driver;
        replace it only by a faster one.
        """
        return write_image(self, volume_id, image, size=size, sha256=sha256)

    def copy_volume_to_image(self, volume_id: VolumeId, image: BinaryIO) -> Image:
        """Write every byte of the volume to ``image`` and return their count and SHA-256.

        Raises `InUse`, reading nothing, while somebody has the volume open: a copy of a moving source
        tears; the caller then makes a snapshot and a volume of it.
        """
        return read_image(self, volume_id, image)
