"""A cluster from nothing to ready nodes, and back to nothing."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.clusterkit import (
    binaries,
    certificates,
    control,
    disks,
    errors,
    guests,
    images,
    kind,
    kubectl,
    locks,
    network,
    nodes,
    pins,
    plan,
    processes,
)
from tools.clusterkit.layout import CHECKOUT, Layout
from tools.clusterkit.plan import Plan
from tools.clusterkit.progress import say
from tools.labkit import packages

CHART = CHECKOUT / "deploy/helm/hearth-csi"
SNAPSHOTS = CHART / "charts/snapshot-crds/crds"
SNAPSHOT_CONTROLLER = Path(__file__).with_name("snapshot-controller.yaml")
PACKAGES = ("DEBIAN_PACKAGES", "CLUSTER_PACKAGES")
ROLLOUT = ("rollout", "status", "deployment/snapshots-snapshot-controller", "--timeout=120s")


def build(layout: Layout, names: tuple[str, ...] = ()) -> None:
    """Build these programs, or all that a cluster needs."""
    known = {**pins.programs(), **pins.suite()}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise errors.ClusterFailed(f"no program {unknown[0]!r}: there are {', '.join(known)}")
    wanted = [known[name] for name in names] or list(pins.programs().values())
    binaries.ensure(layout, wanted)


def up(layout: Layout, asked: Plan) -> None:
    """Start everything that is not running; a second call finds nothing to do."""
    if os.geteuid() != 0:
        raise errors.ClusterFailed("a cluster needs root: namespaces, network devices, mounts")
    packages.ensure(with_guest=True, lists=PACKAGES)
    with locks.held(layout.root):
        build(layout)
        disks.ensure(layout, images.ensure(layout))
        _settle_plan(layout, asked)
        _start(layout, asked)
        _furnish(layout)
        for node in asked.members():
            nodes.wait_until_ready(layout, node)
        if asked.prepare:
            for node in asked.members():
                nodes.prepare(node)
        kubectl.run(layout, "-n", "kube-system", *ROLLOUT)
    say("up; for other programs:")
    print(f"export KUBECONFIG={layout.kubeconfig}")


def down(layout: Layout) -> None:
    """End every process of the cluster and remove every trace; it may be broken in any way."""
    with locks.held(layout.root):
        if kind.is_used(layout):
            kind.down(layout, plan.load(layout.plan))
        for record in layout.processes.glob("*"):
            processes.kill(record)
        processes.kill_all()
        network.remove()
        if layout.state.exists():
            shutil.rmtree(layout.state)
    say("down")


def forget(layout: Layout) -> None:
    """Lose etcd, and every node's power with it: a new control plane, and the disks as they were."""
    asked = plan.load(layout.plan)
    with locks.held(layout.root):
        for record in layout.processes.glob("*"):
            processes.kill(record)
        shutil.rmtree(control.database(layout))
    say("etcd is gone")
    up(layout, asked)


def kill_node(layout: Layout, name: str) -> None:
    """End a node; it is an error if it was not running, since a test would prove nothing."""
    node = plan.load(layout.plan).node(name)
    if not guests.kill(layout, node):
        raise errors.ClusterFailed(f"{node.name} is not running")
    say(f"{node.name} was killed")


def boot_node(layout: Layout, name: str) -> None:
    """Start a killed node again and wait for it."""
    asked = plan.load(layout.plan)
    node = asked.node(name)
    if guests.is_running(layout, node):
        raise errors.ClusterFailed(f"{node.name} is running")
    guests.boot(layout, node, asked)
    nodes.wait_until_ready(layout, node)


def load_image(layout: Layout, archive: Path, names: tuple[str, ...]) -> None:
    """Give nodes, or all of them, the images of an archive."""
    asked = plan.load(layout.plan)
    chosen = [asked.node(name) for name in names] or asked.members()
    with ThreadPoolExecutor() as workers:  # each node is a core's work
        list(workers.map(lambda node: nodes.load(layout, node, archive), chosen))


def snapshot_controller(layout: Layout) -> str:
    """The manifest of the chart's snapshot controller, for the cluster and not for a driver."""
    part = ("--show-only=templates/snapshot-controller.yaml", f"--values={SNAPSHOT_CONTROLLER}")
    named = ("template", "snapshots", str(CHART), "--namespace=kube-system")
    return kubectl.run(layout, *named, *part, program="helm")


def _settle_plan(layout: Layout, asked: Plan) -> None:
    if layout.plan.exists():
        present = plan.load(layout.plan)
        if present != asked:
            raise errors.ClusterFailed(f"another cluster is up, {present}: end it first")
        return
    if network.exists():
        raise errors.ClusterFailed(
            "parts of another cluster are up: end it with `tools/cluster down`"
        )
    layout.logs.mkdir(parents=True, exist_ok=True)
    asked.save(layout.plan)


def _start(layout: Layout, asked: Plan) -> None:
    network.make(asked.members())
    certificates.make(layout.keys, asked.members())
    shutil.copy(layout.keys / "admin.conf", layout.kubeconfig)
    control.start_storage(layout)
    for node in asked.members():
        if not guests.is_running(layout, node):
            guests.boot(layout, node, asked)
            say(f"{node.name} boots")
    control.start_controllers(layout)
    say("the control plane is ready")


def _furnish(layout: Layout) -> None:
    """What every cluster has that takes snapshots."""
    kubectl.apply(layout, SNAPSHOTS)
    kubectl.run(layout, "apply", "--server-side", "--filename=-", text=snapshot_controller(layout))
