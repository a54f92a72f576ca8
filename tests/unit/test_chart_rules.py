"""What the chart's objects must be like together, whatever the values are."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from cryptography import x509

from tests.unit.chart import CHART, Manifest, case, helm, manifests, of_kind, pod_specs, template


@pytest.mark.parametrize(
    ("name", "restricted"), [("default", True), ("host-network", False), ("full", False)]
)
def test_the_policy_lets_controllers_in_that_no_label_tells(name: str, restricted: bool) -> None:
    """A pod on its node's network comes from the node's address, and a rule by labels keeps it out."""
    policies = of_kind("NetworkPolicy", manifests(case(name)))
    (nodes,) = [each for each in policies if each["metadata"]["name"].endswith("-node")]
    (grpc,) = [each for each in nodes["spec"]["ingress"] if each["ports"][0]["port"] == "grpc"]
    assert ("from" in grpc) is restricted


def test_the_check_before_an_uninstallation_runs_on_any_node() -> None:
    (job,) = of_kind("Job", manifests(case("full")))
    assert job["spec"]["template"]["spec"]["tolerations"] == [{"operator": "Exists"}]


def test_a_pod_on_a_node_has_time_to_close_its_backends_after_the_calls() -> None:
    for owner, pod in pod_specs(manifests(case("full"))):
        (grace,) = [
            float(word.removeprefix("--grace="))
            for container in pod["containers"]
            for word in container.get("args", ())
            if word.startswith("--grace=")
        ] or [None]
        if grace is not None:
            closing = 30 if owner.startswith("DaemonSet/") else 5
            assert pod["terminationGracePeriodSeconds"] == grace + closing, owner


def test_the_authority_outlives_the_certificates_so_that_these_alone_are_renewed() -> None:
    found = list(of_kind("Secret", manifests(template())))
    ends = {each["metadata"]["name"]: certificate(each).not_valid_after_utc for each in found}
    authority = ends.pop("hearth-ca")
    assert all(authority - each > timedelta(days=3650) for each in ends.values())


def test_after_an_upgrade_the_notes_name_what_helm_does_not_upgrade() -> None:
    done = helm("upgrade", "--install", "hearth", str(CHART), "--dry-run=client")
    assert "apply --server-side" not in done.stdout, "an installation makes them"
    text = (CHART / "templates/NOTES.txt").read_text()
    assert ".Release.IsUpgrade" in text
    assert "kubectl apply --server-side --force-conflicts" in text
    # What `helm show crds` shows beside may be somebody else's.
    assert "--selector app.kubernetes.io/part-of=hearth-csi" in text


def test_a_label_of_pods_does_not_hide_one_of_all_objects() -> None:
    values = {"commonLabels": {"team": "a"}, "node": {"podLabels": {"team": "b"}}}
    done = helm("template", "hearth", str(CHART), "--values", "-", values=values)
    assert 'node.podLabels: "team" is in commonLabels too' in done.stderr


def certificate(secret: Manifest) -> x509.Certificate:
    return x509.load_pem_x509_certificate(base64.b64decode(secret["data"]["tls.crt"]))
