"""What kind is given for a cluster: its configuration, the chart's values, and every command.

Workers are containers, each with a loop device of its own. All of them share this machine's kernel, its
/dev and its locks, so a volume group is known everywhere. What keeps workers apart is that each is a node
group with another volume group: the driver finds the disks of its group and then lets LVM see these alone.
"""

import os
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.clusterkit import errors
from tools.clusterkit.layout import Layout
from tools.clusterkit.plan import Plan
from tools.clusterkit.progress import say

CLUSTER = "hearth"
FIRST_LOOP = 101  # far from those that other programs are given
CONFIGURED = "kind.yaml"
VALUED = "values.yaml"
PATIENCE = 120
HEALTHY = "until curl -sf -o /dev/null http://127.0.0.1:10248/healthz; do sleep 0.5; done"
CONFIGURATION = f"""\
# kind create cluster --config=THIS
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
name: {CLUSTER}
nodes:
  - role: control-plane
"""
WORKER = """\
  - role: worker
    extraMounts:
      - {hostPath: /dev, containerPath: /dev}
      - {hostPath: /run/udev, containerPath: /run/udev, readOnly: true}
      - {hostPath: /run/lock, containerPath: /run/lock}
"""
VALUES = """\
# helm install hearth deploy/helm/hearth-csi --values=THIS
nodeGroups:
"""
GROUP = """\
  - name: worker-{number}
    nodeSelector:
      kubernetes.io/hostname: {name}
    backends:
      - name: hearth
        driver: lvm
        volumeGroup: {group}
        thinPools: [pool]
"""


def render(asked: Plan) -> str:
    """Kind's configuration and the chart's values, as two YAML documents."""
    groups = [
        GROUP.format(number=number, name=worker(number), group=group(number))
        for number in _numbers(asked)
    ]
    return "".join([CONFIGURATION, WORKER * asked.nodes, "---\n", VALUES, *groups])


def preparation(layout: Layout, asked: Plan) -> Iterator[list[str]]:
    """The commands that give every worker its volume group and thin pool."""
    for number in _numbers(asked):
        file, loop = layout.state / f"{worker(number)}.img", f"/dev/loop{FIRST_LOOP + number}"
        pool = ["--type=thin-pool", "--extents=75%VG", "--zero=y"]
        yield ["truncate", f"--size={asked.disks[0]}", str(file)]
        yield ["losetup", loop, str(file)]
        yield ["vgcreate", "--quiet", "--metadatasize=64M", group(number), loop]
        yield ["lvcreate", "--quiet", "--yes", *pool, "--name=pool", group(number)]
        yield ["lvchange", "--quiet", "--errorwhenfull=y", f"{group(number)}/pool"]


def creation(layout: Layout) -> list[str]:
    """The command that starts the containers; it leaves the user's own kubeconfig alone."""
    given = [f"--config={layout.state / CONFIGURED}", f"--kubeconfig={layout.kubeconfig}"]
    return ["kind", "create", "cluster", *given, "--wait=120s"]


def removal(layout: Layout, asked: Plan) -> Iterator[list[str]]:
    """The commands that take all of it away."""
    chosen = [f"--name={CLUSTER}", f"--kubeconfig={layout.kubeconfig}"]
    yield ["kind", "delete", "cluster", *chosen]
    for number in _numbers(asked):
        yield ["vgremove", "--quiet", "--force", "--force", "--yes", group(number)]
        yield ["losetup", "--detach", f"/dev/loop{FIRST_LOOP + number}"]
        yield ["rm", str(layout.state / f"{worker(number)}.img")]


def loading(archive: Path, workers: Sequence[str]) -> list[str]:
    """The command that gives the images of an archive to workers, or to all nodes."""
    chosen = [f"--nodes={','.join(workers)}"] if workers else []
    return ["kind", "load", "image-archive", str(archive), f"--name={CLUSTER}", *chosen]


def kill(name: str) -> list[str]:
    """The command that ends a worker and everything in it; what it had written stays in the page cache."""
    return ["docker", "kill", "--signal=KILL", name]


def boot(name: str) -> Iterator[list[str]]:
    """The commands that start it again, until its new kubelet answers."""
    yield ["docker", "start", name]
    yield ["docker", "exec", name, "timeout", f"{PATIENCE}", "sh", "-c", HEALTHY]


def inspection(name: str) -> list[str]:
    """The command that says `true` of a worker that runs."""
    return ["docker", "inspect", "--format={{.State.Running}}", name]


def shell(name: str, command: Sequence[str]) -> list[str]:
    """A command, as root in a worker."""
    return ["docker", "exec", "--interactive", name, *command]


def question(number: int, command: Sequence[str]) -> list[str]:
    """An LVM command about a worker's volume group: asked here, since kind's images have no LVM."""
    return ["lvm", *command, group(number)]


def export(folder: Path) -> list[str]:
    """The command that fetches the logs of all nodes."""
    return ["kind", "export", "logs", f"--name={CLUSTER}", str(folder)]


def down(layout: Layout, asked: Plan) -> None:
    """Remove what was made, as far as it is there."""
    for command in removal(layout, asked):
        try:
            run(command)
        except errors.ClusterFailed as e:
            say(str(e))


def load(archive: Path, names: Sequence[str]) -> None:
    """Give workers the images of an archive."""
    run(loading(archive, names))


def is_used(layout: Layout) -> bool:
    """Whether the cluster that is up is one of kind."""
    return (layout.state / CONFIGURED).exists()


def number_of(asked: Plan, name: str) -> int:
    """The worker called `hearth-worker2`, `n2` or `2`."""
    for number in _numbers(asked):
        if name in {worker(number), f"n{number}", f"{number}"}:
            return number
    known = ", ".join(worker(number) for number in _numbers(asked))
    raise errors.ClusterFailed(f"there is no worker {name!r} in this cluster: it has {known}")


def worker(number: int) -> str:
    """What kind calls a worker: the first one has no number."""
    return f"{CLUSTER}-worker{number if number > 1 else ''}"


def group(number: int) -> str:
    """The volume group of a worker."""
    return f"hearth-{number}"


def _numbers(asked: Plan) -> range:
    return range(1, asked.nodes + 1)


def environment() -> dict[str, str]:
    """This process's environment, with the places where LVM's programs are."""
    return {**os.environ, "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"}


def run(command: Sequence[str]) -> str:
    """Run a program of this machine and return its output."""
    say(shlex.join(command))
    try:
        done = subprocess.run(
            command, env=environment(), capture_output=True, text=True, check=False
        )
    except FileNotFoundError as e:
        raise errors.ClusterFailed(f"{command[0]} is not installed") from e
    if done.returncode != 0:
        raise errors.ClusterFailed(f"{shlex.join(command)}: {done.stderr.strip()}")
    return done.stdout
