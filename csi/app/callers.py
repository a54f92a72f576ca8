"""Who may call what on the port of a node, by the names in the callers' certificates.

A controller makes and deletes volumes, an operator brings them in and lets them go, an administrator does
what an operator does, and all that has no resource in Kubernetes. Nobody has more than his work needs:
what is not named here is the controller's alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from google.protobuf.descriptor import ServiceDescriptor

from csi.app.identity import certificate_name
from csi.rpc.tls import Only
from csi.spec import csi_pb2, manage_pb2

CONTROLLER, ADMIN = "controller", "admin"
MANAGERS = ("operator", ADMIN)
EVERYBODY = (CONTROLLER, *MANAGERS)
ROUTING = ("WatchBackends", "FindVolume")
"""What a router asks of the Manage service."""
PEOPLE = (
    "RevertVolume",
    "CreateGroup",
    "UpdateGroup",
    "DeleteGroup",
    "ListGroups",
    "SnapshotGroup",
    "ListGroupSnapshots",
    "DeleteGroupSnapshot",
    "CreateVolumeFromImage",
    "CopyVolumeToImage",
)
"""What only people ask of it: nothing in Kubernetes has a resource for that."""

IDENTITY = csi_pb2.DESCRIPTOR.services_by_name["Identity"]
MANAGE = manage_pb2.DESCRIPTOR.services_by_name["Manage"]


def callers(driver_name: str) -> Only:
    """The rule for a node of the driver of that name."""

    def named(roles: Collection[str]) -> Collection[str]:
        return [certificate_name(role, driver_name) for role in roles]

    methods: Mapping[str, Collection[str]] = {
        **dict.fromkeys(_paths(IDENTITY), named(EVERYBODY)),
        **dict.fromkeys(_paths(MANAGE), named(MANAGERS)),
        **{f"/{MANAGE.full_name}/{name}": named(EVERYBODY) for name in ROUTING},
        **{f"/{MANAGE.full_name}/{name}": named([ADMIN]) for name in PEOPLE},
    }
    return Only(named([CONTROLLER]), methods)


def _paths(service: ServiceDescriptor) -> Collection[str]:
    return [f"/{service.full_name}/{method.name}" for method in service.methods]
