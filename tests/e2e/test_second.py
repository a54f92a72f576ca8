"""A second installation beside the first, with drivers of others, and what its end leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e import cluster
from tests.e2e.kubectl import ROOT, Kubectl, until
from tests.e2e.test_faults import numbered
from tests.e2e.test_volumes import node_of, volume_of

DRIVER = "boundless.hearth-csi.io"
RELEASE, NAMESPACE = "second", "hearth-second"
HERE = Path(__file__).parent / "boundless"
SITE = "/opt/hearth/app"
"""A folder of the image in which Python looks for modules and entry points."""
FILES = {
    "hearth_boundless.py": HERE / "hearth_boundless.py",
    "hearth_boundless-1.dist-info/entry_points.txt": HERE / "entry_points.txt",
}
ROOMS = ("infinite", "unknown")


def values() -> dict[str, Any]:
    """One backend of each driver, in a directory of the node."""
    code = [
        {"name": "code", "mountPath": f"{SITE}/{name}", "subPath": path.name}
        for name, path in FILES.items()
    ]
    directories = [{"name": room, "mountPath": f"/boundless/{room}"} for room in ROOMS]
    group = {
        "name": "all",
        "backends": [
            {"name": room, "driver": room, "directory": f"/boundless/{room}"} for room in ROOMS
        ],
        "volumes": [{"name": "code", "configMap": {"name": "boundless"}}, *map(host_path, ROOMS)],
        "volumeMounts": code + directories,
    }
    return {
        "driver": {"name": DRIVER},
        "nodeGroups": [group],
        "storageClasses": [{"name": f"boundless-{room}", "backend": room} for room in ROOMS],
        "snapshots": {"enabled": False},
        "controller": {"replicas": 1},
    }


def host_path(room: str) -> dict[str, Any]:
    path = f"/var/lib/hearth-boundless/{room}"
    return {"name": room, "hostPath": {"path": path, "type": "DirectoryOrCreate"}}


def install() -> None:
    cluster.tool(
        *("helm", "install", RELEASE, str(ROOT / "deploy/helm/hearth-csi"), "--values", "-"),
        *("--namespace", NAMESPACE, "--wait", "--timeout", "300s"),
        text=yaml.safe_dump(values()),
        timeout=330,
    )


def uninstall(*options: str) -> str:
    return cluster.told("helm", "uninstall", RELEASE, "--namespace", NAMESPACE, "--wait", *options)


@pytest.fixture(scope="module")
def second(namespace: Kubectl) -> Iterator[None]:
    """The installation; afterwards nothing of it is left but empty directories."""
    namespace("create", "namespace", NAMESPACE)
    code = [f"--from-file={path.name}={path}" for path in FILES.values()]
    namespace("--namespace", NAMESPACE, "create", "configmap", "boundless", *code)
    install()
    yield
    uninstall("--ignore-not-found")
    namespace.delete("namespace", NAMESPACE)


def claimed(name: str, room: str) -> str:
    claim, pod = yaml.safe_load_all(numbered(name, 0))
    claim["spec"]["storageClassName"] = f"boundless-{room}"
    return yaml.safe_dump_all([claim, pod])


@pytest.mark.usefixtures("second")
@pytest.mark.parametrize("room", ROOMS)
def test_a_backend_without_numbers_stays_schedulable(kubectl: Kubectl, room: str) -> None:
    kubectl.apply(claimed(room, room))
    kubectl.ready(f"{room}-0")
    kubectl.delete("pod", f"{room}-0")
    kubectl.delete("pvc", f"{room}-0")


@pytest.mark.usefixtures("second")
def test_each_installation_makes_the_volumes_of_its_classes(kubectl: Kubectl) -> None:
    kubectl.apply(numbered("first", 0))
    kubectl.apply(claimed("other", "infinite"))
    for name, driver in (("first-0", "hearth-csi.io"), ("other-0", DRIVER)):
        kubectl.ready(name)
        volume = kubectl.get("persistentvolume", volume_of(kubectl, name))
        assert volume["spec"]["csi"]["driver"] == driver
    assert len(cluster.volumes(node_of(kubectl, "first-0"))) == 1
    kubectl.delete("pod", "other-0")
    kubectl.delete("pvc", "other-0")


@pytest.mark.usefixtures("second")
def test_an_uninstallation_names_what_it_leaves_and_the_next_takes_it_on(kubectl: Kubectl) -> None:
    kubectl.apply(claimed("kept", "infinite"))
    kubectl.ready("kept-0")
    volume, node = volume_of(kubectl, "kept-0"), node_of(kubectl, "kept-0")
    log = kubectl.sh("kept-0", "cat /data/log")
    said = uninstall()
    assert f"1 volumes of {DRIVER} are left" in said
    assert volume in said
    assert f"{kubectl.namespace}/kept-0" in said
    assert kubectl.sh("kept-0", "cat /data/log") == log, "whoever uses a volume does not notice"
    install()
    kubectl.delete("pod", "kept-0")
    kubectl.apply(claimed("kept", "infinite"))
    kubectl.ready("kept-0")
    assert node_of(kubectl, "kept-0") == node
    assert kubectl.sh("kept-0", "cat /data/log").startswith(log)
    kubectl.delete("pod", "kept-0")
    kubectl.delete("pvc", "kept-0")
    until(lambda: volume not in kubectl.names("persistentvolumes"), f"{volume} is gone")
