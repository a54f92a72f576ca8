"""The one door to other programs.

Everything that starts a process goes through a `Run`. That gives one place for the environment, the
deadline, the exit status and the log line, and one seam where a test puts a stateful fake instead.
Nothing else but `drivers.residents`, which it uses, imports ``subprocess`` (an import contract holds it
to that).
"""

from __future__ import annotations

import logging
import os
import select
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from drivers.errors import Busy, CommandFailed, Unavailable
from drivers.residents import PATIENCE, Resident, Residents, Said

log = logging.getLogger(__name__)

Arg = str | os.PathLike[str]
Observe = Callable[[str, int, float], None]
"""Called after each program with its name, exit status and seconds."""

deadline: ContextVar[float | None] = ContextVar("deadline", default=None)
"""When the present caller stops waiting, on `time.monotonic`'s clock; None: it waits for ever."""

# os.defpath lacks sbin, and LVM would be "not installed".
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NOTHING: Mapping[str, str] = MappingProxyType({})


def remaining() -> float | None:
    """Seconds until the caller's deadline, never below zero; None without one."""
    at = deadline.get()
    return None if at is None else max(0.0, at - time.monotonic())


@contextmanager
def soon(seconds: float) -> Iterator[None]:
    """For the block, the caller waits for ``seconds`` at most: for questions that can do without."""
    left = remaining()
    token = deadline.set(time.monotonic() + (seconds if left is None else min(seconds, left)))
    try:
        yield
    finally:
        deadline.reset(token)


@contextmanager
def unhurried() -> Iterator[None]:
    """For the block, nobody's deadline counts: for changes of several steps that must be finished."""
    token = deadline.set(None)
    try:
        yield
    finally:
        deadline.reset(token)


@dataclass(frozen=True, slots=True)
class Result:
    """A program that has ended. ``code`` is negative for a signal."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str


class Run(Protocol):
    """How a program is started by everybody."""

    def __call__(
        self,
        argv: Sequence[Arg],
        *,
        ok: Sequence[int] = (0,),
        wait: bool = False,
        pass_fds: Sequence[int] = (),
        environment: Mapping[str, str] = NOTHING,
        resident: Resident | None = None,
    ) -> Result:
        """Run ``argv`` with an empty standard input and return what it said.

        An exit status outside ``ok`` raises `CommandFailed`. ``wait`` lets the program outlive the
        caller's deadline: interrupting a change of LVM metadata is worse than answering late.
        Without it the program gets SIGTERM at the deadline and the call raises `Busy`.
        ``pass_fds`` stay open in the program under their own numbers; ``environment`` is added to
        what every program gets. ``resident`` may take the command instead of a new process: for
        commands that end by themselves and soon, and are given ``wait``.
        """
        ...

    def step(self, what: str) -> None:
        """Say that an effect which is no program is about to happen: blocks zeroed, a chunk copied.

        Does nothing here. A crash test stops the process at these points, as it does around every
        program.
        """
        ...


class Host:
    """The real `Run`: processes of this host."""

    def __init__(
        self,
        *,
        environment: Mapping[str, str] = NOTHING,
        observe: Observe = lambda _program, _code, _seconds: None,
        grace: float = 5.0,
    ) -> None:
        self._environment = {"LC_ALL": "C", "PATH": PATH, **environment}
        self._observe = observe
        self._grace = grace
        self._residents = Residents()

    def step(self, what: str) -> None:
        """See `Run.step`."""

    def __call__(
        self,
        argv: Sequence[Arg],
        *,
        ok: Sequence[int] = (0,),
        wait: bool = False,
        pass_fds: Sequence[int] = (),
        environment: Mapping[str, str] = NOTHING,
        resident: Resident | None = None,
    ) -> Result:
        args = tuple(os.fspath(arg) for arg in argv)
        began = time.monotonic()
        surroundings = {**self._environment, **environment}
        said = self._ask(resident, args, surroundings) if resident else None
        result = (
            Result(args, *said)
            if said
            else self._finish(args, None if wait else remaining(), pass_fds, surroundings)
        )
        seconds = time.monotonic() - began
        log.debug("%s -> %d in %.3f s", shlex.join(args), result.code, seconds)
        self._observe(args[0], result.code, seconds)
        if result.code not in ok:
            raise CommandFailed(args[0], result.code, result.stderr)
        return result

    def _ask(
        self, resident: Resident, args: tuple[str, ...], environment: Mapping[str, str]
    ) -> Said | None:
        left = remaining()
        patience = PATIENCE if left is None else left
        return self._residents.ask(resident, args, environment, patience)

    def _finish(
        self,
        args: tuple[str, ...],
        timeout: float | None,
        pass_fds: Sequence[int],
        environment: Mapping[str, str],
    ) -> Result:
        try:
            process = subprocess.Popen(
                args,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                env=environment,
                pass_fds=tuple(pass_fds),
                # Ignored as it is here: if this process dies, LVM finishes its change though nobody
                # reads what it says.
                restore_signals=False,
            )
        except FileNotFoundError:
            raise Unavailable(f"the program {args[0]} is not installed on this node") from None
        except OSError as error:
            raise Unavailable(f"{args[0]} cannot be started: {error.strerror}") from error
        with process:
            try:
                out, err = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                self._end(process)
                raise Busy(f"{args[0]} did not finish in time; ask again") from None
        return Result(args, process.returncode, out, err)

    def _end(self, process: subprocess.Popen[str]) -> None:
        # subprocess.run(timeout=) kills at once. LVM blocks SIGTERM while it holds a VG's lock, so
        # SIGTERM never cuts a metadata change in half, and SIGKILL may freeze devices.
        process.terminate()
        try:
            process.communicate(timeout=self._grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


class Companion:
    """A program that works beside this one, and learns of its end by the end of its input."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._given_up = False
        self._output = process.stdout.fileno() if process.stdout else -1

    def hear(self, seconds: float | None = None) -> bytes | None:
        """Wait for what it says next, at most a KiB; empty once it has ended, None if that takes longer."""
        poll = select.poll()
        poll.register(self._output, select.POLLIN)
        waited = poll.poll(None if seconds is None else max(0.0, seconds) * 1000)
        return os.read(self._output, 1024) if waited else None

    def hear_all(self, seconds: float) -> bytes | None:
        """All that it, and what it has begun, says until all of them have ended; None if they do not."""
        heard, until = b"", time.monotonic() + seconds
        while (said := self.hear(until - time.monotonic())) is not None:
            if not said:
                return heard
            heard += said
        return None

    def tell(self, words: bytes) -> None:
        """Give it input. One that has ended does not mind."""
        with suppress(BrokenPipeError):
            while words and self._process.stdin:
                # Past the buffer, which would try again, and fail, when it is closed.
                words = words[os.write(self._process.stdin.fileno(), words) :]

    def kill(self) -> None:
        """End it at once. Only for what leaves nothing half done that nobody mends."""
        self._process.kill()

    def release(self, seconds: float | None = None) -> int | None:
        """End its input, wait, and return its exit status (negative for a signal).

        None if that takes longer: one that hangs in the kernel cannot even be killed. Nobody waits for it
        any more then.
        """
        if self._process.stdin:
            self._process.stdin.close()
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._given_up = True
            return None

    def close(self) -> None:
        """As `release`, and hear no more of it; does not wait for one that was given up."""
        if self._process.stdout:
            self._process.stdout.close()
        self.release(0 if self._given_up else None)


@contextmanager
def companion(argv: Sequence[Arg]) -> Iterator[Companion]:
    """Run a program for the length of the block.

    When the block ends, or this process dies, its standard input ends, and so must the program. Raises
    `Unavailable` before the block if it cannot be started.
    """
    process = Companion(_begun(tuple(os.fspath(arg) for arg in argv)))
    try:
        yield process
    finally:
        process.close()


def _begun(args: tuple[str, ...]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            args,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"LC_ALL": "C", "PATH": PATH},
        )
    except OSError as error:
        raise Unavailable(f"{args[0]} cannot be started: {error.strerror}") from error
