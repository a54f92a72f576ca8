"""What people are told about backends by Events, once for each time that it happens.

What was told follows from what was known before: from the object's own status, which outlives the operator,
or from the list before. After a restart what is only in a list is told again, and counted up.
"""

from __future__ import annotations

from csi.kube.backends import Invalid, Listing
from csi.kube.client import Object
from csi.kube.events import Events
from csi.kube.kinds import CONTENT


class Notices:
    """Tells of backends and of what is in them."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def listed(self, backend: Object, before: Listing, after: Listing) -> None:
        """What is in the backend was listed anew."""
        for one in after.leftovers:
            if one not in before.leftovers:
                self._events.warn(backend, "Orphan", f"{one.name}: {one.message}")
        for lost in after.lost:
            if lost not in before.lost:
                message = f"PersistentVolume {lost.volume} of {lost.claim}: {lost.handle} is gone"
                self._events.warn(backend, "VolumeLost", message)
        told = {each.handle for each in before.invalid}
        for each in after.invalid:
            if each.handle not in told:
                self._tell_invalid(backend, each)

    def written(self, backend: Object, before: Object) -> None:
        """The backend's status was written; ``before`` is the one that it had."""
        warning = backend["status"].get("warning", "")
        if warning and not before.get("warning"):
            self._events.warn(backend, "AboveWatermark", warning)

    def _tell_invalid(self, backend: Object, found: Invalid) -> None:
        message = (
            f"snapshot {found.handle} ran out of room and cannot be read: nothing can be made from it,"
            " delete it"
        )
        about = found.content or backend
        # The API leaves these out of a list.
        kind = {"apiVersion": CONTENT.api, "kind": CONTENT.name} if found.content else {}
        self._events.warn({**about, **kind}, "SnapshotInvalid", message)
