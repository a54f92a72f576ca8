"""One guest: a user-mode Linux process from its start to its last trace."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tools.labkit import cores, errors, job, kernel, status, stop, streams, terminal, workplace
from tools.labkit.options import Options

CHECKOUT = Path(__file__).resolve().parents[2]
INIT = Path(__file__).with_name("init.sh")
# How long to go on delivering output after the guest was killed, when its reader may be stuck.
LAST_WORDS = 5.0


@dataclass(frozen=True, slots=True)
class Wires:
    """The pipes between the guest and the caller, and the threads at the caller's ends."""

    consoles: tuple[str, ...]  # what the guest's terminals tty1 and up are connected to
    ends: tuple[int, ...]  # what the guest holds of them
    log_end: int
    log: streams.Tail
    pumps: tuple[streams.Pump, ...]

    def start(self) -> None:
        """Begin to read, which a guest may need before it can go on."""
        for pump in (*self.pumps, self.log):
            pump.start()

    def deliver(self, within: float | None) -> None:
        """Wait until all that the guest wrote has arrived."""
        for pump in (*self.pumps, self.log):
            pump.join(within)


def run(options: Options) -> int:
    """Run the command in a guest of its own and return the status to exit with."""
    if options.interactive and not sys.stdin.isatty():
        raise errors.LabFailed("a shell needs a terminal: use `tools/lab run` in scripts")
    stop.adopt_orphans()
    stopper = stop.Stopper()
    with ExitStack() as stack:
        use = cores.shared if options.interactive else cores.held
        core = stack.enter_context(use(options.cpu))
        stack.enter_context(stopper.listening())
        folder = stack.enter_context(workplace.folder())
        disks = [
            stack.enter_context(workplace.disk_file(folder / "disk", size))
            for size in options.disks
        ]
        _prepare(folder, options)
        log = _boot(folder, options, core, disks, stopper)
        if stopper.signal is not None:
            return status.of_signal(stopper.signal)
        return status.read(folder / "status", log)


def _boot(
    folder: Path, options: Options, core: int, disks: Sequence[int], stopper: stop.Stopper
) -> str:
    """Start the guest, wait for its end, and return its kernel's messages."""
    wires = _interactive_wires() if options.interactive else _wires()
    command = kernel.command_line(
        kernel.found(os.environ),
        folder,
        memory=options.memory,
        disks=disks,
        consoles=wires.consoles,
    )
    process = subprocess.Popen(
        [*kernel.pinned(core), *kernel.process_namespace(), *command],
        stdin=subprocess.DEVNULL,
        stdout=wires.log_end,
        stderr=wires.log_end,
        pass_fds=[*wires.ends, *disks],
        env={"PATH": os.defpath, "TMPDIR": str(kernel.memory_folder(options.memory))},
        start_new_session=True,
    )
    for end in (*wires.ends, wires.log_end):
        os.close(end)
    with terminal.raw(sys.stdin.fileno(), wanted=options.interactive):
        in_time = stopper.wait(process, options.timeout)
        wires.deliver(None if in_time and stopper.signal is None else LAST_WORDS)
    if not in_time:
        raise errors.TimeLimit(
            f"the command ran longer than its time limit of {options.timeout:g} s; "
            "the guest was stopped"
        )
    return wires.log.text()


def _wires() -> Wires:
    """Output and error output of a command, each on a console of its own."""
    log_source, log_end = os.pipe()
    output_source, output_end = os.pipe()
    error_source, error_end = os.pipe()
    wires = Wires(
        consoles=(f"null,fd:{output_end}", f"null,fd:{error_end}"),
        ends=(output_end, error_end),
        log_end=log_end,
        log=streams.Tail(log_source),
        pumps=(
            streams.Pump(output_source, sys.stdout.fileno()),
            streams.Pump(error_source, sys.stderr.fileno()),
        ),
    )
    wires.start()
    return wires


def _interactive_wires() -> Wires:
    """One console in both directions, for a person."""
    log_source, log_end = os.pipe()
    output_source, output_end = os.pipe()
    input_end, input_target = os.pipe()
    wires = Wires(
        consoles=(f"fd:{input_end},fd:{output_end}",),
        ends=(input_end, output_end),
        log_end=log_end,
        log=streams.Tail(log_source),
        pumps=(streams.Pump(output_source, sys.stdout.fileno()),),
    )
    wires.start()
    # Not waited for: it ends with the program, as a read from a terminal cannot be called off.
    streams.Pump(sys.stdin.fileno(), input_target).start()
    return wires


def _prepare(folder: Path, options: Options) -> None:
    """Leave in the folder what the guest's first process is and reads."""
    shutil.copy(INIT, folder / "init")
    environment = job.environment_for(
        os.environ, disks=kernel.disk_names(len(options.disks)), kind="guest"
    )
    environment["DM_DISABLE_UDEV"] = "1"  # dmsetup makes no nodes otherwise
    if options.interactive:
        environment["PS1"] = r"(lab) \w\$ "
    environment.update(options.environment)
    here = Path.cwd()
    text = job.render(
        options.command,
        folder=here,
        environment=environment,
        modules=kernel.found(os.environ).modules,
        shares=[here, CHECKOUT, folder, *options.shares],
        terminal=terminal.size(sys.stdin.fileno()) if options.interactive else None,
    )
    (folder / "job").write_text(text)
