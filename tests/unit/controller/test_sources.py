"""Volumes from snapshots and volumes, through a real socket."""

from __future__ import annotations

import pytest

from drivers.model import GIB, MIB, Content, VolumeId
from tests.fakes.bench import (
    BACKEND,
    Bench,
    from_snapshot,
    from_volume,
    mount,
    refused,
)


class TestContentSource:
    def test_a_restore_and_a_clone_say_where_they_come_from(self, one: Bench) -> None:
        source = one.create("v")
        snapshot = one.snapshot("s", source)
        restored = one.create("r", volume_content_source=from_snapshot(snapshot.snapshot_id))
        cloned = one.create("c", volume_content_source=from_volume(source.volume_id))
        assert restored.content_source == from_snapshot(snapshot.snapshot_id)
        assert cloned.content_source == from_volume(source.volume_id)
        again = one.create("r", volume_content_source=from_snapshot(snapshot.snapshot_id))
        assert again == restored

    def test_it_may_be_larger_and_takes_the_source_s_size_by_default(self, one: Bench) -> None:
        source = from_volume(one.create("v", 2 * GIB).volume_id)
        assert one.create("c", 3 * GIB, volume_content_source=source).capacity_bytes == 3 * GIB
        same = one.create("d", capacity_range=None, volume_content_source=source)
        assert same.capacity_bytes == 2 * GIB

    def test_a_size_that_the_source_was_made_with(self, one: Bench) -> None:
        made = one.create("v", 5 * MIB)  # which became 8
        copy = one.create("c", 5 * MIB, volume_content_source=from_volume(made.volume_id))
        assert copy.capacity_bytes == made.capacity_bytes

    def test_smaller_than_the_source(self, one: Bench) -> None:
        made = one.create("v", 12 * MIB)
        with refused("OUT_OF_RANGE", str(12 * MIB), made.volume_id):
            one.create("c", 8 * MIB, volume_content_source=from_volume(made.volume_id))

    @pytest.mark.parametrize("missing", ["memory0.volume-9", "fake-id", "a/b", "x" * 128])
    def test_a_source_that_is_not_there(self, one: Bench, missing: str) -> None:
        with refused("NOT_FOUND"):
            one.create("c", volume_content_source=from_volume(missing))
        with refused("NOT_FOUND"):
            one.create("c", volume_content_source=from_snapshot(missing))

    def test_a_source_of_another_node(self, one: Bench) -> None:
        with refused("RESOURCE_EXHAUSTED", "snapshot elsewhere.1", "another node"):
            one.create("c", volume_content_source=from_snapshot("elsewhere.1"))

    def test_a_source_that_may_be_here_after_all(self, two: Bench) -> None:
        two.app.backends.by_name["slow"].id = None
        two.driver("slow").moods.unhealthy = "a disk is away"
        two.driver("slow").moods.broken = "a disk is away"
        with refused("UNAVAILABLE", "elsewhere"):
            parameters = {BACKEND: "fast"}
            source = from_snapshot("elsewhere.1")
            two.create("c", parameters=parameters, volume_content_source=source)

    def test_a_source_on_another_backend(self, two: Bench) -> None:
        made = two.create("v", parameters={BACKEND: "slow"})
        with refused("INVALID_ARGUMENT", "on backend 'slow'", f"{BACKEND}: slow"):
            source = from_volume(made.volume_id)
            two.create("c", parameters={BACKEND: "fast"}, volume_content_source=source)

    def test_a_source_on_another_backend_that_is_ill(self, two: Bench) -> None:
        made = two.create("v", parameters={BACKEND: "slow"})
        two.driver("slow").moods.unhealthy = two.driver("slow").moods.broken = "a disk is away"
        with refused("INVALID_ARGUMENT", "on backend 'slow'"):
            source = from_volume(made.volume_id)
            two.create("c", parameters={BACKEND: "fast"}, volume_content_source=source)

    def test_a_backend_that_cannot(self, two: Bench) -> None:
        made = two.create("v", parameters={BACKEND: "slow"})
        parameters = {BACKEND: "slow"}
        with refused("INVALID_ARGUMENT", "'slow'", "cannot clone volumes"):
            two.create(
                "c", parameters=parameters, volume_content_source=from_volume(made.volume_id)
            )
        with refused("INVALID_ARGUMENT", "'slow'", "cannot make or restore snapshots"):
            two.create("c", parameters=parameters, volume_content_source=from_snapshot("bbb.snap"))

    def test_a_copy_that_takes_long_is_aborted_until_it_is_done(self, one: Bench) -> None:
        source = from_volume(one.create("v", 8 * MIB).volume_id)
        one.driver().moods.copies = 2
        for _ in range(2):
            with refused("ABORTED", "copying"):
                one.create("c", volume_content_source=source)
        assert one.create("c", volume_content_source=source).content_source == source
        assert len(one.ids()) == 2

    def test_a_copy_has_the_filesystem_of_its_source(self, one: Bench) -> None:
        made = one.create("v", GIB, volume_capabilities=[mount("xfs")])
        one.driver().set_content(VolumeId(made.volume_id), Content.FORMATTED)
        source = from_volume(made.volume_id)
        with refused("INVALID_ARGUMENT", "holds xfs"):
            one.create("c", GIB, volume_content_source=source, volume_capabilities=[mount("ext4")])
        copy = one.create("c", GIB, volume_content_source=source)
        kept = one.driver().get_volume(VolumeId(copy.volume_id))
        assert (kept.properties.fs_type, kept.content) == ("xfs", Content.INHERITED)
