"""The LVM commands that change what there is."""

from __future__ import annotations

from tests.fakes.lvm.allocator import Allocator
from tests.fakes.lvm.creation import area
from tests.fakes.lvm.state import Logical, Refused, State
from tests.fakes.lvm.words import Words


class Changes:
    """Removing, renaming, tagging, activating, growing, splitting and merging."""

    def __init__(self, state: State) -> None:
        self._state = state

    def _subject(self, words: Words, index: int = 0) -> Logical:
        return self._state.lv(words.operands[index].partition("/")[2])

    def remove(self, words: Words) -> None:
        """``lvremove``: an origin goes with all its COW snapshots."""
        for index in range(len(words.operands)):
            lv = self._subject(words, index)
            doomed = [*self._state.cows(lv), lv]
            for each in doomed:
                self._state.refuse_open(each)
            for each in doomed:
                self._gone(each)

    def _gone(self, lv: Logical) -> None:
        for each in (*self._state.children(lv), lv):
            self._state.devices.pop(self._state.dm_uuid(each), None)
            del self._state.lvs[each.uuid]
        for other in self._state.lvs.values():
            if other.origin == lv.uuid:
                other.origin = ""

    def rename(self, words: Words) -> None:
        """``lvrename``: also of a volume in use; hidden parts follow."""
        _group, old, new = words.operands
        lv = self._state.get(old)
        if lv is None:
            raise Refused(
                f'Existing logical volume "{old}" not found in volume group "{self._state.name}"'
            )
        if old == new:
            raise Refused("Old and new logical volume names must differ", 3)
        if self._state.get(new) is not None:
            raise Refused(
                f'Logical Volume "{new}" already exists in volume group "{self._state.name}"'
            )
        for each in (lv, *self._state.children(lv)):
            each.name = new + each.name[len(old) :]

    def change(self, words: Words) -> None:
        """``lvchange``: tags, activation or a refresh."""
        lv = self._subject(words)
        if "--activate" in words.options:
            self._activate(lv, words)
        elif "--refresh" in words.options:
            self._refresh(lv)
        elif words.all("--addtag") or words.all("--deltag"):
            for index in range(len(words.operands)):
                each = self._subject(words, index)
                each.tags = each.tags - set(words.all("--deltag")) | set(words.all("--addtag"))
        else:
            raise Refused("No command with matching syntax recognised.", 3)

    def change_group(self, words: Words) -> None:
        """``vgchange``: tags of the group itself."""
        tags = self._state.tags - set(words.all("--deltag"))
        self._state.tags = tags | set(words.all("--addtag"))

    def _activate(self, lv: Logical, words: Words) -> None:
        if words.value("--activate") == "n":
            self._state.deactivate(lv)
        elif not lv.skip or "--ignoreactivationskip" in words.options:
            self._state.activate(lv)
            for cow in self._state.cows(lv):
                if cow.merging:
                    # The kernel begins at once, and this is how far it has come so far.
                    self._state.bring_home(cow, len(cow.kept) // 2)

    def _refresh(self, lv: Logical) -> None:
        device = self._state.device(lv)
        if device is not None:
            device.suspended = False

    def extend(self, words: Words) -> None:
        """``lvextend`` to a total of extents."""
        lv, total = self._subject(words), int(words.value("--extents"))
        if total == lv.extents:
            raise Refused(
                f"New size ({total} extents) matches existing size ({lv.extents} extents)."
            )
        if total < lv.extents:
            raise Refused(
                f"New size given ({total} extents) not larger than existing size"
                f" ({lv.extents} extents)"
            )
        if self._state.cows(lv) and self._state.device(lv) is not None:
            raise Refused(
                "Snapshot origin volumes can be resized only while inactive: try lvchange -an."
            )
        if lv.is_cow:
            total = min(total, area(self._state.lvs[lv.origin].extents))
        self._grow(lv, total - lv.extents, words)
        self._resize(lv)

    def _grow(self, lv: Logical, more: int, words: Words) -> None:
        if more and lv.type == "thin":
            lv.blocks += [""] * more
        elif more:
            self._take(lv, more, Allocator(self._state, words.operands[1:]))
        lv.extents += more

    def _take(self, lv: Logical, more: int, allocator: Allocator) -> None:
        allocator.require(2 * more if lv.images else more)
        images = [self._state.lvs[uuid] for uuid in lv.images]
        if not images:
            ways = len(lv.segments[0])
            lv.segments += allocator.take(lv.name, -(-more // ways), ways)
            return
        each = more * 2 // len(images)
        disks = [image.spans[-1].disk for image in images]
        for segment in allocator.take(lv.name, each, len(images), disks):
            for image, span in zip(images, segment, strict=True):
                image.segments.append((span,))
                image.extents += span.count

    def _resize(self, lv: Logical) -> None:
        device = self._state.device(lv)
        if device is not None:
            with device.path.open("r+b") as file:
                file.truncate(self._state.size(lv) * (1 << 20))

    def split(self, words: Words) -> None:
        """``lvconvert --splitsnapshot``: the area becomes a plain volume, its blocks as they are."""
        lv = self._subject(words)
        if not lv.is_cow:
            raise Refused(
                f"Command on LV {self._state.name}/{lv.name} does not accept LV type {lv.type}."
            )
        self._state.refuse_open(lv)
        self._state.devices.pop(self._state.dm_uuid(lv), None)
        lv.is_cow, lv.origin, lv.merging, lv.kept = False, "", False, {}

    def begin_merge(self, words: Words) -> bool:
        """``lvconvert --merge`` up to where the kernel begins to copy; true if it does so now."""
        lv = self._subject(words)
        if not lv.is_cow:
            raise Refused(
                f"{self._state.name}/{lv.name} cannot be merged because --trackchanges was not used."
            )
        if lv.merging:
            raise Refused(f"Snapshot {self._state.name}/{lv.name} is already merging")
        origin = self._state.lvs[lv.origin]
        for each in (origin, lv):
            self._state.refuse_open(each)
        lv.merging = True
        return self._state.device(origin) is not None

    def finish_merge(self, origin: Logical) -> None:
        """What ``lvpoll`` does when all blocks are home: the snapshot is gone."""
        for lv in [cow for cow in self._state.cows(origin) if cow.merging]:
            self._state.bring_home(lv, len(lv.kept))
            self._gone(lv)

    def poll(self, words: Words) -> None:
        """``lvpoll --polloperation merge``."""
        origin = self._subject(words)
        if self._state.device(origin) is not None:
            self.finish_merge(origin)

    def merged_origin(self, words: Words) -> Logical:
        """The origin of the snapshot that a ``lvconvert --merge`` names."""
        return self._state.lvs[self._subject(words).origin]
