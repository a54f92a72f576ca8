"""The caller's terminal, while a shell in the guest has it."""

import os
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def raw(descriptor: int, *, wanted: bool) -> Iterator[None]:
    """Hand every key to the guest, Ctrl-C too; restore the terminal afterwards."""
    if not wanted:
        yield
        return
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)


def size(descriptor: int) -> os.terminal_size:
    """Columns and lines, as they are now: the guest is not told of later changes."""
    return os.get_terminal_size(descriptor)
