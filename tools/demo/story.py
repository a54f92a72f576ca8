"""The story of one backend: a volume's life, and at every step whether its bytes are the right ones."""

from __future__ import annotations

import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

from csi.controller.provisioner import Provisioner
from drivers.model import MIB
from tools.demo import files
from tools.demo.narrator import Narrator
from tools.demo.plugin import Plugin

SIZE = 256 * MIB
GROWN = 384 * MIB
DATA = 48 * MIB
IMAGE = 64 * MIB


class Story:
    """Told once for a backend. ``prefix`` makes the names of its volumes its own."""

    def __init__(
        self, plugin: Plugin, provisioner: Provisioner, narrator: Narrator, prefix: str
    ) -> None:
        self._plugin = plugin
        self._provisioner = provisioner
        self._narrator = narrator
        self._prefix = prefix
        self._ids: dict[str, str] = {}
        self._mounts: dict[str, Path] = {}

    def tell(self, *, grows_with_snapshots: bool) -> None:
        """All of it; raises `Differs` where something is not as it should be."""
        free = self._free()
        first = self._create_and_write()
        with self._step("snapshot", "while it is mounted") as told:
            snapshot = self._plugin.snapshot(f"{self._prefix}-snapshot", self._ids["volume"])
            told.append(f"id {snapshot}")
        second = self._write("volume", seed=2, what="other data over it")
        self._restore(snapshot, first)
        self._clone(second)
        self._grow_online(grows_with_snapshots, snapshot)
        self._revert(snapshot, first)
        self._copy_image()
        self._list(snapshot)
        self._delete(snapshot)
        self._narrator.same("free bytes, before and after", self._free(), free)

    def _step(self, verb: str, what: str) -> AbstractContextManager[list[str]]:
        return self._narrator.step(verb, what)

    def _free(self) -> int:
        free = self._plugin.capacity()
        metric = int(self._plugin.metric("hearth_backend_free_bytes"))
        self._narrator.same("free bytes, in /metrics and by GetCapacity", metric, free)
        return free

    def _create_and_write(self) -> str:
        self._create("volume", SIZE)
        self._publish("volume")
        return self._write("volume", seed=1, what="data")

    def _create(self, name: str, size: int, *, block: bool = False, **source: str) -> None:
        origin = f" from a {next(iter(source))}" if source else ""
        with self._step("create", f"{name}, {size // MIB} MiB{origin}") as told:
            made = self._plugin.create(f"{self._prefix}-{name}", size, block=block, **source)
            told.append(f"id {made.volume_id}")
        self._narrator.same(f"size of {name}", made.capacity_bytes, size)
        self._ids[name] = made.volume_id

    def _publish(self, name: str) -> None:
        with self._step("publish", f"{name}: stage, check or make its filesystem, mount"):
            pod = f"{self._prefix}-{name}"
            self._mounts[name] = self._plugin.stage_and_publish(self._ids[name], pod)

    def _take_away(self, name: str) -> None:
        with self._step("unpublish", name):
            self._plugin.take_away(self._ids[name], f"{self._prefix}-{name}")
        del self._mounts[name]

    def _write(self, name: str, *, seed: int, what: str) -> str:
        file = self._mounts[name] / "data"
        with self._step("write", f"{what}, {DATA // MIB} MiB"):
            written = files.write(file, seed, DATA)
        self._narrator.same("what was written and what is read", files.digest(file), written)
        return written

    def _expect(self, name: str, wanted: str, what: str) -> None:
        self._narrator.same(what, files.digest(self._mounts[name] / "data"), wanted)

    def _restore(self, snapshot: str, first: str) -> None:
        self._create("restored", GROWN, snapshot=snapshot)
        self._publish("restored")
        self._expect("restored", first, "restored data and the data at the snapshot")
        self._is_grown("restored", SIZE)

    def _clone(self, second: str) -> None:
        self._create("clone", SIZE, volume=self._ids["volume"])
        self._publish("clone")
        self._expect("clone", second, "cloned data and the volume's data")

    def _grow_online(self, grows_with_snapshots: bool, snapshot: str) -> None:
        if grows_with_snapshots:
            self._grow("volume", GROWN)
        else:
            with self._step("refuse", "growing a thick volume in use that has a snapshot") as told:
                code, why = self._plugin.refusal_to_grow(self._ids["volume"], GROWN)
                told.append(why)
            self._narrator.same("code of the refusal", code, "FAILED_PRECONDITION")
            self._narrator.same("the refusal names the snapshot", snapshot in why, True)
        self._grow("clone", GROWN)

    def _grow(self, name: str, size: int) -> None:
        before = files.filesystem_size(self._mounts[name])
        data = files.digest(self._mounts[name] / "data")
        with self._step("grow", f"{name} to {size // MIB} MiB while it is mounted"):
            grown = self._plugin.grow(self._ids[name], f"{self._prefix}-{name}", size)
        self._narrator.same(f"size of {name}", grown, size)
        self._is_grown(name, before)
        self._expect(name, data, "data before and after")

    def _is_grown(self, name: str, size: int) -> None:
        larger = files.filesystem_size(self._mounts[name]) > size
        self._narrator.same(f"the filesystem of {name} has grown", larger, True)

    def _revert(self, snapshot: str, first: str) -> None:
        self._take_away("volume")
        with self._step("revert", "the volume to its snapshot"):
            self._provisioner.revert(self._ids["volume"], snapshot)
        self._publish("volume")
        self._expect("volume", first, "reverted data and the data at the snapshot")

    def _copy_image(self) -> None:
        self._create("image", IMAGE, block=True)
        with tempfile.TemporaryFile() as image, tempfile.TemporaryFile() as copy:
            wanted = files.generate(image, 3, IMAGE)
            image.seek(0)
            with self._step("copy in", f"an image of {IMAGE // MIB} MiB"):
                self._provisioner.copy_in(self._ids["image"], image, IMAGE, wanted)
            with self._step("copy out", "the volume to an image"):
                made = self._provisioner.copy_out(self._ids["image"], copy)
            self._narrator.same("image in and image out", made.sha256, wanted)
            self._narrator.same("bytes of the image", copy.tell(), IMAGE)

    def _list(self, snapshot: str) -> None:
        with self._step("list", "volumes and snapshots"):
            volumes, snapshots = self._plugin.volumes(), self._plugin.snapshots()
        self._narrator.same("volumes listed", len(volumes), len(self._ids))
        self._narrator.same(
            "their ids are the ones given", volumes == set(self._ids.values()), True
        )
        self._narrator.same("snapshots listed", len(snapshots), 1)
        self._narrator.same("its id is the one given", snapshots == {snapshot}, True)

    def _delete(self, snapshot: str) -> None:
        for name in list(self._mounts):
            self._take_away(name)
        with self._step("delete", "the snapshot"):
            self._plugin.delete_snapshot(snapshot)
        for name, volume_id in self._ids.items():
            with self._step("delete", name):
                self._plugin.delete(volume_id)
        with self._step("wait", "until what was freed is wiped"):
            self._plugin.wait_until_wiped()
        self._narrator.same("volumes listed", len(self._plugin.volumes()), 0)
        self._narrator.same("snapshots listed", len(self._plugin.snapshots()), 0)
