"""buildah without privileges that a sandbox lacks: chroot as isolation, no network of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

# The time of every file and of the image, as the same sources should make the same image: 2000-01-01.
EPOCH = 946684800


class Store:
    """Images in a folder of their own, kept as overlays where the kernel has them there, else as copies."""

    def __init__(self, folder: Path) -> None:
        overlay = _command(folder, "overlay")
        able = subprocess.run([*overlay, "info"], capture_output=True, check=False).returncode == 0
        self._command = overlay if able else _command(folder, "vfs")

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

    def build(self, context: Path, name: str, options: Sequence[str]) -> None:
        """Build the Dockerfile in ``context``; what has not changed is taken from the last time."""
        manner = [
            "--isolation=chroot",
            "--layers",
            "--pull=false",
            f"--timestamp={EPOCH}",
            *options,
        ]
        self._run("build", *manner, "--tag", name, str(context))

    def save(self, name: str, archive: Path) -> None:
        """Write an image as `docker save` does."""
        self._run("push", "--quiet", "--format=v2s2", name, f"docker-archive:{archive}:{name}")

    def _run(self, *arguments: str) -> None:
        subprocess.run([*self._command, *arguments], check=True, stdout=subprocess.DEVNULL)

    def _said(self, *arguments: str) -> str:
        command = [*self._command, *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def _command(folder: Path, driver: str) -> list[str]:
    own = folder / driver
    return ["buildah", f"--storage-driver={driver}", f"--root={own}/root", f"--runroot={own}/run"]
