"""``lvm lvcreate``, as the driver spells it."""

from __future__ import annotations

from tests.fakes.lvm.allocator import Allocator
from tests.fakes.lvm.state import CHUNK, EXTENT, Logical, Refused, State
from tests.fakes.lvm.words import Words


class Creation:
    """Making logical volumes."""

    def __init__(self, state: State) -> None:
        self._state = state

    def run(self, words: Words) -> None:
        """Carry one ``lvcreate`` out."""
        name = words.value("--name", "lvol0")
        if self._state.get(name) is not None:
            raise Refused(
                f'Logical Volume "{name}" already exists in volume group "{self._state.name}"'
            )
        if "--virtualsize" in words.options:
            lv = self._thin(words, name)
        elif "--snapshot" in words.options:
            lv = self._snapshot(words, name)
        else:
            self._thick(words, name)
            return
        lv.tags |= set(words.all("--addtag"))
        self._state.add(lv)

    def _thin(self, words: Words, name: str) -> Logical:
        pool = self._pool(words.value("--thinpool"))
        size = words.value("--virtualsize")
        if not size.endswith("b"):
            raise Refused(f"Invalid argument for --virtualsize: {size}", 3)
        extents = -(-int(size[:-1]) // EXTENT)
        skip = words.value("--setactivationskip", "n") == "y"
        lv = Logical(name, "thin", pool=pool.uuid, extents=extents, skip=skip)
        lv.blocks = [""] * extents
        return lv

    def _pool(self, name: str) -> Logical:
        pool = self._state.get(name)
        if pool is None or pool.type != "thin-pool":
            raise Refused(f"Pool {name} not found in Volume group {self._state.name}.")
        return pool

    def _snapshot(self, words: Words, name: str) -> Logical:
        (operand,) = words.operands
        origin = self._state.get(operand.partition("/")[2])
        if origin is None:
            raise Refused(
                f"Snapshot origin LV {operand.partition('/')[2]} not found in Volume group"
                f" {self._state.name}."
            )
        if origin.type == "thin" and "--extents" not in words.options:
            return self._thin_snapshot(words, origin, name)
        return self._cow(words, origin, name)

    def _thin_snapshot(self, words: Words, origin: Logical, name: str) -> Logical:
        lv = Logical(name, "thin", pool=origin.pool, origin=origin.uuid, extents=origin.extents)
        lv.blocks = list(origin.blocks)
        lv.skip = words.value("--setactivationskip", "y") == "y"
        return lv

    def _cow(self, words: Words, origin: Logical, name: str) -> Logical:
        if origin.is_cow or any(cow.merging for cow in self._state.cows(origin)):
            raise Refused(f"Snapshots of {origin.name} are not supported now.")
        if words.value("--extents") != "100%ORIGIN":
            raise Refused("Snapshot of that size may overflow", 3)
        extents = area(origin.extents)
        allocator = Allocator(self._state)
        allocator.require(extents)
        lv = Logical(name, "linear", origin=origin.uuid, is_cow=True, extents=extents)
        lv.segments = allocator.take(name, extents)
        lv.shown = origin.extents
        if self._state.device(origin) is not None:
            self._state.add(lv)
            self._state.activate(origin)
        return lv

    def _thick(self, words: Words, name: str) -> None:
        for flag in ("--zero", "--wipesignatures"):
            if words.value(flag) != "n":
                raise Refused("/dev: not found: device not cleared")
        kind, extents = words.value("--type"), int(words.value("--extents"))
        stripes = int(words.value("--stripes", "1"))
        images = stripes * 2 if kind.startswith("raid") else 0
        if not extents:
            raise Refused("--extents may not be zero.", 3)
        self._refuse_disks(images or stripes)
        extents = -(-extents // stripes) * stripes
        allocator = Allocator(self._state, words.operands[1:])
        allocator.require(extents * 2 + images if images else extents)
        made = Logical(name, kind, extents=extents, tags=set(words.all("--addtag")))
        parts = [made]
        if images:
            parts += self._images(allocator, made, images, extents // stripes)
        else:
            made.segments = allocator.take(name, extents // stripes, stripes)
        if "--test" not in words.options:
            for lv in parts:
                self._state.add(lv)
            self._state.activate(made)

    def _refuse_disks(self, ways: int) -> None:
        if ways > len(self._state.disks):
            raise Refused(
                f"Number of stripes ({ways}) must not exceed number of physical volumes"
                f" ({len(self._state.disks)})"
            )

    def _images(self, allocator: Allocator, raid: Logical, images: int, each: int) -> list[Logical]:
        """An image and an extent of metadata on each of that many disks."""
        (first, *rest) = allocator.take(raid.name, each + 1, images)
        if rest:
            raise Refused(
                f"Insufficient suitable allocatable extents for logical volume {raid.name}:"
                f" {each} more required"
            )
        made: list[Logical] = []
        for number, span in enumerate(first):
            for kind, role, at, count in (
                ("rmeta", "metadata", span.first, 1),
                ("rimage", "image", span.first + 1, each),
            ):
                part = Logical(f"{raid.name}_{kind}_{number}", "linear", extents=count)
                part.segments = [(type(span)(span.disk, at, count),)]
                part.parent, part.roles = raid.uuid, f"private,raid,{role}"
                made.append(part)
                if kind == "rimage":
                    raid.images.append(part.uuid)
        return made


def area(origin: int) -> int:
    """The extents of a COW area that holds every chunk of an origin of ``origin`` extents.

    By the kernel's layout: a header chunk, then a chunk of tables before each run of 256 chunks.
    """
    chunks = origin * (EXTENT // CHUNK)
    whole, rest = divmod(chunks, CHUNK // 16)
    used = 1 + chunks + whole + (1 if rest else 0) + 1
    return -(-used * CHUNK // EXTENT)
