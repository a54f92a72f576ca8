"""Where everything of a cluster is: what is kept between clusters, and what goes with one.

Guests see the whole folder as /cluster, so a path of it has two names.
"""

from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
IN_GUEST = Path("/cluster")


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths below one folder."""

    root: Path = CHECKOUT / "build/cluster"

    @property
    def binaries(self) -> Path:
        """Programs, with their stamps beside them."""
        return self.root / "bin"

    @property
    def modules(self) -> Path:
        """Scratch copies of the Go modules that pin the programs' versions."""
        return self.root / "modules"

    @property
    def definitions(self) -> Path:
        """The custom resources of snapshots in the snapshotter's module, to compare ours with."""
        return self.root / "crd"

    @property
    def images(self) -> Path:
        """The archives every node gets at its first boot."""
        return self.root / "images"

    @property
    def root_disk(self) -> Path:
        """What every node's root disk is a copy of."""
        return self.images / "root.img"

    @property
    def state(self) -> Path:
        """All of the cluster that runs; gone when it is down."""
        return self.root / "state"

    @property
    def plan(self) -> Path:
        """What was asked for."""
        return self.state / "plan.json"

    @property
    def keys(self) -> Path:
        """Certificates, keys and kubeconfig files."""
        return self.state / "pki"

    @property
    def kubeconfig(self) -> Path:
        """What kubectl needs to be the administrator."""
        return self.state / "kubeconfig"

    @property
    def logs(self) -> Path:
        """One file a program and node."""
        return self.state / "logs"

    @property
    def processes(self) -> Path:
        """One file a process: its number, and when it began."""
        return self.state / "run"

    def node(self, name: str) -> Path:
        """Disks and settings of one node."""
        return self.state / "nodes" / name

    def in_guest(self, path: Path) -> Path:
        """What a guest calls a path of this folder."""
        return IN_GUEST / path.relative_to(self.root)
