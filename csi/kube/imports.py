"""VolumeImport: a logical volume that exists becomes a claim, and every step can be repeated or undone."""

from __future__ import annotations

from csi.kube import objects
from csi.kube.bringing_in import BringingIn, Pair
from csi.kube.client import Object
from csi.kube.kinds import CLAIM, CLASS, VOLUME, VOLUME_IMPORT
from csi.kube.objects import Adopted
from csi.kube.record import Record
from csi.kube.refusals import Refused
from csi.kube.storage import Storage
from csi.spec import manage_pb2 as pb

BACKEND = "hearth-csi.io/backend"
"""The parameter of a StorageClass that names the backend."""


class VolumeImports(BringingIn):
    """Carries out VolumeImports."""

    kind, claimant, holder = VOLUME_IMPORT, CLAIM, VOLUME
    word = "claim"
    reference = "claimRef"

    def _check(self, record: Record) -> None:
        owner, spec = record.owner, record.owner["spec"]
        storage_class = self._class(owner)
        self._check_claimant(owner)
        storage = self._world.storage(spec["node"])
        request = self._request(record, storage, storage_class)
        request.dry_run = True
        found = storage.service.manage_volume(request)
        _check_filesystem(spec, found)
        self._world.create_dry(CLAIM, objects.claim(owner, found.size or 1))
        record.note(
            backend=request.backend, capacity=str(found.size), fsType=found.properties.fs_type
        )

    def _class(self, owner: Object) -> Object:
        return self._world.own_class(CLASS, owner["spec"]["storageClassName"], "provisioner")

    def _request(
        self, record: Record, storage: Storage, storage_class: Object
    ) -> pb.ManageVolumeRequest:
        owner, spec, uid = record.owner, record.owner["spec"], record.uid
        # Once begun it stays where it was begun: a class of that name may be another one by then.
        begun = record["backend"] if record.begun else ""
        backend = storage.backend(begun or _backend_of(storage_class))
        source = spec["source"]
        group = source.get("volumeGroup", "")
        if group and backend.storage and group != backend.storage:
            raise Refused(
                "ClassMismatch",
                f"{group} is not the storage of backend {backend.name} on node {storage.node}, which"
                f" class {spec['storageClassName']} names: that is {backend.storage}",
            )
        return pb.ManageVolumeRequest(
            name=objects.name_for(uid),
            backend=backend.name,
            storage=group,
            reference=reference(source),
            properties=_properties(owner),
            owner=uid,
            allow_delete=spec["allowDelete"],
        )

    def _adopt(self, record: Record) -> Pair:
        owner, world = record.owner, self._world
        storage_class, storage = self._class(owner), world.storage(owner["spec"]["node"])
        found = storage.service.manage_volume(self._request(record, storage, storage_class))
        _check_filesystem(owner["spec"], found)
        adopted = Adopted(found.id, found.size, found.properties.fs_type)
        volume = objects.volume(owner, adopted, storage_class, world.driver, world.topology)
        record.note(
            volumeHandle=adopted.handle,
            capacity=str(adopted.size),
            fsType=adopted.fs_type,
            persistentVolume=volume["metadata"]["name"],
        )
        return Pair(volume, objects.claim(owner, adopted.size))

    def _is_for(self, claimant: Object, name: str) -> bool:
        return bool(claimant["spec"].get("volumeName") == name)

    def _is_bound(self, claimant: Object) -> bool:
        return objects.bound(claimant, claimant["spec"].get("volumeName", ""))

    def _let_go(self, record: Record) -> None:
        # By its name: while what a predecessor asked for still goes on, there is no volume to find.
        brought_in = objects.brought_in(record.owner, record["backend"])
        service = self._world.storage(record.owner["spec"]["node"]).service
        service.unmanage_volume(pb.UnmanageVolumeRequest(brought_in=brought_in))


def reference(source: Object) -> pb.Reference:
    """What a resource's ``source`` means."""
    if "uuid" in source:
        return pb.Reference(uuid=source["uuid"])
    return pb.Reference(name=source["logicalVolume"])


def _backend_of(storage_class: Object) -> str:
    name = (storage_class.get("parameters") or {}).get(BACKEND)
    if not name:
        named = storage_class["metadata"]["name"]
        raise Refused("ClassMismatch", f"class {named} names no backend in {BACKEND}")
    return str(name)


def _properties(owner: Object) -> pb.Properties:
    spec = owner["spec"]
    return pb.Properties(
        mode=objects.MODES[spec["volumeMode"]],
        access_modes=[objects.ACCESS_MODES[each] for each in spec["accessModes"]],
        pvc_namespace=spec["claim"]["namespace"],
        pvc_name=spec["claim"]["name"],
        pv_name=objects.name_for(owner["metadata"]["uid"]),
        storage_class=spec["storageClassName"],
    )


def _check_filesystem(spec: Object, found: pb.Volume) -> None:
    if spec["volumeMode"] == "Filesystem" and not found.properties.fs_type:
        raise Refused(
            "FilesystemUnknown",
            "it holds no filesystem that a node could mount; with volumeMode Block it can be imported",
        )
