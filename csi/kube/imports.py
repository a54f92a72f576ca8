"""VolumeImport: a logical volume that exists becomes a claim, and every step can be repeated or undone.

Checked → Adopted → PersistentVolume → claim → Bound. Whoever dies in between is succeeded by another who
finds each thing by the name that it has from the resource's UID.
"""

from __future__ import annotations

from csi.kube import objects
from csi.kube.client import Object
from csi.kube.kinds import CLAIM, CLASS, VOLUME, VOLUME_IMPORT
from csi.kube.objects import Adopted
from csi.kube.record import Record, renamed
from csi.kube.refusals import SOON, Refused
from csi.kube.storage import Storage
from csi.kube.world import World
from csi.spec import manage_pb2 as pb

BACKEND = "hearth-csi.io/backend"
"""The parameter of a StorageClass that names the backend."""


class VolumeImports:
    """Carries out VolumeImports."""

    kind = VOLUME_IMPORT

    def __init__(self, world: World) -> None:
        self._world = world
        self._api = world.api

    def carry_out(self, record: Record) -> None:
        """Everything that is left to do. Raises `Refused` where it does not go on."""
        if record.has("Bound"):
            return
        owner, spec = record.owner, record.owner["spec"]
        with record.step("Checked", "Checked" if spec["dryRun"] else ""):
            storage_class = self._checked(owner)
        if spec["dryRun"]:
            return
        with record.step("Adopted", "Adopted"):
            adopted = self._adopt(record, storage_class)
        with record.step("Bound", "Bound"):
            self._bind(owner, adopted, storage_class)

    def undo(self, record: Record) -> None:
        """Leave the logical volume as it was found, unless a claim has it. Raises `Refused`."""
        # Whatever was done was done after this had been written.
        if not record.has("Checked") or record.has("Bound") or record.owner["spec"]["dryRun"]:
            return
        with renamed():
            if not self._unbound(record.owner):
                return
            self._remove_volume(record.owner)
            self._let_go(record.owner)

    def _checked(self, owner: Object) -> Object:
        """The class, if nothing speaks against the import."""
        spec = owner["spec"]
        storage_class = self._world.own_class(CLASS, spec["storageClassName"], "provisioner")
        self._check_claim(owner)
        storage = self._world.storage(spec["node"])
        request = self._request(owner, storage, storage_class)
        request.dry_run = True
        found = storage.service.manage_volume(request)
        _check_filesystem(spec, found)
        self._world.create_dry(CLAIM, objects.claim(owner, found.size or 1))
        return storage_class

    def _check_claim(self, owner: Object) -> None:
        wanted = owner["spec"]["claim"]
        found = self._api.get(CLAIM, wanted["name"], wanted["namespace"])
        mine = objects.name_for(owner["metadata"]["uid"])
        if found is not None and found["spec"].get("volumeName") != mine:
            raise Refused(
                "ClaimExists",
                f"claim {wanted['namespace']}/{wanted['name']} is there already: an import makes the"
                " claim itself, so delete it or name another",
            )

    def _request(
        self, owner: Object, storage: Storage, storage_class: Object
    ) -> pb.ManageVolumeRequest:
        spec, uid = owner["spec"], owner["metadata"]["uid"]
        backend = storage.backend(_backend_of(storage_class))
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

    def _adopt(self, record: Record, storage_class: Object) -> Adopted:
        owner = record.owner
        storage = self._world.storage(owner["spec"]["node"])
        volume = storage.service.manage_volume(self._request(owner, storage, storage_class))
        _check_filesystem(owner["spec"], volume)
        adopted = Adopted(volume.id, volume.size, volume.properties.fs_type)
        record.note(
            volumeHandle=adopted.handle,
            capacity=str(adopted.size),
            fsType=adopted.fs_type,
            persistentVolume=objects.name_for(owner["metadata"]["uid"]),
        )
        return adopted

    def _bind(self, owner: Object, adopted: Adopted, storage_class: Object) -> None:
        world = self._world
        volume = objects.volume(owner, adopted, storage_class, world.driver, world.topology)
        world.create(VOLUME, volume)
        claim = world.create(CLAIM, objects.claim(owner, adopted.size))
        name = volume["metadata"]["name"]
        if claim["spec"].get("volumeName") != name:
            self._check_claim(owner)
        if not objects.bound(claim, name):
            wanted = owner["spec"]["claim"]
            raise Refused(
                "Waiting",
                f"claim {wanted['namespace']}/{wanted['name']} is not bound to {name} yet",
                SOON,
            )

    def _unbound(self, owner: Object) -> bool:
        """Remove the claim; false if it is bound, and then somebody has the volume."""
        wanted = owner["spec"]["claim"]
        name = objects.name_for(owner["metadata"]["uid"])
        claim = self._api.get(CLAIM, wanted["name"], wanted["namespace"])
        if claim is None or claim["spec"].get("volumeName") != name:
            return True
        if objects.bound(claim, name):
            return False
        # Unchanged: it may be bound between the look and the deletion.
        self._api.delete(CLAIM, claim, unchanged=True)
        return True

    def _remove_volume(self, owner: Object) -> None:
        name = objects.name_for(owner["metadata"]["uid"])
        if (found := self._api.get(VOLUME, name)) is not None:
            self._world.forsake(VOLUME, found)
        if self._api.get(VOLUME, name) is not None:
            raise Refused("Waiting", f"volume {name} is still being removed", SOON)

    def _let_go(self, owner: Object) -> None:
        service = self._world.storage(owner["spec"]["node"]).service
        for volume in service.volumes():
            if volume.owner == owner["metadata"]["uid"]:
                service.unmanage_volume(pb.UnmanageVolumeRequest(volume_id=volume.id))


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
