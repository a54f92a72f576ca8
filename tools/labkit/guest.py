"""One guest: a user-mode Linux process from its start to its last trace."""

import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tools.labkit import errors, job, kernel, status, streams
from tools.labkit.options import Options

CHECKOUT = Path(__file__).resolve().parents[2]
INIT = Path(__file__).with_name("init.sh")
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(options: Options) -> int:
    """Run the command in a guest of its own and return the status to exit with."""
    with _folder() as folder, _disks(folder, options.disks) as disks:
        _prepare(folder, options)
        return _Guest(folder, options, disks).run()


class _Guest:
    def __init__(self, folder: Path, options: Options, disks: Sequence[int]) -> None:
        self._folder = folder
        self._options = options
        self._disks = disks
        self._process: subprocess.Popen[bytes] | None = None
        self._signal: int | None = None

    def run(self) -> int:
        out, err, console = streams.Pipe(), streams.Pipe(), streams.Pipe()
        log = streams.Tail(console)
        pumps = [
            streams.Pump(out, sys.stdout.fileno(), self._consumer_gone),
            streams.Pump(err, sys.stderr.fileno(), self._consumer_gone),
            log,
        ]
        previous = {number: signal.signal(number, self._interrupted) for number in STOPPING}
        try:
            ended = self._boot_and_wait(out, err, console, pumps)
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
        if self._signal is not None:
            return status.of_signal(self._signal)
        if not ended:
            raise errors.TimeLimit(f"the time limit of {self._options.timeout:g} s passed")
        return status.read(self._folder / "status", log.text())

    def _boot_and_wait(
        self,
        out: streams.Pipe,
        err: streams.Pipe,
        console: streams.Pipe,
        pumps: Sequence[threading.Thread],
    ) -> bool:
        """True when the guest ended by itself, or was told to by a signal."""
        command = kernel.command_line(
            self._folder,
            memory=self._options.memory,
            cpu=self._options.cpu,
            disks=self._disks,
            consoles=[f"null,fd:{pipe.writer}" for pipe in (out, err)],
        )
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=console.writer,
            stderr=console.writer,
            pass_fds=[out.writer, err.writer, *self._disks],
            env={
                "PATH": os.defpath,
                "TMPDIR": str(kernel.memory_folder(self._options.memory)),
            },
            start_new_session=True,
        ) as process:
            self._process = process
            for pipe, pump in zip((out, err, console), pumps, strict=True):
                pipe.close_writer()
                pump.start()
            if self._signal is not None:
                self.kill()
            ended = _wait(process, self._options.timeout)
            self.kill()
        for pump in pumps:
            pump.join(None if ended else 5)
        return ended

    def kill(self) -> None:
        """Kill every process of the guest. Its first is not reaped yet, so the group is ours."""
        if self._process is not None and self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        self._signal = number
        self.kill()

    def _consumer_gone(self) -> None:
        self._signal = signal.SIGPIPE
        self.kill()


def _wait(process: subprocess.Popen[bytes], timeout: float | None) -> bool:
    """Wait for the end without reaping; False when the time is over before."""
    pidfd = os.pidfd_open(process.pid)
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return bool(poll.poll(None if timeout is None else timeout * 1000))
    finally:
        os.close(pidfd)


def _prepare(folder: Path, options: Options) -> None:
    shutil.copy(INIT, folder / "init")
    environment = job.environment_for(
        os.environ, disks=kernel.disk_names(len(options.disks)), kind="guest"
    )
    environment["DM_DISABLE_UDEV"] = "1"  # dmsetup makes no nodes otherwise
    environment.update(options.environment)
    here = Path.cwd()
    text = job.render(
        options.command,
        folder=here,
        environment=environment,
        shares=[here, CHECKOUT, folder, *options.shares],
    )
    (folder / "job").write_text(text)


@contextmanager
def _folder() -> Iterator[Path]:
    parent = Path(os.environ.get("LAB_DIR", "/var/tmp"))  # noqa: S108
    with tempfile.TemporaryDirectory(prefix="hearth-lab-", dir=parent) as folder:
        yield Path(folder)


@contextmanager
def _disks(folder: Path, sizes: Sequence[int]) -> Iterator[list[int]]:
    """Open sparse files without a name, one per disk."""
    opened: list[int] = []
    try:
        for size in sizes:
            path = folder / "disk"
            opened.append(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            path.unlink()
            os.truncate(opened[-1], size)
        yield opened
    finally:
        for descriptor in opened:
            os.close(descriptor)
