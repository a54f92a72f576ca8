"""The interface of drivers that can take over volumes that somebody else made, and let go of any.

Three rules hold for all of it. Nothing is renamed and no byte is changed when an object is brought in:
all that is written is a record beside it. Whatever is refused leaves everything as it was. And an object
is only brought in if it is provably what it is taken for: "cannot tell" is `Unavailable`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from drivers.manageable import AdoptionSpec, Page, Query, Reference
from drivers.model import Volume, VolumeId


class ManageDriver(ABC):
    """Bringing volumes in and letting them go. The rules of `drivers.interface.volume` apply."""

    @property
    @abstractmethod
    def storage_name(self) -> str:
        """What an administrator calls the storage (a volume group, a directory).

        Whoever asks for an object says where it is by this; no other storage is ever looked at.
        """

    @abstractmethod
    def manage_existing(self, spec: AdoptionSpec, reference: Reference) -> Volume:
        """Make the object that ``reference`` names a volume, content ADOPTED, with every byte as it is.

        Called when an administrator imports a volume. Idempotent by ``spec.name`` for the same
        ``spec.owner`` and the same object, whose volume is returned as it is. Afterwards the volume is
        found and listed like any other, has the object's exact size, and remembers the object's name
        and the owner. Until this returns, nothing of it can be seen; there is no moment at which half
        of the record is there.

        A filesystem volume must hold a known filesystem that claims to be sound, and the one in
        ``spec.properties.fs_type`` if that is not empty; a block volume may hold anything.

        Raises `NotFound` if nothing has that reference, `Invalid` for one that names nothing,
        `AlreadyManaged` for an object that is ours (also another owner's), `Exists` if the name is
        another volume's, `InUse` while somebody has the object open, and `Unmanageable` for every
        other `drivers.manageable.Hindrance`.
        """

    @abstractmethod
    def manage_existing_get_size(self, reference: Reference) -> int:
        """The exact bytes of the object, whether or not it can be brought in.

        Called before `manage_existing`, to fill in what is asked for. Changes nothing. Raises
        `NotFound` and `Invalid` as that does.
        """

    @abstractmethod
    def unmanage(
        self, volume_id: VolumeId, name: str | None, *, rehearse: bool = False
    ) -> Reference | None:
        """Let go of a volume, made here or brought in: the object stays, with every byte.

        Called when an administrator releases a volume, after everybody has let go of it. Removes all
        that was recorded, last; gives the object ``name``, or with None leaves it the one that it has.
        One that was brought in and got another name from this driver gets its original one back.
        Returns where it is, and None if there is no such volume: that is a success, since it may be
        the second call. A caller that must know the name afterwards gives one.

        With ``rehearse`` nothing is changed: what stands against it is raised as it would be, and where
        the object would be is returned. Whoever has to take something away before asks so first.

        Raises `InUse` while it is open or snapshots of it exist, `Busy` while it is copied, grown or
        reverted, `Invalid` for a name that the storage does not allow, and `Exists` for one that
        another object has.
        """

    @abstractmethod
    def get_manageable_volumes(self, query: Query) -> Page:
        """Everything in the storage that is no snapshot, and for each whether it can be brought in.

        Called by an administrator's list and by whoever watches the backend. What is ours is listed
        too, with its id, also what is unfinished. Without ``query.probe`` no program is started for a
        single object. Changes nothing; an object that was activated to be probed is inactive again
        afterwards. Raises `Invalid` for a token that is none.
        """
