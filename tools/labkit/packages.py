"""The Debian packages the lab needs, and their installation."""

import fcntl
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools.labkit import errors

VERSIONS = Path(__file__).resolve().parents[2] / "versions.env"
LAB = "DEBIAN_PACKAGES"  # what the lab itself needs
GUEST = "user-mode-linux"
DATABASE = "/var/lib/dpkg"


def needed(text: str, wanted: str = LAB) -> tuple[str, ...]:
    """The packages of one list in the text of versions.env."""
    for word in shlex.split(text, comments=True):
        name, _, value = word.partition("=")
        if name == wanted:
            return tuple(value.split())
    raise errors.LabFailed(f'{VERSIONS} has no line {wanted}="..."')


def ensure(*, with_guest: bool, lists: Sequence[str] = (LAB,)) -> None:
    """Install what is missing; say so, because it takes a while and changes the machine."""
    text = VERSIONS.read_text()
    names = [name for wanted in lists for name in needed(text, wanted)]
    wanted = [name for name in names if with_guest or name != GUEST]
    missing = _missing(wanted)
    if not missing:
        return
    if os.geteuid() != 0:
        raise errors.LabFailed(f"install these packages first: {' '.join(missing)}")
    with _alone():
        if missing := _missing(wanted):
            print(f"lab: installing {' '.join(missing)}", file=sys.stderr, flush=True)
            _apt("update")
            _apt("install", "--yes", "--no-install-recommends", *missing)


@contextmanager
def _alone() -> Iterator[None]:
    """Keep other labs from installing at the same time; apt would only refuse the second one."""
    folder = os.open(DATABASE, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _missing(names: Sequence[str]) -> list[str]:
    query = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *names]
    try:
        listed = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError as e:
        raise errors.LabFailed("the lab needs Debian or a system derived from it") from e
    installed = {line.split()[0] for line in listed.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in installed]


def _apt(*arguments: str) -> None:
    # Somebody else may be installing packages right now: wait for the lock.
    command = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", *arguments]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, env=environment, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise errors.LabFailed(f"{shlex.join(command)} failed with status {done.returncode}")
