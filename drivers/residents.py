"""Programs that stay: one process that takes command after command, where starting costs more than the work.

An ``lvm`` process spends nearly all of its time on being started. Its library, kept loaded in a process of
its own, does the same in a tenth. Nothing else changes: the resident works for one command at a time, goes
on with it if this process dies, and ends when its input does. Whatever it cannot take is left to an
ordinary process, so a machine without the library is slower and nothing more.
"""

from __future__ import annotations

import logging
import subprocess
import sys
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
GOODBYE = 5.0
"""Seconds to wait for the end of a resident. One that hangs is left alone, as LVM is never cut off."""
LIFE = 10_000
"""Commands after which a resident makes room for a new one, should its library leak."""

Said = tuple[int, str, str]
"""Exit status, standard output and standard error of a command."""


@dataclass(frozen=True, slots=True)
class Resident:
    """A program that may be kept.

    ``script`` is a file of Python that is given the environment of the command. It says ``ready`` in a
    line, then reads commands, one a line, words divided by spaces, and answers each with a line of three
    numbers, the exit status and the lengths of both outputs, and with these. ``state`` stands for what it
    read when it started: if that is another one, it has to start anew.
    """

    script: Path
    state: tuple[int, ...] = ()


class Residents:
    """The residents of one door to programs. For any number of threads."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._homes: dict[tuple[Path, frozenset[tuple[str, str]]], _Home] = {}

    def ask(
        self, resident: Resident, words: Sequence[str], environment: Mapping[str, str]
    ) -> Said | None:
        """What a command said; None if nothing was begun, because the resident is busy or not to be had.

        A resident that dies at its work has the exit status of its death: as of a process that was
        killed, nobody knows what it has done.
        """
        home = self._home(resident.script, environment)
        if not home.free.acquire(timeout=PATIENCE):
            return None
        try:
            return home.ask(resident, words)
        finally:
            home.free.release()

    def _home(self, script: Path, environment: Mapping[str, str]) -> _Home:
        with self._guard:
            key = script, frozenset(environment.items())
            return self._homes.setdefault(key, _Home(dict(environment)))


class _Home:
    """The place of one resident, who comes when there is work and may be replaced."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.free = Lock()
        self._environment = environment
        self._of = Resident(Path())
        self._process: _Process | None = None

    def ask(self, resident: Resident, words: Sequence[str]) -> Said | None:
        if self._of != resident or (self._process is not None and self._process.is_old):
            self._leave()
            self._of, self._process = resident, _start(resident.script, self._environment)
        if self._process is None:
            return None
        try:
            return self._process.ask(words)
        except _Gone as gone:
            log.warning("%s ended with status %d and is started anew", words[0], gone.code)
            self._leave()
            self._of = Resident(Path())
            return (
                (gone.code, "", f"the process that ran it ended: {gone.code}")
                if gone.at_work
                else None
            )

    def _leave(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None


class _Gone(Exception):
    """A resident has died; ``at_work``: after it was given a command."""

    def __init__(self, code: int, at_work: bool) -> None:
        self.code = code
        self.at_work = at_work


class _Process:
    """A resident at work, from its start to its end."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._questions = cast(IO[bytes], process.stdin)
        self._answers = cast(IO[bytes], process.stdout)
        self._asked = 0
        self.end = weakref.finalize(self, _end, process)

    @property
    def is_old(self) -> bool:
        return self._asked >= LIFE

    def is_ready(self) -> bool:
        return self._answers.readline() == b"ready\n"

    def ask(self, words: Sequence[str]) -> Said:
        self._asked += 1
        # The start of a program is told to audit hooks too; the compliance kit kills processes there.
        sys.audit("drivers.residents.ask", *words[:3])
        try:
            self._questions.write(" ".join(words).encode() + b"\n")
            self._questions.flush()
        except BrokenPipeError:
            raise _Gone(self._process.wait(), at_work=False) from None
        head = self._answers.readline().split()
        lengths = [int(each) for each in head[1:]]
        texts = [self._answers.read(length) for length in lengths]
        if len(texts) != 2 or [len(text) for text in texts] != lengths:
            raise _Gone(self._process.wait(), at_work=True)
        out, err = (text.decode("utf-8", "replace") for text in texts)
        return int(head[0]), out, err


def _start(script: Path, environment: Mapping[str, str]) -> _Process | None:
    """A new resident that is ready, or None if it cannot work on this machine."""
    process = _Process(
        subprocess.Popen(
            # Isolated and without site-packages: a library and nothing of Python's surroundings.
            (sys.executable, "-I", "-S", str(script)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=dict(environment),
            # Ctrl-C is for us, who then let it finish.
            start_new_session=True,
        )
    )
    if process.is_ready():
        return process
    process.end()
    log.warning("%s cannot be kept running here; each command starts a process", script.stem)
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let a resident finish what it does, and wait for it."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):  # of a command that was never read
                pipe.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(GOODBYE)
