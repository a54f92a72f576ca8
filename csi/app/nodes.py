"""The nodes, as the processes without storage reach them: the router, and the operator."""

from __future__ import annotations

from pathlib import Path

from csi.app.identity import certificate_name
from csi.metrics import Metrics
from csi.router.nodes import Nodes
from csi.rpc.peer import Peer
from csi.rpc.tls import Certificates


def reach(driver_name: str, tls: Path, metrics: Metrics) -> Nodes:
    """The nodes of an installation, none of them known yet, with the certificates in the folder ``tls``.

    ``metrics`` show them, and when the certificate expires. Raises `Invalid` for certificates that cannot be
    used.
    """
    certificates = Certificates(tls)
    metrics.show_expiry(lambda: certificates.current().expires)
    identity = certificate_name("node", driver_name)

    def connect(name: str, address: str) -> Peer:
        return Peer(name, address, certificates, identity)

    nodes = Nodes(connect)
    metrics.show_nodes(nodes)
    return nodes
