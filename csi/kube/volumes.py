"""The PersistentVolumes of a driver, for whoever is about to uninstall it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import urllib3
from kubernetes import client

from csi.kube.client import CONNECT, in_cluster
from drivers.errors import Unavailable

PAGE = 500
PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Claimed:
    """A PersistentVolume, and whose it is: ``namespace/name`` of the claim, or empty."""

    name: str
    claim: str
    phase: str


def of_driver(
    driver: str, connect: Callable[[], client.ApiClient] = in_cluster
) -> Iterator[Claimed]:
    """All of the driver of that name. Raises `Unavailable` where the API does not tell."""
    api = client.CoreV1Api(connect())
    token = ""
    while True:
        page = _page(api, token)
        for each in page["items"]:
            if (each["spec"].get("csi") or {}).get("driver") == driver:
                yield _claimed(each)
        if not (token := page["metadata"].get("continue") or ""):
            return


def _page(api: client.CoreV1Api, token: str) -> Mapping[str, Any]:
    manner: dict[str, Any] = {"_preload_content": False, "_request_timeout": (CONNECT, PATIENCE)}
    try:
        response: Any = api.list_persistent_volume(limit=PAGE, _continue=token, **manner)
    except (client.ApiException, urllib3.exceptions.HTTPError) as error:
        raise Unavailable(f"the Kubernetes API does not list volumes: {error}") from error
    found: Mapping[str, Any] = json.loads(response.data)
    return found


def _claimed(volume: Mapping[str, Any]) -> Claimed:
    claim = volume["spec"].get("claimRef") or {}
    whose = f"{claim.get('namespace')}/{claim.get('name')}" if claim else ""
    return Claimed(volume["metadata"]["name"], whose, volume.get("status", {}).get("phase", ""))
