"""VolumeImport: from a logical volume to a bound claim, and back."""

from __future__ import annotations

import pytest

from csi.kube.kinds import VOLUME, VOLUME_IMPORT
from tests.operator.bench import Bench

pytestmark = pytest.mark.timeout(300)


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
