"""The same on kind: workers are containers, each with a loop device of its own.

All of them share this machine's kernel and its /dev, so a volume group is known everywhere: what keeps
workers apart is that each is a node group with another volume group.
"""

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tools.clusterkit import errors
from tools.clusterkit.layout import Layout
from tools.clusterkit.plan import Plan
from tools.clusterkit.progress import say

CLUSTER = "hearth"
FIRST_LOOP = 101  # far from those that other programs are given
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


def preparation(asked: Plan, folder: Path) -> Iterator[list[str]]:
    """The commands that give every worker its volume group and thin pool."""
    for number in _numbers(asked):
        file, loop = folder / f"{worker(number)}.img", f"/dev/loop{FIRST_LOOP + number}"
        pool = ["--type=thin-pool", "--extents=75%VG", "--zero=y"]
        yield ["truncate", f"--size={asked.disks[0]}", str(file)]
        yield ["losetup", loop, str(file)]
        yield ["vgcreate", "--quiet", "--metadatasize=64M", group(number), loop]
        yield ["lvcreate", "--quiet", "--yes", *pool, "--name=pool", group(number)]
        yield ["lvchange", "--quiet", "--errorwhenfull=y", f"{group(number)}/pool"]


def removal(asked: Plan, folder: Path) -> Iterator[list[str]]:
    """The commands that take all of it away."""
    yield ["kind", "delete", "cluster", f"--name={CLUSTER}"]
    for number in _numbers(asked):
        yield ["vgremove", "--quiet", "--force", "--force", "--yes", group(number)]
        yield ["losetup", "--detach", f"/dev/loop{FIRST_LOOP + number}"]
        yield ["rm", str(folder / f"{worker(number)}.img")]


def up(layout: Layout, asked: Plan, *, only_print: bool) -> None:
    """Start it, or show what it would be given."""
    if only_print:
        print(render(asked), end="")
        return
    layout.state.mkdir(parents=True, exist_ok=True)
    configuration, _, values = render(asked).partition("---\n")
    (layout.state / "kind.yaml").write_text(configuration)
    (layout.state / "values.yaml").write_text(values)
    asked.save(layout.plan)
    for command in preparation(asked, layout.state):
        _run(command)
    _run(["kind", "create", "cluster", f"--config={layout.state / 'kind.yaml'}", "--wait=120s"])
    kubeconfig = _run(["kind", "get", "kubeconfig", f"--name={CLUSTER}"])
    layout.kubeconfig.touch(mode=0o600)
    layout.kubeconfig.write_text(kubeconfig)
    say(f"up; values for the chart: {layout.state / 'values.yaml'}")
    print(f"export KUBECONFIG={layout.kubeconfig}")


def down(layout: Layout, asked: Plan) -> None:
    """Remove what `up` made, as far as it is there."""
    for command in removal(asked, layout.state):
        try:
            _run(command)
        except errors.ClusterFailed as e:
            say(str(e))


def load(archive: Path, names: tuple[str, ...]) -> None:
    """Give workers the images of an archive."""
    chosen = [f"--nodes={','.join(names)}"] if names else []
    _run(["kind", "load", "image-archive", str(archive), f"--name={CLUSTER}", *chosen])


def is_used(layout: Layout) -> bool:
    """Whether the cluster that is up is one of kind."""
    return (layout.state / "kind.yaml").exists()


def worker(number: int) -> str:
    """What kind calls a worker: the first one has no number."""
    return f"{CLUSTER}-worker{number if number > 1 else ''}"


def group(number: int) -> str:
    """The volume group of a worker."""
    return f"hearth-{number}"


def _numbers(asked: Plan) -> range:
    return range(1, asked.nodes + 1)


def _run(command: list[str]) -> str:
    say(shlex.join(command))
    path = {**os.environ, "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"}
    try:
        done = subprocess.run(command, env=path, capture_output=True, text=True, check=False)
    except FileNotFoundError as e:
        raise errors.ClusterFailed(f"{command[0]} is not installed") from e
    if done.returncode != 0:
        raise errors.ClusterFailed(f"{shlex.join(command)}: {done.stderr.strip()}")
    return done.stdout
