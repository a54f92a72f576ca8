"""A cluster of kind from nothing to workers that take snapshots, and what is done with one that is up.

What `lifecycle` does for user-mode Linux, docker and kind do here: they are the power switch, the way in
and the keeper of the logs.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from tools.clusterkit import errors, journal, kind, kubectl, lifecycle, locks, plan
from tools.clusterkit.layout import Layout
from tools.clusterkit.plan import Plan
from tools.clusterkit.progress import say

READY = ("wait", "--for=condition=Ready", f"--timeout={kind.PATIENCE}s")


def up(layout: Layout, asked: Plan) -> None:
    """Start it, or complete what an earlier call began."""
    with locks.held(layout.root):
        if not _is_there(layout, asked):
            _make(layout, asked)
        kubectl.run(layout, *READY, "--all", "nodes")
        _furnish(layout)
    say(f"up; values for the chart: {layout.state / kind.VALUED}")
    print(f"export KUBECONFIG={layout.kubeconfig}")


def kill_node(layout: Layout, name: str) -> None:
    """End a worker; docker refuses if it was not running."""
    worker = _worker(layout, name)
    kind.run(kind.kill(worker))
    say(f"{worker} was killed")


def boot_node(layout: Layout, name: str) -> None:
    """Start a killed worker again and wait for it."""
    worker = _worker(layout, name)
    if kind.run(kind.inspection(worker)).strip() == "true":
        raise errors.ClusterFailed(f"{worker} is running")
    for command in kind.boot(worker):
        kind.run(command)
    kubectl.run(layout, *READY, f"node/{worker}")


def load_image(layout: Layout, archive: Path, names: Sequence[str]) -> None:
    """Give workers, or all nodes, the images of an archive."""
    kind.load(archive, [_worker(layout, name) for name in names])


def enter(layout: Layout, name: str, command: Sequence[str]) -> NoReturn:
    """Be a command in a worker from now on."""
    kubectl.replace(kind.shell(_worker(layout, name), command), kind.environment())


def ask_lvm(layout: Layout, name: str, command: Sequence[str]) -> NoReturn:
    """Be an LVM command about the volume group of a worker from now on."""
    number = kind.number_of(plan.load(layout.plan), name)
    kubectl.replace(kind.question(number, command), kind.environment())


def show_logs(layout: Layout, names: Sequence[str]) -> None:
    """Fetch the logs of all nodes, then print as always."""
    kind.run(kind.export(layout.logs))
    journal.show(layout, names)


def _is_there(layout: Layout, asked: Plan) -> bool:
    """Whether this very cluster was made; what is there of another one is refused."""
    if not layout.plan.exists():
        return False
    same = kind.is_used(layout) and plan.load(layout.plan) == asked
    if not same or not layout.kubeconfig.exists():
        raise errors.ClusterFailed(
            "another cluster is up, or a part of one: end it with `tools/cluster down`"
        )
    return True


def _make(layout: Layout, asked: Plan) -> None:
    layout.state.mkdir(parents=True, exist_ok=True)
    configuration, _, values = kind.render(asked).partition("---\n")
    (layout.state / kind.CONFIGURED).write_text(configuration)
    (layout.state / kind.VALUED).write_text(values)
    asked.save(layout.plan)
    for command in (*kind.preparation(layout, asked), kind.creation(layout)):
        kind.run(command)


def _furnish(layout: Layout) -> None:
    """What every cluster has that takes snapshots; here the images are pulled."""
    kubectl.apply(layout, lifecycle.SNAPSHOTS)
    manifest = lifecycle.snapshot_controller(layout)
    kubectl.run(layout, "apply", "--server-side", "--filename=-", text=manifest)
    kubectl.run(layout, "-n", "kube-system", *lifecycle.ROLLOUT)


def _worker(layout: Layout, name: str) -> str:
    return kind.worker(kind.number_of(plan.load(layout.plan), name))
