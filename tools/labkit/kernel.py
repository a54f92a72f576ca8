"""Which user-mode Linux there is and how it is started: its command line, and a place for its memory."""

import mmap
import os
import string
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.labkit import errors

# Folders for the file behind the guest's memory, best first: user-mode Linux maps it executable.
MEMORY_FOLDERS = (Path("/dev/shm"), Path("/tmp"), Path("/var/tmp"))  # noqa: S108


@dataclass(frozen=True, slots=True)
class Kernel:
    """A user-mode Linux: its program, its modules, and what it is told besides."""

    program: str
    modules: Path
    arguments: tuple[str, ...] = ()


INSTALLED = Kernel("/usr/bin/linux", Path("/usr/lib/uml/modules"))
# Where tools/newer-kernel leaves a faster one, and a note where it was tried: it is bound to its place.
NEWER = Path(__file__).resolve().parents[2] / "build/kernel"
WORKS = "works"


def found(environment: Mapping[str, str], newer: Path = NEWER) -> Kernel:
    """The one that LAB_KERNEL names, a folder or `installed`; else the newer one, if it works here."""
    wanted = environment.get("LAB_KERNEL")
    if wanted == "installed":
        return INSTALLED
    if wanted:
        return unpacked(Path(wanted))
    note = newer / WORKS
    works = note.is_file() and note.read_text().splitlines()[:1] == [str(newer)]
    return unpacked(newer) if works else INSTALLED


def unpacked(folder: Path) -> Kernel:
    """That of an unpacked package; with `seccomp`, processes catch their own system calls."""
    return Kernel(
        str(folder / "usr/bin/linux.uml"), folder / "usr/lib/uml/modules", ("seccomp=auto",)
    )


def disk_names(count: int) -> tuple[str, ...]:
    """Device names of the guest's disks, in the order they were asked for."""
    return tuple(f"/dev/ubd{letter}" for letter in string.ascii_lowercase[:count])


def command_line(
    kernel: Kernel,
    folder: Path,
    *,
    memory: int,
    disks: Sequence[int],
    consoles: Sequence[str],
) -> list[str]:
    """The program and arguments of a guest that runs the init script in `folder`.

    `disks` are open files, named by descriptor: they need no name in any folder, so nothing is
    left of them whatever ends the lab. `consoles` are channels for tty1, tty2 and so on.
    """
    return [
        kernel.program,
        *kernel.arguments,
        f"mem={memory >> 10}K",
        *("root=/dev/root", "rootfstype=hostfs", "rootflags=/", "rw"),
        f"init={folder}/init",
        f"uml_dir={folder}",
        f"LAB_FOLDER={folder}",
        *("quiet", "panic=-1", "lsm=", "pty.legacy_count=0"),
        *("con=null", "con0=null,fd:1"),
        *(f"con{number}={channel}" for number, channel in enumerate(consoles, 1)),
        *(
            f"{name.removeprefix('/dev/')}=/proc/self/fd/{descriptor}"
            for name, descriptor in zip(disk_names(len(disks)), disks, strict=True)
        ),
    ]


def pinned(cpu: int) -> tuple[str, ...]:
    """What to start the guest with so that it stays on a core, and ends with its parent."""
    return ("taskset", "--cpu-list", str(cpu), "setpriv", "--pdeathsig", "KILL")


def process_namespace() -> tuple[str, ...]:
    """What to start the guest with so that all its processes end when the first one does.

    Its helper threads would otherwise outlive the kernel when the lab itself is killed. A shell
    comes first, because signals a first process of a namespace sends itself have no effect, and
    a kernel that panics ends itself by one. Without the right to make namespaces, as in many
    containers, the guest starts without: then only a killed lab leaves something behind.
    """
    unshare = ("unshare", "--pid", "--fork", "--kill-child")
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode != 0:
        return ()
    return (*unshare, "sh", "-c", '"$@"; exit "$?"', "guest")


def memory_folder(memory: int, folders: Sequence[Path] = MEMORY_FOLDERS) -> Path:
    """The first folder that has room for the guest's memory and allows to execute from it."""
    for folder in folders:
        if folder.is_dir() and _free(folder) >= memory and _allows_execution(folder):
            return folder
    names = ", ".join(map(str, folders))
    raise errors.LabFailed(
        f"none of {names} has {memory >> 20} MiB free for the guest's memory: ask for less "
        "with --memory, or make room"
    )


def _free(folder: Path) -> int:
    filesystem = os.statvfs(folder)
    return filesystem.f_bavail * filesystem.f_frsize


def _allows_execution(folder: Path) -> bool:
    with tempfile.TemporaryFile(dir=folder) as file:
        file.truncate(mmap.PAGESIZE)
        try:
            mmap.mmap(file.fileno(), mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_EXEC).close()
        except PermissionError:
            return False
    return True
