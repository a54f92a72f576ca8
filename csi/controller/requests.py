"""What a caller asks of the provisioner, free of any protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from csi.controller.access import DEFAULT_FILESYSTEM, Access, CheckFlags, Use, agree
from csi.controller.parameters import Parameters, parse
from drivers import mkfs
from drivers.errors import Exists
from drivers.interface import VolumeDriver
from drivers.model import FsType, Properties, SizeRange, Source, Volume, VolumeMode

Fact = tuple[str, object, object]
"""What is compared, as it is wanted, and as it is."""


@dataclass(frozen=True, slots=True)
class VolumeRequest:
    """A volume somebody wants, before anything of it is checked against a backend.

    ``size.required`` is 0 where no size is named. ``here`` says whether the caller would take a volume
    that only this node reaches. ``image`` is the SHA-256 of the image that it is to begin with.
    """

    name: str
    size: SizeRange
    accesses: tuple[Access, ...]
    parameters: Mapping[str, str]
    source: Source | None = None
    here: bool = True
    image: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """A request as a backend of one driver takes it."""

    request: VolumeRequest
    use: Use
    parameters: Parameters

    def properties(self, inherited: FsType | None = None) -> Properties:
        """What is kept with the volume; ``inherited`` is the filesystem that its source holds."""
        fs_type = self._fs_type(inherited)
        return Properties(
            mode=self.use.mode,
            fs_type=fs_type.value if fs_type else "",
            access_modes=self.use.access_modes,
            pvc_name=self.parameters.pvc_name,
            pvc_namespace=self.parameters.pvc_namespace,
            pv_name=self.parameters.pv_name,
            storage_class=self.parameters.storage_class,
            mkfs_options=self.parameters.mkfs_options if fs_type else "",
            image=self.request.image,
        )

    def check_options(self, check_flags: CheckFlags) -> None:
        """Raise `Invalid` for mkfs options or mount flags that the node would refuse later.

        What a copy without a named filesystem holds is known only when its source has been looked at.
        """
        known = self.request.source is None or self.use.fs_type
        if known and (fs_type := self._fs_type(None)):
            mkfs.options(fs_type, self.parameters.mkfs_options)
            for access in self.request.accesses:
                check_flags(fs_type, access.flags)

    def _fs_type(self, inherited: FsType | None) -> FsType | None:
        if self.use.mode is VolumeMode.BLOCK:
            return None
        return self.use.fs_type or inherited or DEFAULT_FILESYSTEM

    def refuse_unless_served_by(self, found: Volume) -> None:
        """Raise `Exists`, naming the fact, if the volume of this name is not what is wanted.

        The present size must be in the range, whatever range the volume was made for: CSI calls it
        compatible then, and a provisioner repeats its call only until it has written the PV, so before
        anything grows. What nobody asks for now is not compared.
        """
        for fact, wanted, held in self._differences(found):
            raise Exists(
                f"volume {self.request.name!r} exists as {found.id} with {fact} {held!r}, not"
                f" {wanted!r}: delete it first, or use another name"
            )

    def is_served_by(self, found: Volume) -> bool:
        """Whether `refuse_unless_served_by` has nothing against it."""
        return next(self._differences(found), None) is None

    def _differences(self, found: Volume) -> Iterator[Fact]:
        size, made = self.request.size, self.properties()
        if found.size not in size:
            yield "size", _range(size), found.size
        facts: list[Fact] = [
            ("content source", _told(self.request.source), _told(found.source)),
            ("volume mode", made.mode.value, found.properties.mode.value),
            ("mkfs options", made.mkfs_options, found.properties.mkfs_options),
            ("image", made.image, found.properties.image),
        ]
        if self.use.fs_type is not None:
            facts.append(("filesystem", self.use.fs_type.value, found.properties.fs_type))
        for key, value in self.parameters.options.items():
            facts.append((key, value, found.options.get(key, "")))
        yield from (fact for fact in facts if fact[1] != fact[2])


def wish(request: VolumeRequest, driver: type[VolumeDriver]) -> Wish:
    """``request``, checked against what backends of ``driver`` know. Raises `Invalid`."""
    parameters = parse(request.parameters, driver)
    return Wish(request, agree(request.accesses, parameters.fs_type), parameters)


def _range(size: SizeRange) -> object:
    if size.limit is None:
        return size.required
    return f"{size.required} to {size.limit}"


def _told(source: Source | None) -> str:
    return f"{source.kind.value} {source.id}" if source else "none"
