"""The lab without a guest: this machine's own device-mapper, on loop devices of our own.

For machines whose kernel has device-mapper, where a guest is not wanted. It cannot protect the
kernel, so tests that suspend, break or crash things must refuse to run when HEARTH_LAB is `host`.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tools.labkit import errors, job, status, stop, workplace
from tools.labkit.options import Options

CONTROL = Path("/dev/mapper/control")
UDEV = Path("/run/udev/control")


def run(options: Options) -> int:
    """Run the command here and return the status to exit with."""
    check()
    stop.adopt_orphans()
    stopper = stop.Stopper()
    with ExitStack() as stack:
        stack.enter_context(stopper.listening())
        folder = stack.enter_context(workplace.folder())
        loops = [stack.enter_context(_loop(folder / "disk", size)) for size in options.disks]
        environment = job.environment_for(os.environ, disks=loops, kind="host")
        environment |= _lvm_environment(folder / "lvm", loops)
        stack.enter_context(_released(loops, dict(environment)))
        environment.update(options.environment)
        process = _start(options, environment)
        in_time = stopper.wait(process, options.timeout)
        if stopper.signal is not None:
            return status.of_signal(stopper.signal)
        if not in_time:
            raise errors.TimeLimit(
                f"the command ran longer than its time limit of {options.timeout:g} s"
            )
        return status.of_process(process.returncode)


def check() -> None:
    """Refuse a machine on which LVM cannot work."""
    try:
        os.close(os.open(CONTROL, os.O_RDWR))
    except OSError as e:
        raise errors.LabFailed(
            f"--host needs device-mapper, but {CONTROL} cannot be used ({e.strerror}): "
            "load the module dm-mod and be root, or run without --host, in a guest"
        ) from e


def lvm_configuration(loops: Sequence[str], *, udev: bool) -> str:
    """An lvm.conf that sees these devices and no others."""
    accepted = [f"a|^{device}$|" for device in loops]
    # Volumes on our own physical volumes are not ours to scan either.
    filters = ", ".join(f'"{rule}"' for rule in [*accepted, "r|.*|"])
    switch = int(udev)
    return f"""\
devices {{
    global_filter = [ {filters} ]
    filter = [ {filters} ]
    use_devicesfile = 0
    obtain_device_list_from_udev = {switch}
}}
activation {{
    udev_sync = {switch}
    udev_rules = {switch}
    monitoring = 0
}}
global {{
    use_lvmpolld = 0
    event_activation = 0
}}
"""


def mount_points(tree: Mapping[str, Any]) -> list[str]:
    """Where the devices in a report of `lsblk --json` are mounted, the last to unmount last."""
    found: list[str] = []
    for device in tree.get("blockdevices", []) + tree.get("children", []):
        found += mount_points(device)
        found += [point for point in reversed(device.get("mountpoints", [])) if point]
    return found


def _start(options: Options, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            options.command,
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as e:
        raise errors.LabFailed(f"{options.command[0]}: {e.strerror}") from e


@contextmanager
def _loop(path: Path, size: int) -> Iterator[str]:
    path.touch(mode=0o600)
    os.truncate(path, size)
    try:
        device = _tool("losetup", "--find", "--show", "--nooverlap", str(path)).strip()
    finally:
        path.unlink()  # the device keeps the bytes for as long as it is there
    if not device:
        raise errors.LabFailed("no loop device could be made for --disk")
    try:
        yield device
    finally:
        _tool("losetup", "--detach", device)


def _lvm_environment(folder: Path, loops: Sequence[str]) -> dict[str, str]:
    udev = UDEV.exists()
    folder.mkdir()
    (folder / "lvm.conf").write_text(lvm_configuration(loops, udev=udev))
    without_udev = {} if udev else {"DM_DISABLE_UDEV": "1"}
    return {"LVM_SYSTEM_DIR": str(folder), **without_udev}


@contextmanager
def _released(loops: Sequence[str], environment: Mapping[str, str]) -> Iterator[None]:
    """Afterwards unmount and deactivate what the command left on the loop devices."""
    try:
        yield
    finally:
        if loops:
            listed = _tool("lsblk", "--json", "--output", "NAME,MOUNTPOINTS", *loops)
            for point in mount_points(json.loads(listed)):
                _tool("umount", point)
            _tool("vgchange", "--quiet", "-an", environment=environment)


def _tool(*command: str, environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"lab: {shlex.join(command)}: {done.stderr.strip()}", file=sys.stderr)
    return done.stdout
