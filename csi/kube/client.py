"""The one door to Kubernetes: the client with the rights of this pod, and an informer on top of it.

The informer lists, watches from there on, and lists anew whenever that breaks off. It reads plain JSON:
the client's own watch waits for ever on a connection whose other end has gone.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import urllib3
from kubernetes import client, config

from drivers.errors import Invalid, Unavailable

log = logging.getLogger(__name__)

Object = Mapping[str, Any]
"""One object of the API, as JSON."""

WATCH = 60
"""Seconds until the server ends a watch, which then goes on with another."""
SILENCE = WATCH + 15.0
"""Seconds without a byte after which the other end is taken for gone."""
CONNECT = 5.0
PAUSES = (1.0, 30.0)
"""Seconds between two tries while the API does not answer: the first pause and the longest."""
EXPIRED = 410


Lists = Callable[..., Any]
"""One of the client's list methods with everything but the manner of the call filled in."""


def in_cluster() -> client.ApiClient:
    """The client of this pod. Raises `Unavailable` outside of a cluster."""
    try:
        config.load_incluster_config()  # type: ignore[no-untyped-call]
    except config.ConfigException as error:
        raise Unavailable(f"this is no pod with a service account: {error}") from None
    return client.ApiClient()


def from_file(path: Path) -> client.ApiClient:
    """The client that a kubeconfig file describes. Raises `Invalid` if it describes none."""
    try:
        made: client.ApiClient = config.new_client_from_config(str(path))  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError) as error:
        raise Invalid(f"{path} is no kubeconfig file that can be used: {error}") from None
    return made


class Stale(Exception):
    """What is to be watched is too old for the server: it has to be listed anew."""


class Informer:
    """Keeps all objects of a list, by name, and tells ``changed`` whenever they do."""

    def __init__(self, lists: Lists, changed: Callable[[Mapping[str, Object]], None]) -> None:
        self._lists = lists
        self._changed = changed
        self._objects: dict[str, Object] = {}
        self._closed = threading.Event()
        self._pause = PAUSES[0]
        self._thread = threading.Thread(target=self._run, name="informer", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """Tell nothing any more."""
        self._closed.set()

    def alive(self) -> bool:
        """False if its thread has ended and nobody asked it to: then nothing is ever heard again."""
        return self._thread.is_alive() or self._thread.ident is None or self._closed.is_set()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._follow()
            except Stale:
                continue
            except (client.ApiException, urllib3.exceptions.HTTPError, ValueError) as error:
                log.warning("the Kubernetes API does not tell: %s", _brief(error))
                self._rest()
            except Exception:  # the border of a thread: without it nothing is heard again
                log.exception(
                    "what the Kubernetes API tells could not be taken in; it is asked again"
                )
                self._rest()

    def _follow(self) -> None:
        """List, and watch from there on until that breaks off."""
        version = self._list()
        self._pause = PAUSES[0]
        while not self._closed.is_set():
            began = time.monotonic()
            version = self._watch(version)
            # One that a proxy ends at once must not become a storm.
            self._closed.wait(max(0.0, began + PAUSES[0] - time.monotonic()))

    def _rest(self) -> None:
        """Wait, longer each time that it comes to nothing."""
        self._closed.wait(self._pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
        self._pause = min(2 * self._pause, PAUSES[1])

    def _list(self) -> str:
        response = self._lists(_preload_content=False, _request_timeout=(CONNECT, SILENCE))
        found = json.loads(response.data)
        self._objects = {_name(each): each for each in found["items"] or ()}
        self._tell()
        return cast("str", found["metadata"]["resourceVersion"])

    def _watch(self, version: str) -> str:
        response = self._lists(
            watch=True,
            resource_version=version,
            allow_watch_bookmarks=True,
            timeout_seconds=WATCH,
            _preload_content=False,
            _request_timeout=(CONNECT, SILENCE),
        )
        for event in _events(response):
            version = self._hear(event["type"], event["object"])
        return version

    def _hear(self, kind: str, changed: Object) -> str:
        if kind == "ERROR":
            if changed.get("code") == EXPIRED:
                raise Stale
            raise ValueError(changed.get("message"))
        if kind == "DELETED":
            self._objects.pop(_name(changed), None)
        elif kind != "BOOKMARK":
            self._objects[_name(changed)] = changed
        if kind != "BOOKMARK":
            self._tell()
        return cast("str", changed["metadata"]["resourceVersion"])

    def _tell(self) -> None:
        if not self._closed.is_set():
            self._changed(dict(self._objects))


def _events(response: urllib3.BaseHTTPResponse) -> Iterator[Any]:
    """The lines of a watch, each an event."""
    rest = b""
    for piece in response.stream(amt=None):
        *lines, rest = (rest + piece).split(b"\n")
        yield from (json.loads(line) for line in lines if line)


def _name(found: Object) -> str:
    return cast("str", found["metadata"]["name"])


def _brief(error: Exception) -> str:
    if isinstance(error, client.ApiException):
        return f"{error.status} {error.reason}"
    return " ".join(str(error).split())
