"""The cluster's certificates, made by openssl, and the kubeconfig files that hold them.

The names in a certificate are what Kubernetes' authorization goes by: a node may do what a node
may do because its certificate says `system:nodes`.
"""

import base64
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.clusterkit import errors, plan
from tools.clusterkit.plan import Node

DAYS = "3650"
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
API = f"https://{plan.GATEWAY}:443"
API_NAMES = (
    "DNS:kubernetes",
    "DNS:kubernetes.default",
    "DNS:kubernetes.default.svc",
    "IP:127.0.0.1",
    f"IP:{plan.GATEWAY}",
    f"IP:{plan.API_SERVICE}",
)


@dataclass(frozen=True, slots=True)
class Identity:
    """One certificate: the file it is kept in, who it is for, and what it may serve as."""

    file: str
    subject: str
    names: tuple[str, ...] = ()
    is_client: bool = False  # and needs a kubeconfig


CONTROL_PLANE = (
    Identity("apiserver", "/CN=kube-apiserver", API_NAMES),
    Identity("kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client"),
    Identity("admin", "/O=system:masters/CN=admin", is_client=True),
    Identity("controller-manager", "/CN=system:kube-controller-manager", is_client=True),
    Identity("scheduler", "/CN=system:kube-scheduler", is_client=True),
)


def of_node(node: Node) -> Identity:
    """What a kubelet serves with, and is a client by."""
    return Identity(
        node.name,
        f"/O=system:nodes/CN=system:node:{node.name}",
        (f"DNS:{node.name}", f"IP:{node.address}"),
        is_client=True,
    )


def extensions(identity: Identity) -> str:
    """The openssl extension file of a certificate."""
    lines = ["extendedKeyUsage = serverAuth, clientAuth"]
    if identity.names:
        lines.append(f"subjectAltName = {', '.join(identity.names)}")
    return "\n".join(lines) + "\n"


def kubeconfig(*, authority: bytes, certificate: bytes, key: bytes) -> str:
    """A file for kubectl and its like, complete in itself."""
    cluster = {"server": API, "certificate-authority-data": _text(authority)}
    user = {"client-certificate-data": _text(certificate), "client-key-data": _text(key)}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "hearth", "cluster": cluster}],
            "users": [{"name": "user", "user": user}],
            "contexts": [{"name": "hearth", "context": {"cluster": "hearth", "user": "user"}}],
            "current-context": "hearth",
        },
        indent=2,
    )


def make(folder: Path, nodes: Sequence[Node]) -> None:
    """Make an authority, and what is missing of its certificates."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (folder / "sa.pub").exists():
        _make_authority(folder)
    for identity in (*CONTROL_PLANE, *map(of_node, nodes)):
        if not (folder / f"{identity.file}.crt").exists():
            _sign(folder, identity)
        if identity.is_client:
            _write_kubeconfig(folder, identity.file)


def _make_authority(folder: Path) -> None:
    authority = (
        "-subj",
        "/CN=hearth-cluster",
        "-days",
        DAYS,
        "-keyout",
        "ca.key",
        "-out",
        "ca.crt",
    )
    _openssl(folder, "req", "-x509", *KEY, *authority)
    _openssl(folder, "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", "sa.key")
    _openssl(folder, "ec", "-in", "sa.key", "-pubout", "-out", "sa.pub")


def _sign(folder: Path, identity: Identity) -> None:
    name = identity.file
    (folder / f"{name}.ext").write_text(extensions(identity))
    request = ("-subj", identity.subject, "-keyout", f"{name}.key", "-out", f"{name}.csr")
    authority = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", DAYS)
    _openssl(folder, "req", *KEY, *request)
    _openssl(
        folder,
        *("x509", "-req", "-in", f"{name}.csr", *authority),
        *("-extfile", f"{name}.ext", "-out", f"{name}.crt"),
    )


def _write_kubeconfig(folder: Path, name: str) -> None:
    text = kubeconfig(
        authority=(folder / "ca.crt").read_bytes(),
        certificate=(folder / f"{name}.crt").read_bytes(),
        key=(folder / f"{name}.key").read_bytes(),
    )
    (folder / f"{name}.conf").write_text(text)


def _openssl(folder: Path, *arguments: str) -> None:
    command = ["openssl", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise errors.ClusterFailed(f"{' '.join(command)}: {done.stderr.strip()}")


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
