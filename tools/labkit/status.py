"""What the lab's own exit status means."""

import re
from pathlib import Path

from tools.labkit import errors

TIME_LIMIT = 124  # as timeout(1) has it
LAB_FAILED = 125
SIGNALLED = 128
PANIC = re.compile(r"Kernel panic - not syncing: (?P<reason>.*)")
SHOWN_LINES = 25


def of_signal(number: int) -> int:
    """The status a shell reports for a process that a signal ended."""
    return SIGNALLED + number


def of_process(returncode: int) -> int:
    """The status for a process that has ended, in the words of `subprocess`."""
    return of_signal(-returncode) if returncode < 0 else returncode


def read(file: Path, console: str) -> int:
    """The status the guest left for its command; without one the guest itself died."""
    try:
        text = file.read_text()
    except FileNotFoundError as e:
        raise errors.LabFailed(why_it_died(console)) from e
    if not text.strip().isdecimal():
        raise errors.LabFailed(why_it_died(console))
    return int(text)


def why_it_died(console: str) -> str:
    """A message from the kernel's last words."""
    panic = PANIC.search(console)
    reason = f"panicked: {panic['reason'].strip()}" if panic else "ended before its command did"
    # What comes after the reason of a panic is a trace of the panic itself.
    lines = (console[: panic.end()] if panic else console).splitlines()
    last = "\n".join(lines[-SHOWN_LINES:])
    return f"the guest {reason}\nIts kernel's last words were:\n{last}"
