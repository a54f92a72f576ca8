"""What tests of releases begin with: a claim or a snapshot that an import has made, and no operator."""

from __future__ import annotations

from typing import Any

from csi.kube.kinds import SNAPSHOT_IMPORT, VOLUME_IMPORT, Kind
from csi.kube.objects import name_for
from csi.kube.retaining import POLICIES
from tests.operator.bench import Bench
from tests.operator.snapshots import become_ready, bring_in, give_origin

DESTROY = {"reclaimPolicy": "Delete", "allowDelete": True}


def bound_claim(bench: Bench, name: str, **more: Any) -> str:
    """The PersistentVolume of a claim of that name, by an operator that has ended."""
    bench.node.add(name)
    found = bench.bring_in(name, name, **more)
    bench.start()
    bench.until(VOLUME_IMPORT, name, "Bound")
    bench.kill()
    return name_for(found["metadata"]["uid"])


def ready_snapshot(bench: Bench, name: str, **more: Any) -> str:
    """The content of a VolumeSnapshot of that name, by an operator that has ended."""
    bench.start()
    give_origin(bench, f"{name}-origin")
    found = bring_in(bench, name, f"{name}-origin", **more)
    become_ready(bench, name)
    bench.until(SNAPSHOT_IMPORT, name, "Bound")
    bench.kill()
    return name_for(found["metadata"]["uid"])


def policy(bench: Bench, kind: Kind, name: str) -> str:
    """What becomes of the storage of a volume or of a content."""
    found = bench.api.get(kind, name) or {"spec": {}}
    return str(found["spec"].get(POLICIES[kind], ""))
