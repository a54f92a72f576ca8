"""The command line of tools/image."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path

from tools.imagekit import base, buildah
from tools.labkit import packages

CHECKOUT = Path(__file__).resolve().parents[2]
REPOSITORY = "ghcr.io/hearth-csi/hearth"
BEGAN = time.monotonic()


def main(arguments: Sequence[str]) -> int:
    """Build; 0 if the archive is there, 1 if a program failed, whose own words were printed."""
    given = _parser().parse_args(arguments)
    name = f"{REPOSITORY}:{version()}"
    given.output.parent.mkdir(parents=True, exist_ok=True)
    try:
        if _has_docker():
            _docker(name, given.output)
        else:
            _alone(name, given.output)
    except subprocess.CalledProcessError as error:
        say(f"{error.cmd[0]} ended with {error.returncode}")
        return 1
    say(f"{name} is in {given.output}: {given.output.stat().st_size >> 20} MiB")
    return 0


def version() -> str:
    """The version of Hearth in this checkout, which is the image's tag."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def say(text: str) -> None:
    """A line with the seconds since this command began."""
    print(f"image: {time.monotonic() - BEGAN:6.1f} s  {text}", file=sys.stderr, flush=True)


def _has_docker() -> bool:
    """Whether there is an engine; the command alone builds nothing."""
    if (docker := shutil.which("docker")) is None:
        return False
    return not subprocess.run([docker, "info"], capture_output=True, check=False).returncode


def _docker(name: str, output: Path) -> None:
    build = ["docker", "build", "--build-arg", f"VERSION={version()}", "--tag", name, str(CHECKOUT)]
    subprocess.run(build, check=True)
    save = ["docker", "save", "--output", str(output), name]
    subprocess.run(save, check=True)


def _alone(name: str, output: Path) -> None:
    packages.ensure(with_guest=False, lists=["IMAGE_PACKAGES"])
    store = buildah.Store(CHECKOUT / "build/image/store")
    if not store.has(base.NAME):
        say("making the base: a Debian of the least packages")
        store.add(base.NAME, base.make(CHECKOUT / "build/image"))
    say("building what the Dockerfile says")
    arguments = {"BASE": base.NAME, "VERSION": version()}
    store.build(CHECKOUT, name, arguments)
    say("writing the archive")
    output.unlink(missing_ok=True)
    store.save(name, output)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tools/image", description="Build the container image of Hearth into an archive."
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    build = actions.add_parser("build", help="build it, with docker if there is one")
    build.add_argument(
        "--output",
        type=Path,
        default=CHECKOUT / "build/image/hearth.tar",
        metavar="FILE",
        help="the archive, as `docker save` writes it (default: build/image/hearth.tar)",
    )
    return parser
