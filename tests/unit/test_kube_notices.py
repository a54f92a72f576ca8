"""What people are told by Events: what is new, once, about the object that it concerns."""

from __future__ import annotations

import re
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from csi.kube.api import Taken
from csi.kube.backends import Invalid, Leftover, Listing, Lost
from csi.kube.events import Events
from csi.kube.kinds import BACKEND, EVENT, Kind
from csi.kube.notices import Notices

POOL = "thin pool vg/pool is above its watermark of 95% for data"
LEFT = Leftover("volume", "vol-1", "u-1", 1, "NoPersistentVolume", "nobody has it")
GONE = Lost("pv-1", "B.v", "shop/data")


class Objects:
    """The part of the API that Events need: it keeps what it is given."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def create(self, kind: Kind, document: Any) -> Any:
        name = document["metadata"]["name"]
        if name in self.kept:
            raise Taken(409, f"there is a {kind.name} {name}")
        self.kept[name] = deepcopy(document)
        return document

    def get(self, kind: Kind, name: str, _namespace: str = "") -> Any:
        assert kind is EVENT
        return self.kept.get(name)

    def patch(self, _kind: Kind, name: str, change: Any, _namespace: str = "") -> Any:
        self.kept[name] |= change
        return self.kept[name]

    def told(self) -> list[tuple[str, str, str, int]]:
        """Kind and name of what each is about, its reason, and how often it was told."""
        return sorted(
            (each["involvedObject"]["kind"], each["involvedObject"]["name"], each["reason"],
             each["count"])
            for each in self.kept.values()
        )  # fmt: skip


def backend(**status: str) -> Any:
    metadata = {"name": "n1.fast", "uid": "uid-b"}
    return {
        "apiVersion": BACKEND.api,
        "kind": BACKEND.name,
        "metadata": metadata,
        "status": status,
    }


def notices() -> tuple[Notices, Objects]:
    objects: Any = Objects()
    return Notices(Events(objects, "d", lambda: datetime(2026, 1, 1, tzinfo=UTC))), objects


def test_a_crossed_watermark_is_told_and_not_told_while_it_lasts() -> None:
    teller, objects = notices()
    teller.written(backend(warning=POOL), {})
    teller.written(backend(warning=POOL), {"warning": POOL, "free": "1 B"})
    teller.written(backend(warning=""), {"warning": POOL})
    assert objects.told() == [("Backend", "n1.fast", "AboveWatermark", 1)]
    [event] = objects.kept.values()
    assert (event["type"], event["message"]) == ("Warning", POOL)
    teller.written(backend(warning=POOL), {"warning": ""})
    assert objects.told() == [("Backend", "n1.fast", "AboveWatermark", 2)]


def test_a_snapshot_that_cannot_be_read_is_told_of_its_content_or_of_the_backend() -> None:
    teller, objects = notices()
    # As a list of the API has it.
    content = {"metadata": {"name": "content-1", "uid": "uid-c"}, "spec": {}}
    known, nobodys = Invalid("B.known", content), Invalid("B.nobodys", None)
    teller.listed(backend(), Listing(), Listing(invalid=[known, nobodys]))
    changed = Invalid("B.known", content | {"status": {}})
    teller.listed(backend(), Listing(invalid=[known, nobodys]), Listing(invalid=[changed]))
    assert objects.told() == [
        ("Backend", "n1.fast", "SnapshotInvalid", 1),
        ("VolumeSnapshotContent", "content-1", "SnapshotInvalid", 1),
    ]


def test_the_reference_page_names_every_reason() -> None:
    teller, objects = notices()
    invalid = [Invalid("B.s", None)]
    teller.listed(backend(), Listing(), Listing(leftovers=[LEFT], lost=[GONE], invalid=invalid))
    teller.written(backend(warning=POOL), {})
    page = (Path(__file__).parents[2] / "docs/reference/events.md").read_text()
    documented = set(re.findall(r"^\| [^|]*Backend \| `(\w+)`", page, re.MULTILINE))
    assert documented == {reason for _, _, reason, _ in objects.told()}


def test_what_is_left_over_or_lost_is_told_when_it_is_new() -> None:
    teller, objects = notices()
    found = Listing(leftovers=[LEFT], lost=[GONE])
    teller.listed(backend(), Listing(), found)
    teller.listed(backend(), found, found)
    assert objects.told() == [
        ("Backend", "n1.fast", "Orphan", 1),
        ("Backend", "n1.fast", "VolumeLost", 1),
    ]
