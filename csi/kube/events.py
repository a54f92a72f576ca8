"""Kubernetes Events: what a person sees with `kubectl describe`."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from csi.kube.api import Api, Refusal, Silent, Taken
from csi.kube.client import Object
from csi.kube.kinds import EVENT

log = logging.getLogger(__name__)

NAMESPACE = "default"
"""Where the API wants the events of cluster-wide objects."""
LONGEST = 1024
"""Bytes of a message that the API takes."""


class Events:
    """Tells of objects. What was told already is counted up, not written again."""

    def __init__(self, api: Api, component: str, clock: Callable[[], datetime]) -> None:
        self._api = api
        self._component = component
        self._clock = clock

    def warn(self, about: Object, reason: str, message: str) -> None:
        """Something that a person should look at."""
        self._tell(about, "Warning", reason, message)

    def inform(self, about: Object, reason: str, message: str) -> None:
        """Something that went well."""
        self._tell(about, "Normal", reason, message)

    def _tell(self, about: Object, kind: str, reason: str, message: str) -> None:
        event = _event(about, kind, reason, message, self._component, self._clock())
        try:
            try:
                self._api.create(EVENT, event)
            except Taken:
                self._count(event)
        except (Refusal, Silent) as error:
            # The status says it too; what matters goes on.
            log.warning("an event about %s was not taken: %s", about["metadata"]["name"], error)

    def _count(self, event: Object) -> None:
        metadata = event["metadata"]
        before = self._api.get(EVENT, metadata["name"], metadata["namespace"])
        if before is not None:
            again = {"count": (before.get("count") or 1) + 1}
            change = {**again, "lastTimestamp": event["lastTimestamp"]}
            self._api.patch(EVENT, metadata["name"], change, metadata["namespace"])


def now() -> datetime:
    """The clock of everybody who has no other."""
    return datetime.now(UTC)


def moment(at: datetime) -> str:
    """As the API writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _event(
    about: Object, kind: str, reason: str, message: str, component: str, at: datetime
) -> Object:
    metadata = about["metadata"]
    digest = hashlib.sha256("\0".join((metadata["uid"], reason, message)).encode()).hexdigest()
    where = metadata.get("namespace", NAMESPACE)
    return {
        "apiVersion": EVENT.api,
        "kind": EVENT.name,
        "metadata": {"name": f"hearth-{digest[:32]}", "namespace": where},
        "involvedObject": {
            "apiVersion": about["apiVersion"],
            "kind": about["kind"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            **({"namespace": metadata["namespace"]} if "namespace" in metadata else {}),
        },
        "type": kind,
        "reason": reason,
        "message": message.encode()[:LONGEST].decode("utf-8", "ignore"),
        "source": {"component": component},
        "count": 1,
        "firstTimestamp": moment(at),
        "lastTimestamp": moment(at),
    }
