"""What tools/cluster gives kind, docker and LVM for a cluster of containers; none of them runs here."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from drivers.lvm.options import Options
from drivers.options import check
from tests.unit.chart import manifests, of_kind, template
from tools.clusterkit import errors, journal, kind, kindcluster, kubectl
from tools.clusterkit.layout import Layout
from tools.clusterkit.plan import Plan

DATA = Path(__file__).parents[1] / "data/cluster"
LAYOUT = Layout(Path("/somewhere/cluster"))
ARCHIVE = Path("/somewhere/hearth.tar")


def values(asked: Plan) -> Any:
    _, found = yaml.safe_load_all(kind.render(asked))
    return found


def backends(asked: Plan) -> list[dict[str, Any]]:
    return [backend for group in values(asked)["nodeGroups"] for backend in group["backends"]]


def commands(asked: Plan) -> Iterator[str]:
    """All of them, in the order of a cluster's life, as they are shown."""
    worker = kind.worker(2)
    for title, given in (
        ("up", [*kind.preparation(LAYOUT, asked), kind.creation(LAYOUT)]),
        ("load-image", [kind.loading(ARCHIVE, []), kind.loading(ARCHIVE, [worker])]),
        ("node shell", [kind.shell(worker, ["cat", "/proc/self/mounts"])]),
        ("node lvm", [kind.question(2, ["lvs", "--noheadings"])]),
        ("node kill", [kind.kill(worker)]),
        ("node boot", [kind.inspection(worker), *kind.boot(worker)]),
        ("logs", [kind.export(LAYOUT.logs)]),
        ("down", kind.removal(LAYOUT, asked)),
    ):
        yield f"# {title}"
        yield from map(shlex.join, given)


def test_kind_is_given_a_reviewed_configuration() -> None:
    assert kind.render(Plan()) == (DATA / "kind.yaml").read_text()


def test_the_commands_are_those_that_were_reviewed() -> None:
    assert "\n".join([*commands(Plan()), ""]) == (DATA / "kind.commands").read_text()


def test_each_worker_has_a_volume_group_of_its_own_on_a_device_of_its_own() -> None:
    asked = Plan(nodes=3)
    configuration, _ = yaml.safe_load_all(kind.render(asked))
    workers = [node for node in configuration["nodes"] if node["role"] == "worker"]
    made = [c[-2:] for c in kind.preparation(LAYOUT, asked) if c[0] == "vgcreate"]
    assert [group for group, _ in made] == [each["volumeGroup"] for each in backends(asked)]
    assert len(workers) == len({device for _, device in made}) == 3


def test_the_driver_takes_its_part_of_the_values() -> None:
    own = [
        {key: value for key, value in backend.items() if key not in {"name", "driver"}}
        for backend in backends(Plan())
    ]
    assert [check(each, Options) for each in own] == [
        Options(volume_group=group, thin_pools=("pool",)) for group in ("hearth-1", "hearth-2")
    ]


def test_the_chart_makes_a_daemon_set_for_each_worker(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values(Plan())))
    found = of_kind("DaemonSet", manifests(template("--values", str(file))))
    selectors = [each["spec"]["template"]["spec"]["nodeSelector"] for each in found]
    assert [each["kubernetes.io/hostname"] for each in selectors] == [
        "hearth-worker",
        "hearth-worker2",
    ]


def test_what_was_made_is_removed_in_turn() -> None:
    made = {c[1] for c in kind.preparation(LAYOUT, Plan()) if c[0] == "losetup"}
    detached = {c[2] for c in kind.removal(LAYOUT, Plan()) if c[0] == "losetup"}
    assert made == detached


@pytest.mark.parametrize("name", ["2", "n2", "hearth-worker2"])
def test_a_worker_is_known_by_number_and_by_name(name: str) -> None:
    assert kind.number_of(Plan(nodes=2), name) == 2


@pytest.mark.parametrize("name", ["3", "hearth-control-plane", "hearth-worker1", ""])
def test_other_nodes_are_refused_with_the_workers_there_are(name: str) -> None:
    with pytest.raises(errors.ClusterFailed, match="it has hearth-worker, hearth-worker2"):
        kind.number_of(Plan(nodes=2), name)


def test_a_cluster_of_user_mode_linux_is_left_alone(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.state.mkdir()
    Plan().save(layout.plan)
    with pytest.raises(errors.ClusterFailed, match="end it with `tools/cluster down`"):
        kindcluster.up(layout, Plan())
    assert not kind.is_used(layout)


def test_a_program_that_is_missing_is_named() -> None:
    with pytest.raises(errors.ClusterFailed, match="no-such-program is not installed"):
        kind.run(["no-such-program"])
    with pytest.raises(errors.ClusterFailed, match="no-such-program is not installed"):
        kubectl.replace(["no-such-program"], {"PATH": "/nowhere"})


def test_logs_that_are_in_a_folder_a_node_have_the_same_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = Layout(tmp_path)
    for worker in ("hearth-worker", "hearth-worker2"):
        (layout.logs / worker).mkdir(parents=True)
        (layout.logs / worker / "kubelet.log").write_text(f"said by {worker}\n")
    journal.show(layout, ["hearth-worker"])
    journal.show(layout, ["hearth-worker2-kubelet"])
    said = capsys.readouterr().out
    assert said.count("said by") == 2
    assert said.index("said by hearth-worker\n") < said.index("said by hearth-worker2\n")


PROGRAM = """\
#!/bin/sh
name=${0##*/}
echo "$name $*" >>LOG
case "$name $1" in
    "kind create") for each; do case $each in --kubeconfig=*) : >"${each#*=}" ;; esac done ;;
    "docker inspect") if [ -e LOG.stopped ]; then echo false; else echo true; fi ;;
    "docker kill") : >LOG.stopped ;;
    "docker start") /bin/rm LOG.stopped ;;
esac
"""
PROGRAMS = (
    *("truncate", "losetup", "vgcreate", "lvcreate", "lvchange", "vgremove", "rm"),
    *("kind", "docker", "kubectl", "helm"),
)


class Machine:
    """Programs that only write down what they were given, and whether a worker is stopped."""

    def __init__(self, folder: Path) -> None:
        self.layout = Layout(folder / "cluster")
        self.programs = folder / "bin"
        self._log = folder / "log"
        self.programs.mkdir()
        for name in PROGRAMS:
            (self.programs / name).write_text(PROGRAM.replace("LOG", str(self._log)))
            (self.programs / name).chmod(0o755)

    def ran(self) -> list[str]:
        """The programs and their first arguments, since the last time."""
        said = self._log.read_text().splitlines()
        self._log.write_text("")
        return [" ".join(line.split()[:2]) for line in said]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setenv("PATH", f"{made.programs}:{os.defpath}")
    return made


FURNISHED = ["kubectl wait", "kubectl apply", "helm template", "kubectl apply", "kubectl -n"]


def test_a_second_start_makes_nothing_anew_and_another_cluster_is_refused(machine: Machine) -> None:
    kindcluster.up(machine.layout, Plan(nodes=1))
    made = ["truncate", "losetup", "vgcreate", "lvcreate", "lvchange", "kind"]
    first = machine.ran()
    assert [each.split()[0] for each in first[: len(made)]] == made
    assert first[len(made) :] == FURNISHED
    kindcluster.up(machine.layout, Plan(nodes=1))
    assert machine.ran() == FURNISHED
    with pytest.raises(errors.ClusterFailed, match="another cluster is up"):
        kindcluster.up(machine.layout, Plan(nodes=2))
    assert machine.ran() == []


def test_a_worker_that_runs_is_not_booted_and_one_that_was_killed_is(machine: Machine) -> None:
    kindcluster.up(machine.layout, Plan())
    with pytest.raises(errors.ClusterFailed, match="hearth-worker2 is running"):
        kindcluster.boot_node(machine.layout, "2")
    kindcluster.kill_node(machine.layout, "2")
    machine.ran()
    kindcluster.boot_node(machine.layout, "hearth-worker2")
    assert machine.ran() == ["docker inspect", "docker start", "docker exec", "kubectl wait"]


def test_all_is_taken_down_though_a_program_fails(machine: Machine) -> None:
    kindcluster.up(machine.layout, Plan(nodes=1))
    machine.ran()
    (machine.programs / "vgremove").write_text("#!/bin/sh\nexit 5\n")
    kind.down(machine.layout, Plan(nodes=1))
    assert [each.split()[0] for each in machine.ran()] == ["kind", "losetup", "rm"]
