"""Programs that stay: one process that takes command after command, where starting costs more than the work.

An ``lvm`` process spends nearly all of its time on being started. Its library, kept loaded in a process of
its own, does the same in a tenth. Nothing else changes: the resident works for one command at a time, goes
on with it if this process dies, and ends when its input does. Whatever it cannot take is left to an
ordinary process, so a machine without the library is slower and nothing more.
"""

from __future__ import annotations

import logging
import os
import select
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import IO, cast

log = logging.getLogger(__name__)

PATIENCE = 0.5
"""Seconds to wait for a resident that works for somebody else: longer than nearly every command takes."""
START = 20.0
"""Seconds that a resident may take to be ready."""
AGAIN = 300.0
"""Seconds until the next try where none could be started."""
GOODBYE = 5.0
"""Seconds to wait for the end of a resident. One that hangs is left alone, as LVM is never cut off."""
LIFE = 10_000
"""Commands after which a resident makes room for a new one, should its library leak."""
UNKNOWN = -9
"""What a command's exit status is if its resident left in the middle, by itself: that of a killed one."""

Said = tuple[int, str, str]
"""Exit status, standard output and standard error of a command."""


@dataclass(frozen=True, slots=True)
class Resident:
    """A program that may be kept.

    ``script`` is a file of Python that is given the environment of the command. It says ``ready`` in a
    line, then reads commands, one a line, words divided by spaces. It answers each with a line of four
    numbers and with both outputs: the exit status, the lengths of the outputs in bytes, and 1 if it ends
    now. ``state`` stands for what it read when it started: if that is another one, it has to start anew.
    """

    script: Path
    state: tuple[int, ...] = ()


class Residents:
    """The residents of one door to programs. For any number of threads; a fork has residents of its own."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._homes: dict[tuple[int, Path, frozenset[tuple[str, str]]], _Home] = {}

    def ask(
        self,
        resident: Resident,
        words: Sequence[str],
        environment: Mapping[str, str],
        patience: float = PATIENCE,
    ) -> Said | None:
        """What a command said; None if nothing was begun, because the resident is busy or not to be had.

        ``patience`` are the seconds to wait for one that is busy. A resident that dies at its work has
        the exit status of its death: as of a process that was killed, nobody knows what it has done.
        """
        home = self._home(resident.script, environment)
        if not home.free.acquire(timeout=min(PATIENCE, patience)):
            return None
        try:
            return home.ask(resident, words)
        finally:
            home.free.release()

    def _home(self, script: Path, environment: Mapping[str, str]) -> _Home:
        with self._guard:
            key = os.getpid(), script, frozenset(environment.items())
            return self._homes.setdefault(key, _Home(dict(environment)))


class _Home:
    """The place of one resident, who comes when there is work and may be replaced."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.free = Lock()
        self._environment = environment
        self._of = Resident(Path())
        self._process: _Process | None = None
        self._again = 0.0

    def ask(self, resident: Resident, words: Sequence[str]) -> Said | None:
        if self._process is not None and not (self._of == resident and self._process.is_well):
            self._leave()
        if self._process is None and not self._come(resident):
            return None
        process = cast(_Process, self._process)
        try:
            return process.ask(words)
        except _Gone as gone:
            log.warning("%s ended with status %d and is started anew", words[0], gone.code)
            self._leave()
            told = f"the process that ran it ended with status {gone.code}"
            return (min(gone.code, 0) or UNKNOWN, "", told) if gone.at_work else None

    def _come(self, resident: Resident) -> bool:
        if time.monotonic() >= self._again or self._of != resident:
            self._of, self._again = resident, time.monotonic() + AGAIN
            self._process = _start(resident.script, self._environment)
            if self._process is None:
                told = "%s cannot be kept running here; each command starts a process"
                log.warning(told, resident.script.stem)
        return self._process is not None

    def _leave(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process, self._again = None, 0.0


class _Gone(Exception):
    """A resident has died; ``at_work``: after it was given a command."""

    def __init__(self, code: int, at_work: bool) -> None:
        self.code = code
        self.at_work = at_work


class _Process:
    """A resident at work, from its start to its end."""

    def __init__(self, process: subprocess.Popen[bytes], answers: int) -> None:
        self._process = process
        self._questions = cast(IO[bytes], process.stdin)
        self._answers = answers
        self._heard = bytearray()
        self._asked = 0
        self.is_well = True
        """Not while a question waits for its answer: whoever was interrupted leaves that to nobody."""
        self.end = weakref.finalize(self, _end, process, answers)

    def is_ready(self) -> bool:
        """Whether it can take commands; False if it ends, or is not so far for too long."""
        poll = select.poll()
        poll.register(self._answers, select.POLLIN)
        return bool(poll.poll(START * 1000)) and self._line() == b"ready\n"

    def ask(self, words: Sequence[str]) -> Said:
        # The start of a program is told to audit hooks too; the compliance kit kills processes there.
        sys.audit("drivers.residents.ask", *words[:3])
        self.is_well = False
        self._asked += 1
        try:
            self._say(" ".join(words).encode() + b"\n")
        except BrokenPipeError:
            raise _Gone(self._code(), at_work=False) from None
        head = self._line().split()
        if len(head) != 4:
            raise _Gone(self._code(), at_work=True)
        code, length, more, ends = (int(each) for each in head)
        out, err = (self._take(each).decode("utf-8", "replace") for each in (length, more))
        self.is_well = not ends and self._asked < LIFE
        return code, out, err

    def _say(self, line: bytes) -> None:
        view = memoryview(line)
        while view:
            view = view[self._questions.write(view) :]

    def _line(self) -> bytes:
        """The next line; what there is of it, if the process has ended."""
        while b"\n" not in self._heard and self._hear():
            pass
        return self._take(self._heard.find(b"\n") + 1 or len(self._heard))

    def _take(self, length: int) -> bytes:
        while len(self._heard) < length:
            if not self._hear():
                raise _Gone(self._code(), at_work=True)
        taken = bytes(self._heard[:length])
        del self._heard[:length]
        return taken

    def _hear(self) -> bool:
        said = os.read(self._answers, 1 << 16)
        self._heard += said
        return bool(said)

    def _code(self) -> int:
        try:
            return self._process.wait(GOODBYE)
        except subprocess.TimeoutExpired:
            return UNKNOWN


def _start(script: Path, environment: Mapping[str, str]) -> _Process | None:
    """A new resident that is ready, or None if there can be none, here or now."""
    try:
        process = _Process(*_open(script, environment))
    except OSError:
        return None
    if process.is_ready():
        return process
    process.end()
    return None


def _open(script: Path, environment: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], int]:
    """A process with the descriptor that its output comes from."""
    answers, writer = os.pipe()
    try:
        return (
            subprocess.Popen(
                # Isolated and without site-packages: a library and nothing of Python's surroundings.
                (sys.executable, "-I", "-S", str(script)),
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=writer,
                env=dict(environment),
                # Ctrl-C is for us, who then let it finish.
                start_new_session=True,
            ),
            answers,
        )
    except OSError:
        os.close(answers)
        raise
    finally:
        os.close(writer)


def _end(process: subprocess.Popen[bytes], answers: int) -> None:
    """Let a resident finish what it does, and wait for it.

    Its output is closed only after its end: another thread may still read there.
    """
    if process.stdin is not None:
        process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(GOODBYE)
        os.close(answers)
