"""The configuration of a process: read once at start, checked whole, refused with the place of a fault.

This is also the only module that looks at the environment.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml

from drivers.errors import Invalid
from drivers.interface import VolumeDriver
from drivers.options import check

DRIVER_NAME = "hearth-csi.io"
MANAGE_ENDPOINT = "unix:///run/hearth/manage.sock"
"""Where a node serves whoever is root on it."""

# CSI "GetPluginInfo" allows a digit at the ends, csi-sanity only a letter.
DriverName = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Za-z]([-A-Za-z0-9.]*[A-Za-z])?\Z", max_length=63)
]
# The name becomes the value of a topology segment, so of a label of the Node object.
NodeName = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?\Z", max_length=63)
]
BackendName = Annotated[
    str, msgspec.Meta(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z", max_length=63)
]

# Kubernetes' own rule for a label, which names of Services and namespaces are.
ObjectName = Annotated[
    str, msgspec.Meta(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z", max_length=63)
]
BackendId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9]+\Z", max_length=128)]


class BadSettings(Exception):
    """The configuration cannot be used. One line: the file, the place, the fault, what is allowed."""


class BackendSettings(msgspec.Struct, frozen=True):
    """One backend: its name, the class that drives it, and that driver's own checked options."""

    name: str
    driver: type[VolumeDriver]
    options: msgspec.Struct


class NodeSettings(msgspec.Struct, frozen=True):
    """What a node process has to know. Paths are absolute."""

    node: str
    driver_name: str
    kubelet_directory: Path
    backends: tuple[BackendSettings, ...]
    volume_metrics: bool = False
    """Whether metrics tell how full each volume is: a series for each."""

    @property
    def topology_key(self) -> str:
        """The key of the one topology segment. It is a label of nodes, so it never changes."""
        return topology_key(self.driver_name)


class ControllerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What a controller process has to know, as the file has it.

    ``service`` is the headless Service of the node pods in ``namespace``; ``lost_backends`` are the ids of
    backends that will never come back, whose volumes count as deleted when they are to be.
    """

    service: ObjectName
    namespace: ObjectName
    driver_name: DriverName = DRIVER_NAME
    lost_backends: tuple[BackendId, ...] = ()

    @property
    def topology_key(self) -> str:
        """As `NodeSettings.topology_key`."""
        return topology_key(self.driver_name)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The file as it is written; the backends are checked by their drivers' own schemas."""

    backends: Annotated[list[dict[str, Any]], msgspec.Meta(min_length=1)]
    node: NodeName | None = None
    driver_name: DriverName = DRIVER_NAME
    kubelet_directory: Path = Path("/var/lib/kubelet")
    volume_metrics: bool = False


class _Environment(msgspec.Struct, frozen=True):
    node: NodeName = msgspec.field(name="NODE_NAME")


class _Heading(msgspec.Struct, frozen=True):
    """What every entry of ``backends`` has; the rest is the driver's."""

    name: BackendName
    driver: str


def topology_key(driver_name: str) -> str:
    """The key under which nodes say which they are."""
    return f"topology.{driver_name}/node"


def read_controller(path: Path) -> ControllerSettings:
    """The checked configuration of a controller in the YAML file at ``path``. Raises `BadSettings`."""
    try:
        return check(_load(path), ControllerSettings)
    except Invalid as error:
        raise BadSettings(f"{path}: {error}") from None


def of_operator(driver_name: str, service: str, namespace: str) -> ControllerSettings:
    """The checked settings of an operator, from its arguments. Raises `Invalid`."""
    given = {"driverName": driver_name, "service": service, "namespace": namespace}
    return check(given, ControllerSettings, at="arguments")


def read(
    path: Path,
    drivers: Mapping[str, type[VolumeDriver]],
    environment: Mapping[str, str] = os.environ,
) -> NodeSettings:
    """The checked configuration in the YAML file at ``path``.

    Without ``node`` in it the name of the node is NODE_NAME of the environment (the downward API's
    customary name), so that one file can serve many nodes. Raises `BadSettings`.
    """
    try:
        return _settings(_load(path), drivers, environment)
    except Invalid as error:
        raise BadSettings(f"{path}: {error}") from None


def default_endpoint(environment: Mapping[str, str] = os.environ) -> str | None:
    """The endpoint that the container orchestrator asks for (CSI "Configuration and Operation")."""
    return environment.get("CSI_ENDPOINT") or None


def manage_endpoint(environment: Mapping[str, str] = os.environ) -> str:
    """Where the command line finds the Manage service, if it is not told."""
    return environment.get("HEARTH_ENDPOINT") or MANAGE_ENDPOINT


def _settings(
    data: object, drivers: Mapping[str, type[VolumeDriver]], environment: Mapping[str, str]
) -> NodeSettings:
    file = check(data, _File)
    backends = tuple(
        _backend(entry, drivers, at=f"$.backends[{index}]")
        for index, entry in enumerate(file.backends)
    )
    _refuse_twins(backends)
    return NodeSettings(
        node=_node(file, environment),
        driver_name=file.driver_name,
        kubelet_directory=file.kubelet_directory,
        backends=backends,
        volume_metrics=file.volume_metrics,
    )


def _node(file: _File, environment: Mapping[str, str]) -> str:
    if file.node is not None:
        return file.node
    if "NODE_NAME" not in environment:
        raise Invalid("$.node: this key is missing, and NODE_NAME is not in the environment")
    return check({"NODE_NAME": environment["NODE_NAME"]}, _Environment, at="environment").node


def _backend(
    entry: Mapping[str, object], drivers: Mapping[str, type[VolumeDriver]], *, at: str
) -> BackendSettings:
    heading = check(entry, _Heading, at)
    if (driver := drivers.get(heading.driver)) is None:
        known = ", ".join(sorted(drivers))
        raise Invalid(f"{at}.driver: there is no driver {heading.driver!r}; allowed: {known}")
    own = {key: value for key, value in entry.items() if key not in ("name", "driver")}
    return BackendSettings(heading.name, driver, check(own, driver.Options, at))


def _refuse_twins(backends: tuple[BackendSettings, ...]) -> None:
    names = [each.name for each in backends]
    for index, name in enumerate(names):
        if (first := names.index(name)) != index:
            raise Invalid(
                f"$.backends[{index}].name: {name!r} is already the name of $.backends[{first}]"
            )


class _Loader(yaml.SafeLoader):
    """YAML without its silent acceptance of a key that stands twice: the last one would win."""

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Hashable, object]:
        seen: list[Hashable] = []
        for name, _ in node.value:
            if name.tag == "tag:yaml.org,2002:merge":
                continue
            if (key := self.construct_object(name, deep=True)) in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands there twice", name.start_mark
                )
            seen.append(key)
        return super().construct_mapping(node, deep=deep)


def _load(path: Path) -> object:
    try:
        with path.open(encoding="utf-8") as file:
            return yaml.load(file, Loader=_Loader)  # noqa: S506 - a subclass of SafeLoader
    except OSError as error:
        raise BadSettings(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise BadSettings(f"{path}: is not UTF-8 at byte {error.start}") from None
    except yaml.YAMLError as error:
        raise BadSettings(f"{path}: is not YAML: {' '.join(str(error).split())}") from None
    except (ValueError, KeyError, RecursionError) as error:
        # What the parser lets through: a tag on a value that it does not fit, brackets without end.
        raise BadSettings(f"{path}: holds a value that YAML cannot read: {error}") from None
