"""Lists of volumes and snapshots, page by page, through a real socket."""

from __future__ import annotations

import pytest

from csi.spec import csi_pb2 as pb
from tests.fakes.bench import (
    BACKEND,
    NO_TOKEN,
    Bench,
    refused,
)


class TestLists:
    def test_pages_neither_skip_nor_repeat_while_volumes_go(self, two: Bench) -> None:
        for number in range(4):
            two.create(f"f{number}", parameters={BACKEND: "fast"})
            two.create(f"s{number}", parameters={BACKEND: "slow"})
        everything = two.ids()
        first = two.client.controller.ListVolumes(pb.ListVolumesRequest(max_entries=3))
        assert first.next_token
        two.delete(everything[0])
        two.delete(everything[2])  # the very one that the token names
        assert two.ids(starting_token=first.next_token) == everything[3:]
        last = two.client.controller.ListVolumes(pb.ListVolumesRequest(max_entries=6))
        assert (len(last.entries), last.next_token) == (6, "")

    def test_bad_pages(self, one: Bench) -> None:
        for call in (one.ids, one.snapshot_ids):
            with refused("ABORTED", f"{NO_TOKEN!r} is no token"):
                call(starting_token=NO_TOKEN)
            with refused("INVALID_ARGUMENT", "max_entries"):
                call(max_entries=-1)

    def test_snapshots_by_volume_and_by_id(self, one: Bench) -> None:
        v, w = one.create("v"), one.create("w")
        made = [one.snapshot(name, v).snapshot_id for name in ("a", "b")]
        other = one.snapshot("c", w).snapshot_id
        assert one.snapshot_ids() == [*made, other]
        assert one.snapshot_ids(source_volume_id=v.volume_id) == made
        assert one.snapshot_ids(snapshot_id=other) == [other]
        assert one.snapshot_ids(snapshot_id=other, source_volume_id=v.volume_id) == []
        assert one.snapshot_ids(max_entries=2) == made
        assert one.snapshot_ids(starting_token=made[1]) == [other]

    @pytest.mark.parametrize("missing", ["fake", "memory0.snapshot-9", "a/b"])
    def test_a_filter_that_matches_nothing(self, one: Bench, missing: str) -> None:
        assert one.snapshot_ids(snapshot_id=missing) == []
        assert one.snapshot_ids(source_volume_id=missing) == []

    def test_a_list_has_no_hole(self, two: Bench) -> None:
        two.create("v", parameters={BACKEND: "fast"})
        two.driver("slow").moods.unhealthy = "a disk is away"
        two.driver("slow").moods.broken = "a disk is away"
        with refused("UNAVAILABLE", "'slow'"):
            two.ids()
