"""VolumeImport: from a logical volume to a bound claim, and back."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from csi.kube.api import Refusal
from csi.kube.kinds import CLAIM, VOLUME, VOLUME_IMPORT
from tests.operator.bench import Bench, why

pytestmark = pytest.mark.timeout(300)
MARK = "operator.hearth-csi.io/reconcile"
SHORT = timedelta(seconds=10)


def waits(bench: Bench, name: str) -> bool:
    """Whether an import is not looked at for longer than a test waits: the pause doubles."""
    found = bench.api.get(VOLUME_IMPORT, name) or {}
    mark = json.loads(found["metadata"].get("annotations", {}).get(MARK, "{}"))
    until = mark.get("delayed")
    return bool(until) and datetime.fromisoformat(until) - datetime.now(UTC) > 1.5 * SHORT


def test_a_logical_volume_becomes_a_bound_claim(served: Bench) -> None:
    served.node.add("data", size=3 << 30, fs="xfs")
    served.bring_in("thin-path", "data")
    done = served.until(VOLUME_IMPORT, "thin-path", "Bound")
    uid = done["metadata"]["uid"]
    status = done["status"]
    assert {each["type"]: each["status"] for each in status["conditions"]} == {
        "Checked": "True",
        "Adopted": "True",
        "Bound": "True",
    }
    assert (status["capacity"], status["fsType"]) == (str(3 << 30), "xfs")
    claim = served.claim("thin-path")
    assert claim["status"]["phase"] == "Bound"
    volume = served.api.get(VOLUME, claim["spec"]["volumeName"])
    assert volume is not None
    assert volume["spec"]["csi"]["volumeHandle"] == status["volumeHandle"]
    assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    assert served.node.lvs["data"].owner == uid


@pytest.mark.parametrize(
    ("name", "facts", "more", "phase"),
    [
        ("open", {"is_open": True}, {}, "Refused InUse"),
        ("pool", {"hindrance": "part-of-pool"}, {}, "Refused PartOfPool"),
        ("odd", {"fs": ""}, {}, "Refused FilesystemUnknown"),
        ("class", {}, {"storageClassName": "foreign"}, "Refused ClassMismatch"),
        ("none", {}, {"storageClassName": "none"}, "Refused ClassMismatch"),
        ("place", {}, {"claim": {"namespace": "nowhere", "name": "x"}}, "Refused InvalidReference"),
        ("nowhere", {}, {"source": {"uuid": "other"}}, "Refused InvalidReference"),
        (
            "group",
            {},
            {"source": {"volumeGroup": "vg9", "logicalVolume": "x"}},
            "Refused ClassMismatch",
        ),
    ],
)
def test_what_cannot_be_imported_is_refused_and_stays_as_it_was(
    served: Bench, name: str, facts: dict[str, Any], more: dict[str, Any], phase: str
) -> None:
    served.node.add(name, **facts)
    served.bring_in(f"refused-{name}", name, **more)
    found = served.until(VOLUME_IMPORT, f"refused-{name}", phase)
    assert why(found)
    assert served.is_plain(name)
    assert served.claim(f"refused-{name}") is None
    served.delete(VOLUME_IMPORT, f"refused-{name}")
    served.eventually(lambda: served.gone(VOLUME_IMPORT, f"refused-{name}"))


def test_a_dry_run_says_what_would_be_and_may_become_one_that_counts(served: Bench) -> None:
    served.node.add("dry", size=64 << 20)
    served.bring_in("dry", "dry", dryRun=True)
    status = served.until(VOLUME_IMPORT, "dry", "Checked")["status"]
    assert (status["fsType"], status["capacity"]) == ("ext4", "67108864")
    assert served.is_plain("dry")
    assert served.claim("dry") is None
    served.api.patch(VOLUME_IMPORT, "dry", {"spec": {"dryRun": False}})
    served.until(VOLUME_IMPORT, "dry", "Bound")


def test_of_two_imports_of_one_volume_exactly_one_wins(served: Bench) -> None:
    served.node.add("wanted")
    served.bring_in("first", "wanted")
    served.bring_in("second", "wanted")

    def phases() -> set[str]:
        return {served.phase(VOLUME_IMPORT, each) for each in ("first", "second")}

    served.eventually(lambda: phases() == {"Bound", "Refused AlreadyManaged"}, phases)
    found = [served.api.get(VOLUME_IMPORT, each) or {} for each in ("first", "second")]
    winner, loser = sorted(found, key=lambda each: str(each["status"]["phase"]))
    uid = winner["metadata"]["uid"]
    assert served.node.lvs["wanted"].owner == uid
    assert f"VolumeImport {winner['metadata']['name']} ({uid})" in why(loser)


def test_a_claim_of_that_name_is_not_taken_over(served: Bench) -> None:
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "foreign",
    }
    served.create(CLAIM, "taken", spec, "default")
    served.node.add("taken")
    served.bring_in("taken", "taken")
    served.until(VOLUME_IMPORT, "taken", "Refused ClaimExists")
    assert served.is_plain("taken")


def test_after_it_is_bound_only_the_record_is_deleted(served: Bench) -> None:
    served.node.add("stays")
    served.bring_in("record", "stays")
    served.until(VOLUME_IMPORT, "record", "Bound")
    served.delete(VOLUME_IMPORT, "record")
    served.eventually(lambda: served.gone(VOLUME_IMPORT, "record"))
    assert served.claim("record")["status"]["phase"] == "Bound"
    assert served.node.lvs["stays"].owner


def test_what_is_done_is_not_held_by_anybody(served: Bench) -> None:
    served.node.add("free-to-go")
    served.bring_in("free-to-go", "free-to-go")
    served.until(VOLUME_IMPORT, "free-to-go", "Bound")

    def holders() -> object:
        found = served.api.get(VOLUME_IMPORT, "free-to-go") or {"metadata": {}}
        return found["metadata"].get("finalizers")

    served.eventually(lambda: not holders(), holders)
    # Nobody is needed for this any more.
    served.kill()
    served.delete(VOLUME_IMPORT, "free-to-go")
    assert served.gone(VOLUME_IMPORT, "free-to-go")
    served.start()


def test_what_was_refused_is_looked_at_as_soon_as_somebody_asks(served: Bench) -> None:
    lv = served.node.add("opened", is_open=True)
    served.bring_in("opened", "opened")
    served.until(VOLUME_IMPORT, "opened", "Refused InUse")
    # It is written after the status; taken off before, it would come back.
    served.eventually(lambda: waits(served, "opened"))
    assert " ERROR " not in served.log(), "a refusal is no bug"
    lv.is_open = False
    served.plane.kubectl("annotate", "volumeimport", "opened", f"{MARK}-")
    began = time.monotonic()
    served.until(VOLUME_IMPORT, "opened", "Bound")
    assert time.monotonic() - began < SHORT.total_seconds()


def test_a_rehearsal_that_was_refused_is_looked_at_once_it_shall_be_done(served: Bench) -> None:
    lv = served.node.add("mounted", is_open=True)
    served.bring_in("mounted", "mounted", dryRun=True)
    served.until(VOLUME_IMPORT, "mounted", "Refused InUse")
    served.eventually(lambda: waits(served, "mounted"))
    lv.is_open = False
    began = time.monotonic()
    served.api.patch(VOLUME_IMPORT, "mounted", {"spec": {"dryRun": False}})
    served.until(VOLUME_IMPORT, "mounted", "Bound")
    assert time.monotonic() - began < SHORT.total_seconds()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"node": "n2"}, "cannot be changed"),
        ({"source": {"uuid": "a", "logicalVolume": None, "volumeGroup": None}}, "cannot be"),
        ({"reclaimPolicy": "Delete"}, "needs allowDelete"),
        ({"dryRun": True}, "cannot become a dry run"),
    ],
)
def test_what_is_wanted_cannot_be_changed(idle: Bench, change: dict[str, Any], said: str) -> None:
    name = f"fixed-{'-'.join(change).lower()}"
    idle.bring_in(name, "x")
    with pytest.raises(Refusal, match=said):
        idle.api.patch(VOLUME_IMPORT, name, {"spec": change})


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"source": {"logicalVolume": "x"}}, "needs the volumeGroup"),
        ({"source": {"logicalVolume": "x", "volumeGroup": "v", "uuid": "u"}}, "one of the two"),
        ({"source": {}}, "one of the two"),
        ({"accessModes": ["ReadWriteMany"]}, "Unsupported value"),
        ({"reclaimPolicy": "Delete"}, "needs allowDelete"),
    ],
)
def test_what_cannot_be_right_is_not_even_taken(
    idle: Bench, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(Refusal, match=said):
        idle.bring_in("wrong", "x", **more)
