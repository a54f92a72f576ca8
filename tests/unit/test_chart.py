"""The chart renders what was reviewed, and what it renders is what the programs in it understand."""

from __future__ import annotations

import base64
import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from csi import cli, settings
from csi.controller import parameters
from csi.rpc.tls import Certificates
from drivers.interface import VolumeDriver, load_drivers
from tests.unit.chart import (
    CHART,
    DATA,
    EXAMPLES,
    ROOT,
    Manifest,
    case,
    helm,
    manifests,
    of_kind,
    pod_specs,
    template,
)
from tools import chartdocs

CASES = ("default", "minimal", "full", "host-network")
REWRITE = "HEARTH_REWRITE_CHART"
CLUSTER_WIDE = {
    "CSIDriver",
    "ClusterRole",
    "ClusterRoleBinding",
    "StorageClass",
    "VolumeSnapshotClass",
    "VolumeGroupSnapshotClass",
}
PART = {"app.kubernetes.io/part-of": "hearth-csi"}
UPSTREAM = {"csi-provisioner", "csi-resizer", "csi-snapshotter", "snapshot-controller"}


@pytest.mark.parametrize("name", CASES)
def test_the_chart_renders_what_was_reviewed(name: str) -> None:
    """After a change: HEARTH_REWRITE_CHART=1 .venv/bin/pytest tests/unit/test_chart.py, and git diff."""
    file = DATA / f"{name}.yaml"
    if REWRITE in os.environ:
        file.write_text(case(name), encoding="utf-8")
    assert case(name) == file.read_text(encoding="utf-8"), f"{REWRITE}=1 rewrites {file.name}"


@pytest.mark.parametrize(("values", "count"), [((), 0), (("--set=snapshotCRDs.enabled=true",), 6)])
def test_the_definitions_of_snapshots_come_with_it_if_they_are_asked_for(
    values: Sequence[str], count: int
) -> None:
    found = of_kind("CustomResourceDefinition", manifests(template("--include-crds", *values)))
    assert len([each for each in found if "snapshot.storage" in each["spec"]["group"]]) == count


def test_what_is_applied_before_an_upgrade_is_ours_alone() -> None:
    """`helm show crds` shows those of snapshots too, which may be somebody else's; the notes say how."""
    found = manifests(helm("show", "crds", str(CHART)).stdout)
    told = [each for each in found if PART.items() <= each["metadata"].get("labels", {}).items()]
    assert {each["spec"]["group"] for each in told} == {"hearth-csi.io"}
    assert len(told) == len(list(CHART.glob("crds/*.yaml")))
    assert len(found) > len(told)


def test_the_controller_of_all_drivers_knows_groups_though_this_driver_takes_no_snapshots() -> None:
    text = template(
        *("--set=snapshots.enabled=false", "--set=snapshots.groups.mode=always"),
        "--set=snapshotController.enabled=true",
    )
    found = dict(pod_specs(manifests(text)))
    [container] = found["Deployment/hearth-snapshot-controller"]["containers"]
    assert "--feature-gates=CSIVolumeGroupSnapshot=true" in container["args"]
    assert not list(of_kind("VolumeGroupSnapshotClass", manifests(text)))


def test_no_custom_resource_goes_with_what_made_it() -> None:
    """With it every object of its kind would go, also those of other drivers."""
    found = manifests(helm("show", "crds", str(CHART)).stdout)
    for each in found:
        kept = each["metadata"]["annotations"]
        assert kept["helm.sh/resource-policy"] == "keep"
        assert kept["argocd.argoproj.io/sync-options"] == "Prune=false,Delete=false"


def test_values_of_an_umbrella_chart_are_in_nobodys_way() -> None:
    done = template("--set=snapshotCRDs.enabled=true", "--set=global.imageRegistry=example.org")
    assert manifests(done)


@pytest.mark.parametrize("name", CASES)
def test_helm_finds_no_fault(name: str) -> None:
    file = DATA / f"{name}.values.yaml"
    values = ["--values", str(file)] if file.exists() else []
    done = helm("lint", "--strict", str(CHART), *values)
    assert done.returncode == 0, done.stdout + done.stderr


def test_versions_of_chart_program_and_documentation_agree() -> None:
    (chart,) = manifests((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert chart["version"] == chart["appVersion"] == project["version"]
    assert chartdocs.main(["--check"]) == 0


@pytest.mark.parametrize("name", CASES)
def test_every_node_accepts_its_configuration(name: str, tmp_path: Path) -> None:
    configurations = [each for each in config_maps(name) if "config.yaml" in each]
    assert configurations
    for each in configurations:
        file = tmp_path / "config.yaml"
        file.write_text(each["config.yaml"])
        read = settings.read(file, load_drivers(), {"NODE_NAME": "n1"})
        (driver,) = of_kind("CSIDriver", manifests(case(name)))
        assert read.driver_name == driver["metadata"]["name"]


def test_large_numbers_reach_the_node_whole(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    backends = {}
    for each in config_maps("full"):
        if "config.yaml" in each:
            file.write_text(each["config.yaml"])
            read = settings.read(file, load_drivers(), {"NODE_NAME": "n1"})
            backends |= {one.name: one.options for one in read.backends}
    assert getattr(backends["fast"], "reserve", None) == 10 << 30
    assert getattr(backends["files"], "capacity", None) == 1 << 40


@pytest.mark.parametrize("name", CASES)
def test_the_controller_accepts_its_configuration(name: str, tmp_path: Path) -> None:
    (text,) = [each["controller.yaml"] for each in config_maps(name) if "controller.yaml" in each]
    file = tmp_path / "controller.yaml"
    file.write_text(text)
    read = settings.read_controller(file)
    services = {each["metadata"]["name"] for each in of_kind("Service", manifests(case(name)))}
    assert read.service in services
    assert read.namespace == "hearth-csi"


@pytest.mark.parametrize("name", CASES)
def test_every_command_line_is_understood(name: str) -> None:
    found = [
        container["args"]
        for _, pod in pod_specs(manifests(case(name)))
        for container in pod["containers"]
        if container["name"] not in UPSTREAM
    ]
    assert {each[0] for each in found} >= {"node", "controller"}
    for arguments in found:
        cli._parser().parse_args(arguments)


@pytest.mark.parametrize("name", CASES)
def test_every_driver_accepts_the_parameters_of_its_classes(name: str) -> None:
    found = manifests(case(name))
    drivers = backends(found)
    for each in of_kind("StorageClass", found):
        asked = each["parameters"]
        read = parameters.parse(asked, drivers[asked[parameters.BACKEND]])
        assert read.storage_class == each["metadata"]["name"]
        assert each["provisioner"] == next(of_kind("CSIDriver", found))["metadata"]["name"]


def test_the_classes_of_the_examples_exist_and_are_accepted() -> None:
    """Nothing is in an example that the chart's defaults do not serve."""
    chart = manifests(case("default"))
    examples = [each for file in EXAMPLES.glob("*.yaml") for each in manifests(file.read_text())]
    own = list(of_kind("StorageClass", examples))
    for each in own:
        assert each["provisioner"] == "hearth-csi.io"
        read = parameters.parse(each["parameters"], backends(chart)["hearth"])
        assert read.storage_class == each["metadata"]["name"]
    known = {each["metadata"]["name"] for each in [*own, *of_kind("StorageClass", chart)]}
    assert {each["spec"]["storageClassName"] for each in claims(examples)} <= known
    snapshots = {each["metadata"]["name"] for each in of_kind("VolumeSnapshotClass", chart)}
    wanted = of_kind("VolumeSnapshot", examples)
    assert {each["spec"]["volumeSnapshotClassName"] for each in wanted} <= snapshots


def test_every_example_is_explained() -> None:
    text = (EXAMPLES / "README.md").read_text()
    files = [file for part in (".", "import", "group") for file in EXAMPLES.glob(f"{part}/*.yaml")]
    told = [str(file.relative_to(EXAMPLES)) for file in files]
    assert [name for name in told if f"({name})" not in text] == []


def test_pods_on_nodes_have_no_rights_and_the_others_no_privileges() -> None:
    for name in CASES:
        for owner, pod in pod_specs(manifests(case(name))):
            for container in pod["containers"]:
                its = container["securityContext"]
                assert its["readOnlyRootFilesystem"] is True, owner
                if owner.startswith("DaemonSet/"):
                    assert pod["automountServiceAccountToken"] is False
                    assert its["privileged"] is True
                else:
                    assert pod["securityContext"]["runAsNonRoot"] is True, owner
                    assert its["capabilities"] == {"drop": ["ALL"]}


def test_two_installations_share_no_object() -> None:
    second = ["--values", str(DATA / "full.values.yaml")]
    first = manifests(template())
    for release, namespace in (("hearth", "other"), ("second", "hearth-csi")):
        both = manifests(template(*second, release=release, namespace=namespace))
        assert names(first).isdisjoint(names(both))


def test_releases_of_one_name_in_two_namespaces_share_nothing_but_what_values_name() -> None:
    first, second = (manifests(template(namespace=each)) for each in ("one", "two"))
    shared = {kind for kind, *_ in names(first) & names(second)}
    assert shared == {"CSIDriver", "StorageClass", "VolumeSnapshotClass"}


def test_the_notes_say_what_is_to_be_done_with_the_values_as_they_are() -> None:
    full = ["--values", str(DATA / "full.values.yaml")]
    done = helm("install", "hearth", str(CHART), "--dry-run=client", *full)
    for said in (
        "vgcreate --metadatasize 64m vg-nvme DISK",
        "--size SIZE vg-nvme/pool1",
        "mkdir /srv/hearth",
        "storageClassName: fast   (for restores and clones: fast-immediate)",
        "this release has one",
    ):
        assert said in done.stdout, done.stdout + done.stderr


def test_helm_makes_certificates_that_both_sides_take(tmp_path: Path) -> None:
    secrets = {
        each["metadata"]["name"]: {
            key: base64.b64decode(text) for key, text in each["data"].items()
        }
        for each in of_kind("Secret", manifests(template()))
    }
    authority = x509.load_pem_x509_certificate(secrets["hearth-ca"]["tls.crt"])
    for role in ("node", "controller", "operator"):
        files = secrets[f"hearth-{role}-tls"]
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        Certificates(tmp_path).current().client()
        certificate = x509.load_pem_x509_certificate(files["tls.crt"])
        certificate.verify_directly_issued_by(authority)
        assert names_in(certificate) == [f"{role}.hearth-csi.io"]
        assert files["ca.crt"] == secrets["hearth-ca"]["tls.crt"]


def test_without_the_authority_there_is_no_certificate_in_a_pod() -> None:
    """Whoever has its key could be anybody."""
    for _, pod in pod_specs(manifests(case("default"))):
        mounted = {each.get("secret", {}).get("secretName") for each in pod.get("volumes", ())}
        assert "hearth-ca" not in mounted


def names(found: list[Manifest]) -> set[tuple[str, str, str]]:
    """Kind, name and namespace of every object."""
    return {
        (
            each["kind"],
            each["metadata"]["name"],
            "" if each["kind"] in CLUSTER_WIDE else each["metadata"]["namespace"],
        )
        for each in found
    }


def names_in(certificate: x509.Certificate) -> list[str]:
    alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return alternative.value.get_values_for_type(x509.DNSName)


def claims(found: list[Manifest]) -> list[Manifest]:
    """The claims, those within pods too."""
    templates = [
        volume["ephemeral"]["volumeClaimTemplate"]
        for pod in of_kind("Pod", found)
        for volume in pod["spec"]["volumes"]
        if "ephemeral" in volume
    ]
    return [*of_kind("PersistentVolumeClaim", found), *templates]


def config_maps(name: str) -> list[dict[str, Any]]:
    return [each["data"] for each in of_kind("ConfigMap", manifests(case(name)))]


def backends(found: list[Manifest]) -> dict[str, type[VolumeDriver]]:
    """The drivers of all nodes by the names of their backends."""
    entries = [
        entry
        for each in of_kind("ConfigMap", found)
        for file in manifests(each["data"].get("config.yaml", ""))
        for entry in file["backends"]
    ]
    return {entry["name"]: load_drivers()[entry["driver"]] for entry in entries}
