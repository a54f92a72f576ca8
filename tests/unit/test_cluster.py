"""The parts of tools/cluster that start nothing: options, the plan, and what is rendered from it."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.unit.chart import manifests, of_kind
from tools.clusterkit import (
    certificates,
    control,
    errors,
    guestfiles,
    guests,
    journal,
    lifecycle,
    network,
    nodes,
    options,
    pins,
    plan,
    processes,
)
from tools.clusterkit.layout import Layout
from tools.clusterkit.plan import Node, Plan
from tools.labkit.errors import LabFailed

LAYOUT = Layout(Path("/somewhere/cluster"))


def test_a_cluster_has_two_nodes_with_two_disks_each() -> None:
    asked = options.parse(["up"]).asked
    assert asked == Plan(nodes=2, memory=2 << 30, disks=(4 << 30, 4 << 30), prepare=False)


def test_disks_given_replace_the_usual_ones() -> None:
    chosen = options.parse(["up", "--nodes", "3", "--disk", "1G", "--memory", "1G", "--prepare"])
    assert chosen.asked == Plan(nodes=3, memory=1 << 30, disks=(1 << 30,), prepare=True)
    assert not chosen.on_kind


def test_everything_after_kubectl_and_helm_is_theirs() -> None:
    chosen = options.parse(["kubectl", "--namespace", "x", "get", "--help"])
    assert chosen.action == "kubectl"
    assert chosen.command == ("--namespace", "x", "get", "--help")


def test_a_command_in_a_node_may_have_options() -> None:
    chosen = options.parse(["node", "shell", "2", "ls", "-l", "/dev"])
    assert (chosen.action, chosen.names) == ("node-shell", ("2",))
    assert chosen.command == ("ls", "-l", "/dev")
    assert options.parse(["node", "shell", "2", "--", "ls"]).command == ("ls",)
    chosen = options.parse(["node", "lvm", "n1", "lvs", "--noheadings"])
    assert (chosen.action, chosen.command) == ("node-lvm", ("lvs", "--noheadings"))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["up", "--nodes", "0"], "1 to 8 are possible"),
        (["up", "--nodes", "9"], "1 to 8 are possible"),
        (["up", "--memory", "lots"], "'lots' is no size"),
        (["up", *["--disk", "1G"] * 9], "9 disks were asked for"),
        (["up", "--print"], "add --with kind"),
        (["node", "shell", "1"], "no command was given"),
        (["node", "lvm", "1"], "no command was given: tools/cluster node lvm N"),
    ],
)
def test_what_cannot_work_is_refused(given: list[str], says: str) -> None:
    with pytest.raises(LabFailed, match=says):
        options.parse(given)


@pytest.mark.parametrize("name", ["2", "n2"])
def test_a_node_is_known_by_number_and_by_name(name: str) -> None:
    assert Plan(nodes=2).node(name) == Node(2)


@pytest.mark.parametrize("name", ["0", "3", "n3", "node1", ""])
def test_other_nodes_are_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(errors.ClusterFailed, match="it has n1, n2"):
        Plan(nodes=2).node(name)


def test_a_plan_is_kept(tmp_path: Path) -> None:
    asked = Plan(nodes=3, memory=1 << 30, disks=(5, 6), prepare=True)
    asked.save(tmp_path / "plan.json")
    assert plan.load(tmp_path / "plan.json") == asked


def test_without_a_cluster_the_way_to_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.ClusterFailed, match="tools/cluster up"):
        plan.load(tmp_path / "plan.json")


def test_every_node_has_addresses_of_its_own() -> None:
    nodes = Plan(nodes=plan.MAX_NODES).members()
    for kind_of in (lambda n: n.address, lambda n: n.pods, lambda n: n.tap, lambda n: n.name):
        assert len({kind_of(node) for node in nodes}) == plan.MAX_NODES
    taken = {plan.GATEWAY, plan.OUTSIDE}
    assert not taken & {node.address for node in nodes}


def test_the_other_nodes_pods_are_reached_through_them() -> None:
    text = guestfiles.settings(LAYOUT, Node(2), Plan(nodes=3).members())
    assert "ip route add 10.244.1.0/24 via 10.77.0.11" in text
    assert "ip route add 10.244.3.0/24 via 10.77.0.13" in text
    assert "10.244.2.0/24" not in text


def test_settings_are_shell(tmp_path: Path) -> None:
    odd = Layout(tmp_path / "a folder's name")
    file = tmp_path / "settings"
    file.write_text(guestfiles.settings(odd, Node(1), Plan(nodes=1).members()))
    script = f'. {file}; add_routes; printf "%s %s %s" "$name" "$address" "$cluster"'
    done = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=True)
    assert done.stdout == f"n1 10.77.0.11 {odd.root}"


def test_containerd_is_given_toml_that_names_the_pause_image() -> None:
    settings = tomllib.loads(guestfiles.containerd(LAYOUT))
    images = settings["plugins"]["io.containerd.cri.v1.images"]
    assert images["pinned_images"]["sandbox"] == "registry.k8s.io/pause:3.10.2"
    runtime = settings["plugins"]["io.containerd.cri.v1.runtime"]
    runc = runtime["containerd"]["runtimes"]["runc"]
    assert runc["runtime_path"] == "/cluster/bin/containerd-shim-runc-v2"
    assert "io.containerd.snapshotter.v1.overlayfs" not in settings["disabled_plugins"]


def test_kubelet_is_given_its_own_certificate() -> None:
    settings = json.loads(guestfiles.kubelet(LAYOUT, Node(2)))
    assert settings["address"] == "10.77.0.12"
    assert settings["tlsCertFile"] == "/cluster/state/pki/n2.crt"


def test_a_root_disk_is_made_of_folders_links_and_files(tmp_path: Path) -> None:
    guestfiles.write_root(tmp_path)
    guestfiles.write(tmp_path, guestfiles.own_files(LAYOUT, Node(1)))
    assert (tmp_path / "bin").readlink() == Path("usr/bin")
    assert (tmp_path / "etc/hostname").read_text() == "n1\n"
    assert (tmp_path / "tmp").stat().st_mode & 0o7777 == 0o1777
    network_of_pods = json.loads((tmp_path / "etc/cni/net.d/10-cluster.conflist").read_text())
    assert network_of_pods["plugins"][0]["ipam"]["ranges"] == [[{"subnet": "10.244.1.0/24"}]]


def test_a_guest_finds_its_root_disk_first() -> None:
    asked = Plan(disks=(1, 2))
    command = guests.command_line(Path("/n"), Node(1), asked, core=1)
    assert "ubda=/n/root.img" in command
    assert "ubdb=/n/disk1.img" in command
    assert "ubdc=/n/disk2.img" in command
    assert "init=/n/init" in command


def test_a_certificate_says_who_it_is_for_and_where_it_serves() -> None:
    identity = certificates.of_node(Node(1))
    assert identity.subject == "/O=system:nodes/CN=system:node:n1"
    text = certificates.extensions(identity)
    assert "subjectAltName = DNS:n1, IP:10.77.0.11" in text
    assert "subjectAltName" not in certificates.extensions(certificates.CONTROL_PLANE[2])


def test_a_kubeconfig_is_complete_in_itself() -> None:
    text = certificates.kubeconfig(authority=b"ca", certificate=b"crt", key=b"key")
    settings = yaml.safe_load(text)
    assert settings["clusters"][0]["cluster"]["server"] == "https://10.77.0.1:443"
    assert settings["users"][0]["user"]["client-key-data"] == "a2V5"


def test_the_api_server_is_known_by_the_name_of_its_service() -> None:
    api_server = certificates.CONTROL_PLANE[0]
    assert "DNS:kubernetes.default.svc" in api_server.names
    assert f"IP:{plan.API_SERVICE}" in api_server.names


def test_the_control_plane_keeps_everything_below_its_folder() -> None:
    for command in control.commands(LAYOUT).values():
        paths = [flag.partition("=")[2] for flag in command[1:] if "=/" in flag]
        assert all(path.startswith("/somewhere/cluster/state/") for path in paths)
        assert Path(command[0]).parent == LAYOUT.binaries


def test_the_bridge_is_there_before_anything_is_plugged_in() -> None:
    commands = [" ".join(command) for command in network.base()]
    made = commands.index("ip -n hearth-cluster link add br0 type bridge")
    assert made < commands.index("ip -n hearth-cluster link set uplink master br0 up")


def test_the_snapshot_controller_is_the_charts_in_the_version_that_is_built() -> None:
    found = manifests(lifecycle.snapshot_controller(Layout()))
    [made] = of_kind("Deployment", found)
    assert f"deployment/{made['metadata']['name']}" in lifecycle.ROLLOUT
    [container] = made["spec"]["template"]["spec"]["containers"]
    version = pins.programs()["snapshot-controller"].version
    assert container["image"] == f"registry.k8s.io/sig-storage/snapshot-controller:{version}"
    assert "--feature-gates=CSIVolumeGroupSnapshot=true" in container["args"]


def test_a_process_is_known_by_number_and_beginning(tmp_path: Path) -> None:
    record = tmp_path / "record"
    assert processes.leader(record) is None
    record.write_text(f"{os.getpid()} {processes.began(os.getpid())}\n")
    assert processes.leader(record) == os.getpid()
    record.write_text(f"{os.getpid()} 1\n")
    assert processes.leader(record) is None
    record.write_text("")
    assert processes.leader(record) is None


def test_a_question_about_a_volume_group_names_it() -> None:
    assert nodes.question(["vgs", "--noheadings"]) == ["lvm", "vgs", "--noheadings", "hearth"]


def test_a_log_is_named_by_node_or_program() -> None:
    files = [Path(f"{name}.log") for name in ("apiserver", "n1-kubelet", "n1-init", "n2-init")]
    assert journal.choose(files, ["1"]) == files[1:3]
    assert journal.choose(files, ["n2-init", "apiserver"]) == [files[0], files[3]]
    assert journal.choose(files, []) == files
    with pytest.raises(errors.ClusterFailed, match="n1-kubelet"):
        journal.choose(files, ["n9"])
