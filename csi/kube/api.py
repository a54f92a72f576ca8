"""Objects of the Kubernetes API, read and written as plain JSON by their kind and name.

The client's typed methods know no custom resources, and its dynamic half asks for every kind there is at
each start. Here a request is a path and a document, with the client's own connections and tokens.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlencode

import urllib3
from kubernetes import client

from csi.kube.client import CONNECT, Object, in_cluster
from csi.kube.kinds import Kind

PAGE = 500
PATIENCE = 20.0
"""Seconds that an answer may take."""
MERGE = "application/merge-patch+json"


class Refusal(Exception):
    """The API said no: the status, and its own sentence."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class Taken(Refusal):
    """The name is taken, or the object has changed or gone since it was read."""


class Absent(Refusal):
    """It is not there, or its namespace or kind is not."""


class Silent(Exception):
    """The API did not answer, or not now."""


class Api:
    """The API, with the rights of whoever ``connect`` connects as.

    Every method raises `Refusal` and `Silent`.
    """

    def __init__(self, connect: Callable[[], client.ApiClient] = in_cluster) -> None:
        """Raises `Unavailable` outside of a cluster."""
        self._client = connect()

    def get(self, kind: Kind, name: str, namespace: str = "") -> Object | None:
        """One object, or None."""
        try:
            return self._ask("GET", kind.path(name, namespace))
        except Absent:
            return None

    def list(self, kind: Kind, namespace: str = "", **selectors: str) -> Iterator[Object]:
        """All of a namespace or of the cluster; ``selectors`` as the API calls them."""
        token: str | None = ""
        while token is not None:
            query = {"limit": str(PAGE), **selectors, **({"continue": token} if token else {})}
            page = self._ask("GET", f"{kind.path(namespace=namespace)}?{urlencode(query)}")
            yield from page["items"] or ()
            token = page["metadata"].get("continue") or None

    def create(self, kind: Kind, document: Object, *, dry: bool = False) -> Object:
        """Make it, or with ``dry`` only see whether it could be made. Raises `Taken` if it is there."""
        namespace = document["metadata"].get("namespace", "")
        query = "?dryRun=All" if dry else ""
        return self._ask("POST", kind.path(namespace=namespace) + query, document)

    def patch(
        self, kind: Kind, name: str, change: Object, namespace: str = "", sub: str = ""
    ) -> Object:
        """Merge ``change`` into it; into its status, with ``sub``."""
        return self._ask("PATCH", kind.path(name, namespace, sub), change, MERGE)

    def delete(self, kind: Kind, found: Object, *, unchanged: bool = False) -> None:
        """Have the very object that was ``found`` deleted, which may take time.

        Raises `Taken` if another one has its name by now or, with ``unchanged``, if it was changed.
        """
        metadata = found["metadata"]
        keys = ("uid", "resourceVersion") if unchanged else ("uid",)
        conditions = {key: metadata[key] for key in keys}
        path = kind.path(metadata["name"], metadata.get("namespace", ""))
        try:
            self._ask("DELETE", path, {"preconditions": conditions})
        except Absent:
            return

    def serves(self, api: str) -> frozenset[str]:
        """The plural names of all kinds of a group and version; none if there is none."""
        try:
            found = self._ask("GET", f"/apis/{api}")
        except Absent:
            return frozenset()
        return frozenset(each["name"] for each in found["resources"])

    def _ask(
        self, method: str, path: str, body: Object | None = None, kind: str = "application/json"
    ) -> Object:
        settings = self._client.configuration
        token = settings.auth_settings().get("BearerToken", {}).get("value")
        headers = {"Accept": "application/json", "Content-Type": kind}
        try:
            response: Any = self._client.rest_client.pool_manager.request(
                method,
                settings.host + path,
                body=None if body is None else json.dumps(body),
                headers=headers | ({"Authorization": token} if token else {}),
                timeout=urllib3.Timeout(connect=CONNECT, read=PATIENCE),
                retries=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise Silent(f"the Kubernetes API does not answer: {error}") from error
        return _answered(response.status, response.data)


def _answered(status: int, data: bytes) -> Object:
    if status < HTTPStatus.BAD_REQUEST:
        return cast("Object", json.loads(data))
    message = _message(data)
    if status == HTTPStatus.NOT_FOUND:
        raise Absent(status, message)
    if status == HTTPStatus.CONFLICT:
        raise Taken(status, message)
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Silent(f"the Kubernetes API answers {status}: {message}")
    raise Refusal(status, message)


def _message(data: bytes) -> str:
    try:
        told: Mapping[str, Any] = json.loads(data)
    except ValueError:
        return data.decode("utf-8", "replace")[:200]
    return str(told.get("message", told))
