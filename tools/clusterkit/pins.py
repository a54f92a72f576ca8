"""What the cluster is built from: programs and their versions, as the go.mod files have them."""

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path

from tools.clusterkit import errors
from tools.clusterkit.layout import CHECKOUT

FOLDER = CHECKOUT / "tools/cluster-binaries"
# The first ones a cluster needs come first; what shares code with another comes after it.
MODULES = (
    *("pause", "cni", "containerd", "kubernetes"),
    *("provisioner", "resizer", "snapshotter", "helm"),
)
E2E = "e2e.test"
SUITE = {E2E: "k8s.io/kubernetes/test/e2e", "ginkgo": "github.com/onsi/ginkgo/v2/ginkgo"}
REQUIREMENT = re.compile(r"^require (?P<path>\S+) (?P<version>v\S+)$", re.MULTILINE)
TOOLS = re.compile(r"^tool(?: \(\n(?P<block>[^)]*)\)| (?P<single>\S+)$)", re.MULTILINE)
GO = re.compile(r"^go (?P<version>\S+)$", re.MULTILINE)
MAJOR = re.compile(r"v[0-9]+")


@dataclass(frozen=True, slots=True)
class Program:
    """One program: the package it is, and the module that pins its version."""

    name: str
    package: str
    module: str
    version: str
    stamp: str  # differs when anything that decides about its content does


def programs(folder: Path = FOLDER) -> dict[str, Program]:
    """All programs that a cluster needs, by name, in the order they are built."""
    found = [program for module in MODULES for program in read(folder, module)]
    return {program.name: program for program in found}


def read(folder: Path, module: str) -> list[Program]:
    """The programs of one module."""
    text = (folder / module / "go.mod").read_text()
    required = REQUIREMENT.search(text)
    version = required["version"] if required else "v0"
    digest = _digest(folder / module)
    return [
        Program(_name(package), package, module, version, f"{version}-{digest}")
        for package in _tools(text) or [f"hearth/cluster/{module}"]
    ]


def suite(folder: Path = FOLDER) -> dict[str, Program]:
    """The upstream end-to-end tests and what runs several at once, which are built on request."""
    kubernetes = read(folder, "kubernetes")[0]
    return {
        name: replace(kubernetes, name=name, package=package) for name, package in SUITE.items()
    }


def go_version(folder: Path = FOLDER) -> str:
    """The oldest Go that builds them all."""
    found = [GO.search((folder / module / "go.mod").read_text()) for module in MODULES]
    versions = [match["version"] for match in found if match]
    if not versions:
        raise errors.ClusterFailed(f"no go.mod below {folder} names a version of Go")
    return max(versions, key=lambda version: [int(part) for part in version.split(".")])


def linker_flags(program: Program) -> str:
    """No debug information, and the version where the program looks for it."""
    variables = _version_variables(program)
    return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in variables.items())])


def _version_variables(program: Program) -> dict[str, str]:
    version = program.version
    match program.module:
        case "kubernetes":
            major, minor, _ = version.removeprefix("v").split(".")
            component = "k8s.io/component-base/version"
            return {
                f"{component}.gitVersion": version,
                f"{component}.gitMajor": major,
                f"{component}.gitMinor": minor,
                f"{component}.gitTreeState": "clean",
                "k8s.io/client-go/pkg/version.gitVersion": version,
            }
        case "containerd":
            name = "github.com/containerd/containerd/v2/version.Version"
            return {name: version.removeprefix("v")}
        case "helm":
            return {"helm.sh/helm/v4/internal/version.version": version}
        case "provisioner" | "resizer" | "snapshotter":
            return {"main.version": version}
    return {}


def _tools(text: str) -> list[str]:
    found = TOOLS.search(text)
    return (found["block"] or found["single"]).split() if found else []


def _name(package: str) -> str:
    """The last part of a package's path that is a name and no version; etcd calls itself server."""
    name = [part for part in package.split("/") if not MAJOR.fullmatch(part)][-1]
    return "etcd" if name == "server" else name


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
