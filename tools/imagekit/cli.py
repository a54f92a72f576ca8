"""The command line of tools/image."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.imagekit import base, buildah, reach
from tools.labkit import packages

CHECKOUT = Path(__file__).resolve().parents[2]
REPOSITORY = "ghcr.io/hearth-csi/hearth"
PROXIES = ("http_proxy", "https_proxy", "no_proxy")  # buildah passes them by itself
# What docker adds about the build itself is kept beside the image, and `kind load` fails at it.
PLAIN = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
BEGAN = time.monotonic()


def main(arguments: Sequence[str]) -> int:
    """Build; 0 if the archive is there, 1 if a program failed, whose own words were printed."""
    given = _parser().parse_args(arguments)
    name = f"{REPOSITORY}:{version()}"
    given.output.parent.mkdir(parents=True, exist_ok=True)
    try:
        with reach.secrets(os.environ) as secrets:
            build = _docker if _has_docker() else _alone
            build(name, given.output, given.base, [*secrets, f"--build-arg=VERSION={version()}"])
    except subprocess.CalledProcessError as error:
        say(f"{error.cmd[0]} ended with {error.returncode}")
        return 1
    say(f"{name} is in {given.output}: {given.output.stat().st_size / 1e6:.0f} MB")
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


def _docker(name: str, output: Path, given: str | None, options: Sequence[str]) -> None:
    on = [] if given is None else [f"--build-arg=BASE={given}"]
    proxies = [
        f"--build-arg={variable}" for variable in PROXIES
    ]  # their values, where they have one
    build = ["docker", "build", *proxies, *options, *on, "--tag", name, str(CHECKOUT)]
    subprocess.run(build, check=True, env={**os.environ, **PLAIN})
    save = ["docker", "save", "--output", str(output), name]
    subprocess.run(save, check=True)


def _alone(name: str, output: Path, given: str | None, options: Sequence[str]) -> None:
    packages.ensure(with_guest=False, lists=["IMAGE_PACKAGES"])
    store = buildah.Store(CHECKOUT / "build/image/store")
    if given is None and not store.has(base.NAME):
        say("making the base: a Debian of the least packages")
        _add_base(store, output.parent)
    say("building what the Dockerfile says")
    store.build(CHECKOUT, name, [*options, f"--build-arg=BASE={given or base.NAME}"])
    say("writing the archive")
    output.unlink(missing_ok=True)
    store.save(name, output)


def _add_base(store: buildah.Store, folder: Path) -> None:
    with TemporaryDirectory(dir=folder, prefix="base-") as tree:
        base.make(Path(tree))
        store.add(base.NAME, Path(tree))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tools/image", description="Build the container image of Hearth into an archive."
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    build = actions.add_parser("build", help="build it, with docker if there is one")
    build.add_argument(
        "-o",
        "--output",
        type=Path,
        default=CHECKOUT / "build/image/hearth.tar",
        metavar="FILE",
        help="the archive, as `docker save` writes it (default: build/image/hearth.tar)",
    )
    build.add_argument(
        "--base",
        metavar="IMAGE",
        help="what to build on (default: what the Dockerfile says; without docker, a base made by"
        " debootstrap)",
    )
    return parser
