"""The private LVM configuration of one backend.

LVM reads it through ``LVM_SYSTEM_DIR``. It sees the backend's own disks alone, so that no other volume
group can be touched by mistake; it takes the host's locks, so that it goes along with everybody else who
runs LVM; and it leaves out what costs time and gives a driver nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

FILE = "lvm.conf"
LOCKS = "/run/lock/lvm"
"""Where LVM keeps its locks: its own default, written down since `drivers.lvm.cut` takes them as well."""

# use_aio: tearing an AIO context down waits for an RCU grace period, about 35 ms per command; works only
# from this file. reserved_*: locking 8 MiB into memory is for systems whose root lies on the group.
# udev: nodes are made by LVM itself, which needs no udevd and was seen to go along with one.
# wait_for_locks: a lock held for ever must not hold a call for ever; `host` retries.
# monitoring, use_lvmpolld: no dmeventd and no polling daemon in a container.
TEXT = """\
# {heading}
devices {{
    scan_lvs = 0
    use_devicesfile = 0
    obtain_device_list_from_udev = 0
    external_device_info_source = "none"
    hints = "none"
    filter = [ {filter} ]
    global_filter = [ {filter} ]
}}
activation {{
    udev_sync = 0
    udev_rules = 0
    monitoring = 0
    reserved_memory = 0
    reserved_stack = 0
}}
global {{
    use_aio = 0
    locking_dir = "{locks}"
    wait_for_locks = {wait}
    use_lvmpolld = 0
    use_lvmlockd = 0
    event_activation = 0
    notify_dbus = 0
}}
backup {{
    backup = 0
    archive = 0
}}
"""


def write(directory: Path, devices: Sequence[str] | None) -> None:
    """Write ``lvm.conf`` into ``directory``, atomically; None for ``devices``: all are seen."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    accepted = [f'"a|^{re.escape(path)}$|"' for path in devices or ()]
    rules = ['"a|.*|"'] if devices is None else [*accepted, '"r|.*|"']
    draft = directory / f"{FILE}.new"
    draft.write_text(_text("Written by Hearth at every start; changes are lost.", rules, wait=0))
    draft.replace(directory / FILE)


def by_hand() -> str:
    """What the image has as ``/etc/lvm/lvm.conf``, for people who run LVM in the pod of a node.

    Debian's own would wait for the host's udevd: a semaphore in the pod's IPC namespace, which nobody out
    there can raise, while the host's lock of the group is held. All disks are seen, since new ones are what
    people come for, and a lock is waited for, as they are used to.
    """
    heading = "Of Hearth's image: for LVM in a container, beside the udevd and the LVM of its host."
    return _text(heading, ['"a|.*|"'], wait=1)


def _text(heading: str, rules: Sequence[str], *, wait: int) -> str:
    return TEXT.format(heading=heading, filter=", ".join(rules), locks=LOCKS, wait=wait)
