"""buildah without privileges that a sandbox lacks: plain copies as layers, chroot as isolation."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

# What lets pip reach its index from where it reaches it outside; mounted while building, so that nothing of
# it is in the image.
SHARED = ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")


class Store:
    """Images in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self._command = [
            "buildah",
            "--storage-driver=vfs",
            f"--root={folder}/root",
            f"--runroot={folder}/run",
        ]

    def has(self, name: str) -> bool:
        """Whether there is an image of that name."""
        found = subprocess.run(
            [*self._command, "inspect", "--type=image", name], capture_output=True, check=False
        )
        return found.returncode == 0

    def add(self, name: str, tree: Path) -> None:
        """Make an image of a file tree."""
        container = self._said("from", "scratch")
        self._run("add", "--quiet", container, str(tree), "/")
        self._run("commit", "--quiet", "--rm", container, name)

    def build(self, context: Path, name: str, arguments: Mapping[str, str]) -> None:
        """Build the Dockerfile in ``context``; what has not changed is taken from the last time."""
        shared = [f"--volume={path}:{path}:ro" for path in SHARED if Path(path).exists()]
        given = [f"--build-arg={key}={value}" for key, value in arguments.items()]
        options = ["--isolation=chroot", "--layers", "--pull=false", *shared, *given]
        self._run("build", *options, "--tag", name, str(context))

    def save(self, name: str, archive: Path) -> None:
        """Write an image as `docker save` does."""
        self._run("push", "--quiet", "--format=v2s2", name, f"docker-archive:{archive}:{name}")

    def _run(self, *arguments: str) -> None:
        subprocess.run([*self._command, *arguments], check=True, stdout=subprocess.DEVNULL)

    def _said(self, *arguments: str) -> str:
        command = [*self._command, *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
