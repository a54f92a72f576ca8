"""How one pod wants to use one volume: a volume capability in the words of the rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drivers.errors import Invalid, Precondition
from drivers.model import FsType, Volume, VolumeMode

DEFAULT = FsType.EXT4
SINGLE_WRITER = "SINGLE_NODE_SINGLE_WRITER"
READER_ONLY = "SINGLE_NODE_READER_ONLY"
MODES = ("SINGLE_NODE_WRITER", READER_ONLY, SINGLE_WRITER, "SINGLE_NODE_MULTI_WRITER")


@dataclass(frozen=True, slots=True)
class Access:
    """``access_mode`` is CSI's word, ``fs_type`` empty if nobody asks for a certain one."""

    mode: VolumeMode
    access_mode: str
    fs_type: str = ""
    flags: Sequence[str] = ()

    def require_possible(self, volume: Volume) -> None:
        """Raise `Precondition` if this is not a use that the volume was made for."""
        if self.access_mode not in MODES:
            raise Precondition(
                f"access mode {self.access_mode} is not possible for volume {volume.id}: it is on the"
                f" disks of one node; possible are {', '.join(MODES)}"
            )
        made_for = volume.properties.mode
        if self.mode is not made_for:
            raise Precondition(
                f"volume {volume.id} was made as a {made_for.value} volume and cannot be used as a"
                f" {self.mode.value} volume: set volumeMode accordingly"
            )

    def filesystem(self, volume: Volume) -> FsType:
        """The filesystem that the volume has or gets, by this request and by its making.

        Raises `Invalid` for one that is not known, `Precondition` if the two differ.
        """
        made_for = volume.properties.fs_type
        if made_for and self.fs_type and made_for != self.fs_type:
            raise Precondition(
                f"volume {volume.id} was made for {made_for}, not for {self.fs_type}"
            )
        try:
            return FsType(self.fs_type or made_for or DEFAULT.value)
        except ValueError:
            known = ", ".join(each.value for each in FsType)
            raise Invalid(
                f"filesystem type {self.fs_type or made_for!r} is not supported; allowed: {known}"
            ) from None
