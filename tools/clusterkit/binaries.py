"""Building what the cluster runs, from the sources that the Go module proxy has."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from tools.clusterkit import errors, locks, pins
from tools.clusterkit.layout import CHECKOUT, Layout
from tools.clusterkit.pins import Program
from tools.clusterkit.progress import say

FIND_GO = CHECKOUT / "tools/find-go"
SNAPSHOTS = "github.com/kubernetes-csi/external-snapshotter/client/v8"
LAST_LINES = 15


def ensure(layout: Layout, programs: Iterable[Program]) -> None:
    """Build what is not there yet in this version."""
    with locks.held(layout.binaries):  # by somebody else, perhaps, who builds the same
        missing = [program for program in programs if not _stamp(layout, program).exists()]
        if missing:
            _build_all(layout, missing)


def _build_all(layout: Layout, missing: Sequence[Program]) -> None:
    say(f"{len(missing)} programs must be built; all of them take about ten minutes on two cores")
    go = _find_go()
    layout.modules.mkdir(exist_ok=True)
    for program in missing:
        _build(layout, program, go)


def _build(layout: Layout, program: Program, go: str) -> None:
    began = time.monotonic()
    say(f"building {program.name} {program.version}")
    module = _scratch(layout, program)
    _forget(layout, program)
    target = layout.binaries / program.name
    kind = ["test", "-c"] if program.name == pins.E2E else ["build"]
    _go(
        module, go, *kind, f"-ldflags={pins.linker_flags(program)}", f"-o={target}", program.package
    )
    if program.name == "csi-snapshotter":
        _copy_definitions(layout, module, go)
    _stamp(layout, program).touch()
    say(f"built {program.name} in {time.monotonic() - began:.0f} s")


def _scratch(layout: Layout, program: Program) -> Path:
    """A copy of the module, because Go writes into it where something is missing."""
    folder = layout.modules / f"{program.module}-{program.stamp}"
    if not folder.exists():
        shutil.copytree(pins.FOLDER / program.module, folder)
    return folder


def _copy_definitions(layout: Layout, module: Path, go: str) -> None:
    """Keep the custom resources, so that a test needs no Go to compare ours with them."""
    source = _go(module, go, "list", "-m", "-f={{.Dir}}", SNAPSHOTS).strip()
    layout.definitions.mkdir(exist_ok=True)
    for file in Path(source, "config/crd").glob("*snapshot.storage.k8s.io_*.yaml"):
        shutil.copyfile(file, layout.definitions / file.name)


def _go(module: Path, go: str, *arguments: str) -> str:
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=mod -trimpath -buildvcs=false",
    }
    environment.pop("GOROOT", None)  # it may be that of an older one
    done = subprocess.run(
        [go, *arguments],
        cwd=module,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = "\n".join(done.stderr.splitlines()[-LAST_LINES:])
        raise errors.ClusterFailed(f"go {arguments[0]} failed in {module}:\n{last}")
    return done.stdout


def _find_go() -> str:
    command = [str(FIND_GO), pins.go_version()]
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if found.returncode != 0:
        raise errors.ClusterFailed("no Go toolchain could be found or fetched")
    return found.stdout.strip()


def _stamp(layout: Layout, program: Program) -> Path:
    return layout.binaries / f".{program.name}-{program.stamp}"


def _forget(layout: Layout, program: Program) -> None:
    """Remove what an earlier version said about itself."""
    for stamp in layout.binaries.glob(f".{program.name}-v*"):
        stamp.unlink()
