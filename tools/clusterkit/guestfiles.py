"""The files a node is given: settings of its init, kubelet, containerd, the pod network and LVM."""

import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from tools.clusterkit import images, plan
from tools.clusterkit.layout import Layout
from tools.clusterkit.plan import Node
from tools.labkit import kernel

# Of this machine's /etc, what programs of its /usr look for.
COPIED = (
    *("alternatives", "group", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "mke2fs.conf"),
    *("nsswitch.conf", "passwd", "protocols", "services", "ssl"),
)
FOLDERS = (
    *("dev", "etc/cni/net.d", "etc/lvm", "home", "mnt", "opt", "proc", "root", "run", "srv", "sys"),
    *("cluster", "oldroot", "usr", "var/lib/containerd", "var/lib/kubelet"),
    *("var/log/containers", "var/log/pods", "var/tmp", "tmp"),
)
LINKS = {
    **{name: f"usr/{name}" for name in ("bin", "lib", "lib64", "sbin")},
    "var/run": "/run",
}
# There is no udev in a guest, so nobody would answer LVM's waits for it.
LVM = """\
activation {
    udev_sync = 0
    udev_rules = 0
    monitoring = 0
}
devices {
    obtain_device_list_from_udev = 0
    external_device_info_source = "none"
    use_devicesfile = 0
    scan_lvs = 0
}
global {
    use_lvmpolld = 0
    event_activation = 0
}
"""
# Without what the kernel lacks, and what would only cost time.
PLUGINS_LEFT_OUT = (
    *("snapshotter.v1.blockfile", "snapshotter.v1.btrfs", "snapshotter.v1.devmapper"),
    *("snapshotter.v1.erofs", "snapshotter.v1.zfs", "tracing.processor.v1.otlp"),
    *("internal.v1.tracing", "nri.v1.nri"),
)


def settings(layout: Layout, node: Node, members: Sequence[Node]) -> str:
    """Shell variables and the function `add_routes`, which the first process of a guest reads."""
    others = [other for other in members if other != node]
    return "\n".join(
        [
            f"name={node.name}",
            f"address={node.address}",
            f"gateway={plan.GATEWAY}",
            f"port={plan.AGENT_PORT}",
            f"cluster={shlex.quote(str(layout.root))}",
            f"node={layout.in_guest(layout.node(node.name))}",
            f"pause={shlex.quote(images.PAUSE)}",
            f"modules={shlex.quote(str(kernel.found(os.environ).modules))}",
            "add_routes() {",
            "    :",
            *(f"    ip route add {other.pods} via {other.address}" for other in others),
            "}",
            "",
        ]
    )


def kubelet(layout: Layout, node: Node) -> str:
    """Kubelet's configuration; JSON is YAML, too."""
    keys = layout.in_guest(layout.keys)
    return json.dumps(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": node.address,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": f"{keys}/ca.crt"},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": f"{keys}/{node.name}.crt",
            "tlsPrivateKeyFile": f"{keys}/{node.name}.key",
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            "cgroupDriver": "cgroupfs",
            "enforceNodeAllocatable": ["none"],
            "failSwapOn": False,
            "clusterDNS": [plan.DNS_SERVICE],  # without one there is a warning for every pod
            "clusterDomain": "cluster.local",
            "evictionHard": {
                "memory.available": "50Mi",
                "nodefs.available": "1%",
                "imagefs.available": "1%",
            },
            "imageGCHighThresholdPercent": 99,  # an image that is gone cannot be had again
            "imageGCLowThresholdPercent": 98,
            "makeIPTablesUtilChains": False,
            "nodeStatusUpdateFrequency": "5s",
            "syncFrequency": "10s",  # an expansion is finished at the next one
            "volumeStatsAggPeriod": "10s",
        },
        indent=2,
    )


def containerd(layout: Layout) -> str:
    """The configuration of containerd 2."""
    programs = layout.in_guest(layout.binaries)
    left_out = ", ".join(json.dumps(f"io.containerd.{name}") for name in PLUGINS_LEFT_OUT)
    return f"""\
version = 3
disabled_plugins = [{left_out}]

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  use_local_image_pull = true
  pinned_images = {{ sandbox = "{images.PAUSE}" }}

[plugins."io.containerd.cri.v1.runtime"]
  disable_apparmor = true
  restrict_oom_score_adj = false
  cni = {{ bin_dirs = ["{programs}"], conf_dir = "/etc/cni/net.d" }}

[plugins."io.containerd.cri.v1.runtime".containerd]
  default_runtime_name = "runc"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
  runtime_path = "{programs}/containerd-shim-runc-v2"
  options = {{ BinaryName = "/usr/sbin/runc", SystemdCgroup = false }}
"""


def pod_network(node: Node) -> str:
    """A bridge for the pods of one node; other nodes reach them by routes."""
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": node.pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": False}
    plugin = {**bridge, "hairpinMode": True, "ipam": addresses}
    return json.dumps({"cniVersion": "1.0.0", "name": "cluster", "plugins": [plugin]}, indent=2)


def own_files(layout: Layout, node: Node) -> dict[str, str]:
    """What a node's first process puts into its /etc at every boot, by path."""
    return {
        "etc/hostname": f"{node.name}\n",
        "etc/hosts": f"127.0.0.1 localhost\n{node.address} {node.name}\n",
        "etc/resolv.conf": "nameserver 127.0.0.1\n",
        "etc/machine-id": f"{'0' * 31}{node.number}\n",
        "etc/lvm/lvm.conf": LVM,
        "etc/cni/net.d/10-cluster.conflist": pod_network(node),
        "etc/containerd.toml": containerd(layout),
        "etc/kubelet.json": kubelet(layout, node),
    }


def write_root(folder: Path) -> None:
    """The tree that every root disk is made from, but for what is copied."""
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in ("tmp", "var/tmp"):
        (folder / name).chmod(0o1777)
    for name, target in LINKS.items():
        (folder / name).symlink_to(target)


def write(folder: Path, files: dict[str, str]) -> None:
    """Write files below a folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
