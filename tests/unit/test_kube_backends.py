"""What a Backend object says of what a node tells, and what is taken for left over."""

from __future__ import annotations

from typing import Any

from csi.kube import backends
from csi.kube.backends import Leftover, Listing
from csi.kube.leftovers import Comparison, Known
from csi.spec import manage_pb2 as pb
from drivers.errors import Unsupported

GIB = 1 << 30


def told(**more: Any) -> pb.Backend:
    facts: dict[str, Any] = {
        "name": "hearth",
        "id": "B",
        "storage": "vg0",
        "total": pb.Capacity(bytes=10 * GIB),
        "free": pb.Capacity(bytes=GIB),
        "data_ratio": 0.421,
        "revision": "1",
    }
    return pb.Backend(**facts | more)


def test_a_backend_is_told_in_numbers_and_for_people() -> None:
    status = backends.status(told(), Listing())
    assert (status["state"], status["size"], status["free"]) == ("Healthy", "10.0 GiB", "1.0 GiB")
    assert (status["totalBytes"], status["data"], status["dataPercent"]) == (10 * GIB, "42%", 42)
    assert "metadataPercent" not in status


def test_where_there_is_no_number_there_is_a_word() -> None:
    status = backends.status(told(total=pb.Capacity(infinite=True), free=pb.Capacity()), Listing())
    assert (status["size"], status["free"]) == ("infinite", "unknown")
    assert "totalBytes" not in status


def test_what_is_not_well_says_why() -> None:
    assert backends.status(told(unhealthy="broken"), Listing())["state"] == "Unhealthy"
    absent = backends.status(told(unhealthy="no group vg0", id=""), Listing())
    assert (absent["state"], absent["message"]) == ("Absent", "no group vg0")


def test_a_warning_stays_while_a_backend_serves_nothing() -> None:
    before = backends.status(told(warning="full"), Listing())
    assert before["warning"] == "full"
    assert backends.status(told(unhealthy="x"), Listing(), before)["warning"] == "full"
    assert backends.status(told(), Listing(), before)["warning"] == ""


def test_lists_are_bounded_and_counts_are_not() -> None:
    entries = [
        pb.Manageable(reference=pb.Reference(name=f"lv{number:03}"), safe=number % 2 == 0)
        for number in range(120)
    ]
    status = backends.status(told(), Listing(volumes=list(reversed(entries))))
    assert status["manageableCount"] == 60
    assert [each["name"] for each in status["manageable"]] == [f"lv{each:03}" for each in range(50)]
    assert status["manageable"][1]["safe"] is False


def test_only_what_has_changed_is_written() -> None:
    before = backends.status(told(), Listing())
    assert backends.cleared(before, backends.status(told(), Listing())) == {}
    less = backends.cleared(before, backends.status(told(free=pb.Capacity(bytes=5)), Listing()))
    assert less == {"free": "5 B", "freeBytes": 5}
    assert not backends.is_loud(less)
    sick = backends.cleared(before, backends.status(told(unhealthy="x"), Listing()))
    assert backends.is_loud(sick)
    assert backends.cleared(before, {**before, "data": None} | {})["data"] is None


def test_the_name_tells_other_drivers_apart() -> None:
    assert backends.name_of("Node-1", "fast", "hearth-csi.io") == "node-1.fast"
    assert backends.name_of("n1", "fast", "second.io") == "n1.fast.second.io"


class OneBackend:
    """The storage of a node, as `csi.kube.storage.Storage` has it, and its service."""

    node = "n1"

    def __init__(self, *volumes: str) -> None:
        self.there = volumes
        self.service = self

    def volumes(self, backend: str) -> list[pb.Volume]:
        return [pb.Volume(id=each, backend=backend) for each in self.there]

    def snapshots(self, backend: str) -> list[pb.Snapshot]:
        return [pb.Snapshot(id="B.s", backend=backend)]

    def orphans(self, _backend: str) -> list[pb.Orphan]:
        return [pb.Orphan(reference=pb.Reference(name="half"), reason="creating")]

    def manageable_volumes(self, _request: pb.ListManageableRequest) -> list[pb.Manageable]:
        reference = pb.Reference(name="vol-1", uuid="u-1")
        return [pb.Manageable(id="B.named", reference=reference), pb.Manageable()]

    def manageable_snapshots(self, _request: pb.ListManageableRequest) -> list[pb.Manageable]:
        return []


def persistent(handle: str, **status: str) -> Any:
    return {
        "metadata": {"name": f"pv-{handle}"},
        "spec": {"csi": {"driver": "d", "volumeHandle": handle}, **status},
        "status": {"phase": status.pop("phase", "Bound")},
    }


def test_what_does_not_match_is_believed_after_a_while() -> None:
    now = 0.0
    comparison = Comparison("d", belief=100, clock=lambda: now)
    known = Known({"B.gone": persistent("B.gone"), "C.other": persistent("C.other")}, {})
    storage: Any = OneBackend("B.nobodys")
    first = comparison.listed(storage, told(), known)
    assert (first.leftovers, first.lost) == ([], [])
    now = 100.0
    later = comparison.listed(storage, told(), known)
    kinds = {(each.kind, each.reason) for each in later.leftovers}
    assert kinds == {
        ("unfinished", "creating"),
        ("volume", "NoPersistentVolume"),
        ("snapshot", "NoVolumeSnapshotContent"),
    }
    assert [each.handle for each in later.lost] == ["B.gone"]


def test_what_an_earlier_life_has_told_is_believed_at_once_and_only_then() -> None:
    now = 0.0
    known = Known({"B.gone": persistent("B.gone")}, {})
    storage: Any = OneBackend("B.nobodys")
    found = Comparison("d", belief=0).listed(storage, told(), known)
    before = backends.status(told(), found)
    comparison = Comparison("d", belief=100, clock=lambda: now)
    assert comparison.listed(storage, told(), known, before) == found
    storage.there = ("B.nobodys", "B.new")
    assert comparison.listed(storage, told(), known, before) == found, "what is new waits"
    all_well = Known({"B.gone": persistent("B.gone"), "B.nobodys": persistent("B.nobodys")}, {})
    comparison.listed(storage, told(), all_well, before)
    again = comparison.listed(storage, told(), known, before).leftovers
    assert [each for each in again if each.kind == "volume"] == []


def test_what_was_too_much_to_be_told_is_believed_too() -> None:
    known = Known({}, None)
    storage: Any = OneBackend(*(f"B.{number}" for number in range(backends.SHOWN + 1)))
    found = Comparison("d", belief=0).listed(storage, told(), known)
    before = backends.status(told(), found)
    assert len(before["orphans"]) < before["orphanCount"]
    again = Comparison("d", belief=100, clock=lambda: 0.0).listed(storage, told(), known, before)
    assert again.leftovers == found.leftovers


def test_a_driver_that_brings_nothing_in_has_leftovers_all_the_same() -> None:
    def unsupported(_request: Any) -> list[pb.Manageable]:
        raise Unsupported("it cannot")

    storage: Any = OneBackend("B.nobodys")
    storage.manageable_volumes = storage.manageable_snapshots = unsupported
    known = Known({"B.gone": persistent("B.gone")}, None)
    found = Comparison("d", belief=0).listed(storage, told(), known)
    assert {each.kind for each in found.leftovers} == {"unfinished", "volume"}
    assert [each.handle for each in found.lost] == ["B.gone"]


def test_a_claim_without_a_namespace_is_told_as_it_is() -> None:
    volume = persistent("B.gone", claimRef={"name": "data"})  # type: ignore[arg-type]
    storage: Any = OneBackend()
    [lost] = Comparison("d", belief=0).listed(storage, told(), Known({"B.gone": volume}, None)).lost
    assert lost.claim == "/data"


def test_snapshots_that_cannot_be_read_are_found_with_their_contents() -> None:
    comparison, content = Comparison("d"), persistent("B.s")
    storage: Any = OneBackend()
    [known] = comparison.listed(storage, told(), Known({}, {"B.s": content})).invalid
    assert (known.handle, known.content) == ("B.s", content)
    [nobodys] = comparison.listed(storage, told(), Known({}, None)).invalid
    assert nobodys.content is None
    storage.snapshots = lambda backend: [pb.Snapshot(id="B.s", usable=True)]
    assert comparison.listed(storage, told(), Known({}, None)).invalid == []


def test_what_is_left_over_has_the_name_that_the_storage_has_for_it() -> None:
    comparison = Comparison("d", belief=0)
    storage: Any = OneBackend("B.named", "B.nameless")
    found = comparison.listed(storage, told(), Known({}, None)).leftovers
    volumes = {(each.name, each.uuid) for each in found if each.kind == "volume"}
    assert volumes == {("vol-1", "u-1"), ("B.nameless", "")}


def test_part_of_an_image_is_no_volume_that_lacks_a_persistent_volume() -> None:
    comparison = Comparison("d", belief=0)
    storage: Any = OneBackend("B.part")
    storage.volumes = lambda backend: [pb.Volume(id="B.part", partial=True)]
    found = comparison.listed(storage, told(), Known({}, None))
    assert [each.kind for each in found.leftovers] == ["unfinished"]
    held = comparison.listed(storage, told(), Known({"B.part": persistent("B.part")}, None))
    assert held.lost == []


def test_what_is_right_again_begins_anew() -> None:
    now = 0.0
    comparison = Comparison("d", belief=100, clock=lambda: now)
    known = Known({}, None)
    storage: Any = OneBackend("B.new")
    comparison.listed(storage, told(), known)
    now = 60.0
    comparison.listed(storage, told(), Known({"B.new": persistent("B.new")}, None))
    now = 120.0
    found = comparison.listed(storage, told(), known)
    assert [each for each in found.leftovers if each.kind == "volume"] == []


def test_leftovers_are_counted_with_what_is_lost() -> None:
    left = Leftover("volume", "lv", "u", 1, "NoPersistentVolume", "m")
    status = backends.status(told(), Listing(leftovers=[left]))
    assert status["orphanCount"] == 1
    assert status["orphans"] == [
        {
            "name": "lv",
            "uuid": "u",
            "sizeBytes": 1,
            "reason": "NoPersistentVolume",
            "message": "m",
        }
    ]
