"""The GroupController service: codes, members, and what a repeated call gets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from csi.app.identity import plugin
from csi.controller.group_servicer import announces
from csi.spec import csi_pb2 as pb
from drivers.interface import load_drivers
from tests.fakes.bench import BACKEND, LAYOUT, Bench, Options, bench, from_snapshot, refused, wanted
from tests.fakes.grouping import GroupingMemory
from tests.fakes.memory import MemoryDriver, MemoryOptions
from tests.fakes.moods import Moods

BACKENDS: Options = {
    "fast": (GroupingMemory, MemoryOptions(backend_id="aaa")),
    "other": (GroupingMemory, MemoryOptions(backend_id="bbb")),
    "plain": (MemoryDriver, MemoryOptions(backend_id="ccc")),
}
CREATED = "csi.storage.k8s.io/volumegroupsnapshot/name"


@pytest.fixture
def three() -> Iterator[Bench]:
    with bench(BACKENDS) as running:
        yield running


def volumes(one: Bench, *names: str, backend: str = "fast", **more: str) -> list[str]:
    parameters = {BACKEND: backend, **more}
    return [one.create(name, parameters=parameters).volume_id for name in names or ("a", "b", "c")]


def cut(one: Bench, ids: list[str], name: str = "moment", **fields: Any) -> pb.VolumeGroupSnapshot:
    request = pb.CreateVolumeGroupSnapshotRequest(name=name, source_volume_ids=ids, **fields)
    made: pb.VolumeGroupSnapshot = one.client.group_controller.CreateVolumeGroupSnapshot(
        request
    ).group_snapshot
    return made


def delete(one: Bench, identifier: str, ids: list[str] | None = None) -> None:
    one.client.group_controller.DeleteVolumeGroupSnapshot(
        pb.DeleteVolumeGroupSnapshotRequest(group_snapshot_id=identifier, snapshot_ids=ids or [])
    )


def get(one: Bench, identifier: str, ids: list[str] | None = None) -> pb.VolumeGroupSnapshot:
    request = pb.GetVolumeGroupSnapshotRequest(group_snapshot_id=identifier, snapshot_ids=ids or [])
    found: pb.VolumeGroupSnapshot = one.client.group_controller.GetVolumeGroupSnapshot(
        request
    ).group_snapshot
    return found


def members(made: pb.VolumeGroupSnapshot) -> list[str]:
    return [each.snapshot_id for each in made.snapshots]


def test_a_group_is_cut_once_and_listed_with_its_members(three: Bench) -> None:
    ids = volumes(three)
    made = cut(three, ids, parameters={CREATED: "nightly"})
    assert made.ready_to_use
    assert {each.source_volume_id for each in made.snapshots} == set(ids)
    assert {each.group_snapshot_id for each in made.snapshots} == {made.group_snapshot_id}
    assert {each.creation_time.ToNanoseconds() for each in made.snapshots} == {
        made.creation_time.ToNanoseconds()
    }
    assert cut(three, list(reversed(ids)), parameters={CREATED: "nightly"}) == made
    assert get(three, made.group_snapshot_id) == made
    assert get(three, made.group_snapshot_id, members(made)) == made
    listed = three.client.controller.ListSnapshots(pb.ListSnapshotsRequest()).entries
    assert [each.snapshot for each in listed] == list(made.snapshots)


def test_a_member_restores_and_cannot_be_deleted_alone(three: Bench) -> None:
    made = cut(three, volumes(three))
    first = members(made)[0]
    source = from_snapshot(first)
    parameters = {BACKEND: "fast"}
    three.client.controller.CreateVolume(
        wanted("copy", volume_content_source=source, parameters=parameters)
    )
    with refused("INVALID_ARGUMENT", made.group_snapshot_id):
        three.client.controller.DeleteSnapshot(pb.DeleteSnapshotRequest(snapshot_id=first))
    for _ in range(2):
        delete(three, made.group_snapshot_id, members(made))
    assert three.snapshot_ids() == []


def test_a_list_of_other_members_is_refused_and_nothing_deleted(three: Bench) -> None:
    ids = volumes(three)
    made, other = cut(three, ids), cut(three, ids, "later")
    for wrong in (members(made)[:2], [*members(made), members(other)[0]], members(other)):
        with refused("INVALID_ARGUMENT", members(made)[0]):
            delete(three, made.group_snapshot_id, wrong)
        with refused("INVALID_ARGUMENT"):
            get(three, made.group_snapshot_id, wrong)
    assert get(three, made.group_snapshot_id) == made


def test_the_name_is_taken_by_other_volumes(three: Bench) -> None:
    ids = volumes(three)
    cut(three, ids)
    with refused("ALREADY_EXISTS", "moment"):
        cut(three, ids[:2])
    with refused("ALREADY_EXISTS", "moment"):
        cut(three, volumes(three, "x", "y", backend="other"))


def test_the_name_is_taken_with_other_parameters(three: Bench) -> None:
    ids = volumes(three)
    made = cut(three, ids, parameters={CREATED: "nightly"})
    with refused("ALREADY_EXISTS", made.group_snapshot_id, "nightly", "weekly"):
        cut(three, ids, parameters={CREATED: "weekly"})
    assert cut(three, ids, parameters={CREATED: "nightly"}) == made


def test_a_backend_that_is_unwell_is_in_nobody_elses_way(three: Bench) -> None:
    ids, others = volumes(three), volumes(three, "x", "y", backend="other")
    moods(three, "other").broken = "its disks are away"
    moods(three, "other").unhealthy = "its disks are away"
    made = cut(three, ids)
    assert cut(three, ids) == made
    with refused("UNAVAILABLE", "its disks are away"):
        cut(three, others, "of others")


def moods(one: Bench, backend: str) -> Moods:
    driver = one.app.backends.by_name[backend].driver
    assert isinstance(driver, MemoryDriver)
    return driver.moods


def test_cuts_are_counted_by_what_came_of_them(three: Bench) -> None:
    ids = volumes(three)
    cut(three, ids)
    cut(three, ids)
    with refused("FAILED_PRECONDITION"):
        cut(three, [*ids, *volumes(three, "s", **{LAYOUT: "striped"})], "later")
    with refused("FAILED_PRECONDITION"):
        cut(three, [*ids, *volumes(three, "x", backend="other")], "later")
    with refused("ALREADY_EXISTS"):
        cut(three, ids[:2])
    with refused("INVALID_ARGUMENT"):
        cut(three, volumes(three, "p", backend="plain"), "later")
    with refused("NOT_FOUND"):
        cut(three, ["no id at all"], "later")
    page = three.app.metrics.page().decode()
    for told in (
        'hearth_group_cuts_total{backend="fast",result="done"} 1.0',
        'hearth_group_cuts_total{backend="fast",result="refused"} 3.0',
        'hearth_group_cuts_total{backend="plain",result="refused"} 1.0',
        'hearth_group_cut_pause_seconds_count{backend="fast"} 1.0',
    ):
        assert told in page


def test_what_cannot_be_cut_together_is_a_failed_precondition(three: Bench) -> None:
    here, there = volumes(three, "a"), volumes(three, "b", backend="other")
    with refused("FAILED_PRECONDITION", f"{here[0]} on backend 'fast'", f"{there[0]} on backend"):
        cut(three, here + there)
    striped = volumes(three, "s", **{LAYOUT: "striped"})
    with refused("FAILED_PRECONDITION", striped[0]):
        cut(three, here + striped)
    assert three.snapshot_ids() == []


def test_requests_that_lack_something_or_name_nothing(three: Bench) -> None:
    ids = volumes(three)
    with refused("INVALID_ARGUMENT", "name"):
        cut(three, ids, "")
    with refused("INVALID_ARGUMENT", "source_volume_ids"):
        cut(three, [])
    with refused("INVALID_ARGUMENT"):
        cut(three, [ids[0], ids[0]])
    with refused("INVALID_ARGUMENT", "not known"):
        cut(three, ids, parameters={"what": "ever"})
    with refused("NOT_FOUND"):
        cut(three, [*ids, "aaa.volume-999999"])
    with refused("INVALID_ARGUMENT", "group_snapshot_id"):
        get(three, "")
    with refused("INVALID_ARGUMENT", "group_snapshot_id"):
        delete(three, "")
    with refused("NOT_FOUND"):
        get(three, "aaa.moment-999999")
    delete(three, "aaa.moment-999999")


def test_the_deletion_policy_of_a_class_is_no_matter_for_a_driver(three: Bench) -> None:
    ids = volumes(three)
    made = cut(three, ids, parameters={CREATED: "db", "deletionPolicy": "Delete"})
    assert len(made.snapshots) == len(ids)
    delete(three, "no id at all")


def test_a_backend_without_groups_says_so(three: Bench) -> None:
    ids = volumes(three, backend="plain")
    with refused("INVALID_ARGUMENT", "'plain'", "freeze several volumes"):
        cut(three, ids)
    with refused("INVALID_ARGUMENT", "'plain'"):
        get(three, "ccc.moment-1")
    delete(three, "ccc.moment-1")


def capabilities(one: Bench) -> tuple[bool, int]:
    services = one.client.identity.GetPluginCapabilities(pb.GetPluginCapabilitiesRequest())
    group = pb.PluginCapability.Service.GROUP_CONTROLLER_SERVICE
    told = one.client.group_controller.GroupControllerGetCapabilities(
        pb.GroupControllerGetCapabilitiesRequest()
    )
    types = [each.service.type for each in services.capabilities]
    return group in types, len(told.capabilities)


def test_it_is_announced_where_a_backend_can(three: Bench, one: Bench) -> None:
    assert capabilities(three) == (True, 1)
    assert capabilities(one) == (False, 0)


def test_what_is_installed_can() -> None:
    drivers = load_drivers()
    assert announces([drivers["lvm"]])
    assert not announces([drivers["loop"]])
    group = pb.PluginCapability.Service.GROUP_CONTROLLER_SERVICE
    assert group in plugin("x", drivers, groups=True).services
