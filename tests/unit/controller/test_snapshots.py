"""Snapshots through a real socket."""

from __future__ import annotations

from csi.spec import csi_pb2 as pb
from drivers.model import MIB
from tests.fakes.bench import (
    BACKEND,
    ONE,
    Bench,
    bench,
    refused,
)
from tests.fakes.memory import MemoryDriver, MemoryOptions, PlainDriver
from tests.fakes.moods import Moods


class TestSnapshots:
    def test_twice_is_once_with_the_same_moment(self, one: Bench) -> None:
        volume = one.create("v")
        first, second = one.snapshot("s", volume), one.snapshot("s", volume)
        assert first == second
        assert first.ready_to_use
        assert first.size_bytes == volume.capacity_bytes
        assert first.source_volume_id == volume.volume_id
        assert first.creation_time.ToSeconds() > 0

    def test_it_keeps_the_sidecar_s_metadata(self, one: Bench) -> None:
        request = pb.CreateSnapshotRequest(
            name="s",
            source_volume_id=one.create("v").volume_id,
            parameters={"csi.storage.k8s.io/volumesnapshot/name": "nightly"},
        )
        one.client.controller.CreateSnapshot(request)
        driver = one.driver()
        assert isinstance(driver, MemoryDriver)
        assert driver.list_snapshots()[0].labels == {"volumesnapshot/name": "nightly"}

    def test_names_of_128_bytes(self, one: Bench) -> None:
        volume = one.create("v")
        names = ["é" * 64, "😀" * 32]
        made = {one.snapshot(name, volume).snapshot_id for name in names}
        assert made == {one.snapshot(name, volume).snapshot_id for name in names}
        assert len(made) == 2

    def test_codes(self, two: Bench) -> None:
        v, w = (two.create(name, parameters={BACKEND: "fast"}) for name in "vw")
        plain = two.create("p", parameters={BACKEND: "slow"})
        made = two.snapshot("s", v)
        with refused("ALREADY_EXISTS", made.snapshot_id, v.volume_id, w.volume_id):
            two.snapshot("s", w)
        with refused("INVALID_ARGUMENT", "'slow'", "cannot make or restore snapshots"):
            two.snapshot("t", plain)
        with refused("INVALID_ARGUMENT", "name is missing"):
            two.snapshot("", v)
        with refused("INVALID_ARGUMENT", "source_volume_id is missing"):
            two.snapshot("t", pb.Volume())
        for missing in ("aaa.volume-9", "fake-id"):
            with refused("NOT_FOUND", missing):
                two.snapshot("t", pb.Volume(volume_id=missing))
        with refused("UNAVAILABLE", "elsewhere"):
            two.snapshot("t", pb.Volume(volume_id="elsewhere.1"))
        request = pb.CreateSnapshotRequest(
            name="t", source_volume_id=v.volume_id, parameters={"how": "fast"}
        )
        with refused("INVALID_ARGUMENT", "'how' is not known"):
            two.client.controller.CreateSnapshot(request)

    def test_where_a_backend_cannot_tell_no_second_one_of_its_name_is_made(self) -> None:
        both = {name: (MemoryDriver, MemoryOptions(backend_id=name)) for name in ("one", "other")}
        with bench(both) as running:
            v = running.create("v", parameters={BACKEND: "one"})
            w = running.create("w", parameters={BACKEND: "other"})
            made, kept = running.snapshot("s", v), running.snapshot("kept", w)
            moods = running.driver("one").moods
            moods.broken = moods.unhealthy = "a disk is missing"
            with refused("UNAVAILABLE", "'one'", "a disk is missing"):
                running.snapshot("s", w)
            assert running.snapshot("kept", w) == kept
            moods.broken = moods.unhealthy = ""
            with refused("ALREADY_EXISTS", made.snapshot_id):
                running.snapshot("s", w)

    def test_a_backend_that_cannot_hold_one_is_not_asked(self) -> None:
        others = {"plain": (PlainDriver, MemoryOptions(backend_id="plain")),
                  "gone": (MemoryDriver, MemoryOptions(backend_id="gone"))}  # fmt: skip
        moods = {"plain": Moods(broken="a disk is missing"), "gone": Moods(absent=True)}
        with bench({**ONE, **others}, moods=moods) as running:
            volume = running.create("v", parameters={BACKEND: "fast"})
            assert running.snapshot("s", volume).source_volume_id == volume.volume_id

    def test_no_room(self) -> None:
        with bench({"fast": (MemoryDriver, MemoryOptions(capacity=12 * MIB))}) as running:
            volume = running.create("v", 8 * MIB)
            with refused("RESOURCE_EXHAUSTED"):
                running.snapshot("s", volume)

    def test_deleting(self, two: Bench) -> None:
        volume = two.create("v", parameters={BACKEND: "fast"})
        snapshot = two.snapshot("s", volume)
        call = two.client.controller.DeleteSnapshot
        for gone in (snapshot.snapshot_id, snapshot.snapshot_id, "fake", "bbb.snapshot-1"):
            call(pb.DeleteSnapshotRequest(snapshot_id=gone))
        assert two.snapshot_ids() == []
        with refused("INVALID_ARGUMENT", "snapshot_id is missing"):
            call(pb.DeleteSnapshotRequest())
        with refused("UNAVAILABLE", "elsewhere"):
            call(pb.DeleteSnapshotRequest(snapshot_id="elsewhere.1"))
