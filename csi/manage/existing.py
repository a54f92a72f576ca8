"""Between the messages of the Manage service and the language of what exists already."""

from __future__ import annotations

from collections.abc import Iterable

from csi.controller.adoption import BroughtIn
from csi.controller.orphans import Orphan
from csi.manage import convert
from csi.spec import manage_pb2 as pb
from drivers.errors import Invalid
from drivers.manageable import (
    AdoptionSpec,
    Manageable,
    Page,
    Query,
    Reference,
    SnapshotAdoptionSpec,
    Sort,
)
from drivers.model import Content, Properties, Snapshot


def query(request: pb.ListManageableRequest) -> Query:
    """Which page is asked for. Raises `Invalid`."""
    words = {each.value: each for each in Sort} | {"": Sort.NAME}
    if request.sort not in words:
        raise Invalid(f"sort is {request.sort!r}; it must be name or size")
    sort = words[request.sort]
    return Query(
        sort=sort,
        descending=sort is Sort.SIZE,
        limit=request.max_entries or None,
        token=request.starting_token,
        probe=request.probe,
    )


def page(found: Page, backend: str) -> pb.ListManageableResponse:
    """A page of what is there."""
    entries = [_entry(each, backend) for each in found.entries]
    return pb.ListManageableResponse(entries=entries, next_token=found.next)


def _entry(found: Manageable, backend: str) -> pb.Manageable:
    return pb.Manageable(
        reference=told(found.reference),
        backend=backend,
        size=found.size,
        safe=found.safe,
        reason=found.obstacle.hindrance.value if found.obstacle else "",
        message=found.obstacle.words if found.obstacle else "",
        manager=found.manager,
        fs_type=found.found.type if found.found else "",
        origin=told(found.origin),
        id=found.id,
        owner=found.owner,
        mode=found.found.mode.value if found.found else "",
    )


def orphans(found: Iterable[Orphan]) -> pb.ListOrphansResponse:
    """What is left over."""
    return pb.ListOrphansResponse(orphans=map(_orphan, found))


def _orphan(found: Orphan) -> pb.Orphan:
    return pb.Orphan(
        backend=found.backend,
        reference=told(found.reference),
        size=found.size,
        reason=found.reason,
        message=found.message,
        id=found.id,
    )


def reference(message: pb.Reference) -> Reference:
    """Which object is meant. Raises `Invalid` for a message that names none."""
    if not (message.name or message.uuid):
        raise Invalid("reference is missing: the name or the UUID of the object")
    return Reference(message.name, message.uuid)


def told(found: Reference | None) -> pb.Reference | None:
    """Which object it is."""
    return pb.Reference(name=found.name, uuid=found.uuid) if found else None


def brought_in(request: pb.UnmanageVolumeRequest | pb.UnmanageSnapshotRequest) -> BroughtIn:
    """What is to be taken back."""
    of = request.brought_in
    return BroughtIn(of.name, of.owner, of.backend)


def wanted(request: pb.ManageVolumeRequest) -> AdoptionSpec:
    """How an object is to become a volume. Raises `Invalid`."""
    return AdoptionSpec(
        name=request.name,
        owner=request.owner,
        properties=_properties(request.properties),
        allow_delete=request.allow_delete,
    )


def wanted_snapshot(request: pb.ManageSnapshotRequest) -> SnapshotAdoptionSpec:
    """How an object is to become a snapshot."""
    return SnapshotAdoptionSpec(
        name=request.name,
        owner=request.owner,
        labels=dict(request.labels),
        allow_delete=request.allow_delete,
    )


def _properties(message: pb.Properties) -> Properties:
    return Properties(
        mode=convert.mode(message),
        fs_type=message.fs_type,
        access_modes=tuple(sorted(set(message.access_modes))),
        pvc_name=message.pvc_name,
        pvc_namespace=message.pvc_namespace,
        pv_name=message.pv_name,
        storage_class=message.storage_class,
    )


def foreseen(made: Manageable, backend: str, spec: AdoptionSpec) -> pb.Volume:
    """What is known of a volume before it is brought in."""
    properties = convert.properties(spec.properties)
    if made.found and not properties.fs_type and properties.mode == "filesystem":
        properties.fs_type = made.found.type
    return pb.Volume(
        id=made.id,
        backend=backend,
        size=made.size,
        content=Content.ADOPTED.value,
        properties=properties,
        owner=spec.owner,
        reference=made.reference.name,
        may_be_deleted=spec.allow_delete,
    )


def snapshot(made: Snapshot | Manageable, backend: str, spec: SnapshotAdoptionSpec) -> pb.Snapshot:
    """The snapshot that was brought in, or what is known of it before."""
    if isinstance(made, Snapshot):
        return convert.snapshot(made, backend)
    return pb.Snapshot(
        id=made.id,
        backend=backend,
        size=made.size,
        labels=dict(spec.labels),
        owner=spec.owner,
        reference=made.reference.name,
        usable=True,
    )
