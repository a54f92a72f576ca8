"""Which nodes there are and where they listen: the EndpointSlices of the node pods' Service."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from kubernetes import client

from csi.kube.client import Informer, Object, in_cluster

PORT = "grpc"
"""The name of the port in the Service."""
LABEL = "kubernetes.io/service-name"


class Endpoints:
    """Tells the addresses of the node pods, by node, whenever they change."""

    def __init__(
        self,
        namespace: str,
        service: str,
        connect: Callable[[], client.ApiClient] = in_cluster,
    ) -> None:
        """Raises `Unavailable` outside of a cluster."""
        api = client.DiscoveryV1Api(connect())
        self._lists = partial(
            api.list_namespaced_endpoint_slice, namespace, label_selector=f"{LABEL}={service}"
        )
        self._informer: Informer | None = None

    def start(self, announce: Callable[[Mapping[str, str]], None]) -> None:
        """Call ``announce`` once the nodes are known, and at every change."""
        self._informer = Informer(self._lists, lambda slices: announce(addresses(slices)))
        self._informer.start()

    def close(self) -> None:
        """Tell nothing any more."""
        if self._informer is not None:
            self._informer.close()

    def alive(self) -> bool:
        """Whether changes are still told."""
        return self._informer is None or self._informer.alive()


def addresses(slices: Mapping[str, Object]) -> dict[str, str]:
    """``HOST:PORT`` of each node's pod.

    Also of those that are not ready: they hold volumes, and say themselves what they cannot do. Where a
    node has two pods for a moment, that which is not ending counts.
    """
    found: dict[str, tuple[int, str]] = {}
    for name in sorted(slices):
        for node, rank, address in _of_slice(slices[name]):
            if node not in found or rank < found[node][0]:
                found[node] = rank, address
    return {node: address for node, (_, address) in found.items()}


def _of_slice(one: Object) -> Iterator[tuple[str, int, str]]:
    port = next((each["port"] for each in one.get("ports") or () if each.get("name") == PORT), None)
    for endpoint in one.get("endpoints") or ():
        if port and endpoint.get("nodeName") and endpoint.get("addresses"):
            host = endpoint["addresses"][0]
            host = f"[{host}]" if ":" in host else host
            yield endpoint["nodeName"], _rank(endpoint.get("conditions") or {}), f"{host}:{port}"


def _rank(conditions: Mapping[str, Any]) -> int:
    """The lower, the more alive. What is not said counts as well (EndpointSlice API)."""
    if conditions.get("terminating"):
        return 2
    return 0 if conditions.get("ready", True) in (True, None) else 1
