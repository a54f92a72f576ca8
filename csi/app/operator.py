"""`hearth operator`: what existed before comes in and goes out again, and what there is can be seen.

The one process besides the controller that speaks to Kubernetes, and the one module here that may.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from csi.app import version
from csi.app.controller import Discovery
from csi.app.life import GRACE, App, Part, Status, health, pages
from csi.app.nodes import reach
from csi.kube.api import Api
from csi.kube.events import Events, now
from csi.kube.handlers import Desk, Work, register
from csi.kube.imports import VolumeImports
from csi.kube.kinds import BACKEND
from csi.kube.ledger import Ledger
from csi.kube.operator import Operator, Setup
from csi.kube.overview import Overview
from csi.kube.releases import VolumeReleases
from csi.kube.snapshot_imports import SnapshotImports
from csi.kube.snapshot_releases import SnapshotReleases
from csi.kube.world import World
from csi.metrics import Metrics, Reconciles
from csi.router.nodes import Nodes
from csi.settings import ControllerSettings
from csi.web import Web

if TYPE_CHECKING:
    from kubernetes import client


@dataclass(frozen=True, slots=True)
class Serving:
    """Where and how to work. ``http`` is None for no metrics and health."""

    tls: Path
    http: str | None = None
    grace: float = GRACE


class _Looking:
    """The work beside the resources: to know the nodes, and to tell what is on them."""

    def __init__(self, discovery: Discovery, nodes: Nodes, overview: Overview) -> None:
        self._discovery = discovery
        self._nodes = nodes
        self._overview = overview

    def start(self) -> None:
        self._discovery.start(self._announce)
        self._overview.start()

    def close(self) -> None:
        self._discovery.close()
        self._overview.close()
        self._nodes.close()

    def _announce(self, addresses: Mapping[str, str]) -> None:
        self._nodes.announce(addresses)
        self._overview.announced()


def build(
    settings: ControllerSettings,
    serving: Serving,
    discovery: Discovery,
    connect: Callable[[], client.ApiClient],
) -> App:
    """All parts, wired; nothing is started yet.

    Raises `Invalid` and `Unavailable` for addresses that cannot be had and certificates that cannot be
    used.
    """
    metrics = Metrics(version())
    nodes = reach(settings.driver_name, serving.tls, metrics)
    api = Api(connect)
    events = Events(api, settings.driver_name, now)
    world = World(api, nodes, events, settings.driver_name, settings.topology_key)
    reconciles = Reconciles(metrics)
    ledger = Ledger(reconciles.ended)
    overview = Overview(world, nodes)
    reconciles.show(ledger.phases, overview.orphans)
    operator = _operator(world, connect, ledger)
    status = Status(operator.ready)
    parts: list[Part] = [operator, overview, discovery, nodes]
    web = _web(serving.http, metrics, status, parts) if serving.http else None
    return App([operator], web, _Looking(discovery, nodes, overview), status, serving.grace)


def _operator(world: World, connect: Callable[[], client.ApiClient], ledger: Ledger) -> Operator:
    works: list[Work] = [
        VolumeImports(world),
        VolumeReleases(world),
        SnapshotImports(world),
        SnapshotReleases(world),
    ]
    desk = Desk(world.driver, world.record, ledger)
    kinds = [*(each.kind for each in works), BACKEND]
    return Operator(
        Setup(world.api, connect, world.driver, kinds, lambda to: register(to, works, desk))
    )


def _web(http: str, metrics: Metrics, status: Status, parts: Sequence[Part]) -> Web:
    return Web(http, {**pages(metrics, status, "starting"), "/healthz": health(parts)})
