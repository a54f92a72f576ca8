"""The image as a runtime sees it: what its archive says, and its files as a root that cannot be written.

The kernel's namespaces are all that is used, so no container engine has to be there. What a Kubernetes makes
of it is in `tests/e2e`.
"""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = "0:0"
# What a pod has: a root of its own that is read-only, /proc, the harmless devices, room in /tmp and /run;
# and in /mnt a folder of files.
ENTER = """
root=$1 user=$2 given=$3; shift 3
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
for name in dev tmp run; do mount -t tmpfs -o mode=1777 tmpfs "$root/$name"; done
for name in null zero urandom; do
    touch "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
ln -s /proc/self/fd "$root/dev/fd"
mount --bind -o ro "$given" "$root/mnt"
ip link set lo up
exec chroot --userspec="$user" "$root" "$@"
"""


@dataclass(frozen=True, slots=True)
class Archive:
    """What `docker save` wrote."""

    path: Path

    @property
    def size(self) -> int:
        """Bytes of all layers together, which is what they take on a node."""
        with tarfile.open(self.path) as archive:
            return sum(archive.getmember(name).size for name in self._manifest(archive)["Layers"])

    @property
    def names(self) -> list[str]:
        """Under which names it is to be known."""
        with tarfile.open(self.path) as archive:
            names: list[str] = self._manifest(archive)["RepoTags"]
            return names

    @property
    def config(self) -> dict[str, Any]:
        """User, environment, entry point and labels."""
        with tarfile.open(self.path) as archive:
            content = _read(archive, self._manifest(archive)["Config"])
            config: dict[str, Any] = content["config"]
            return config

    def unpack(self, folder: Path) -> None:
        """Write the files of all layers. No layer removes any of a lower one."""
        with tarfile.open(self.path) as archive:
            for name in self._manifest(archive)["Layers"]:
                command = ["tar", "--extract", "--numeric-owner", f"--directory={folder}"]
                process = subprocess.Popen(command, stdin=subprocess.PIPE)
                assert process.stdin is not None
                layer = archive.extractfile(name)
                assert layer is not None
                while piece := layer.read(1 << 20):
                    process.stdin.write(piece)
                process.stdin.close()
                assert process.wait() == 0

    @staticmethod
    def _manifest(archive: tarfile.TarFile) -> dict[str, Any]:
        found: dict[str, Any] = _read(archive, "manifest.json")[0]
        return found


@dataclass(frozen=True, slots=True)
class Container:
    """Runs programs within ``files``, with the environment and the user that the image tells."""

    files: Path
    config: dict[str, Any]

    def run(self, *command: str, user: str = "", text: str = "", given: Path | None = None) -> str:
        """What a program says; it must succeed. As the image's user, or as another."""
        done = self.attempt(command, user, text, given)
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def attempt(
        self, command: Sequence[str], user: str = "", text: str = "", given: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The same for a program that may fail. It finds the files of ``given`` in /mnt."""
        spaces = [
            "unshare",
            "--mount",
            "--net",
            "--ipc",
            "--uts",
            "--pid",
            "--fork",
            "--kill-child",
        ]
        place = [str(self.files), user or self.config["User"], str(given or self.files / "mnt")]
        clean = ["env", "-i", *self.config["Env"], *command]
        return subprocess.run(
            [*spaces, "sh", "-ec", ENTER, "enter", *place, *clean],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )


def _read(archive: tarfile.TarFile, name: str) -> Any:
    file = archive.extractfile(name)
    assert file is not None
    return json.load(file)
