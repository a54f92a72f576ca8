"""tools/lab keeps its promises: statuses, streams, time limit, disks, and nothing left behind.

These tests start guests, so they run on the machine itself: `pytest tests/lab`.
"""

from __future__ import annotations

import hashlib
import os
import pty
import resource
import select
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

LAB = Path(__file__).resolve().parents[2] / "tools" / "lab"
# A guest takes about 3 s. This is for machines where other guests hold the cores, or do much else.
PATIENCE = 900
WAITING = b"lab: every core runs a guest; waiting for one to end\n"

pytestmark = pytest.mark.timeout(PATIENCE + 60)


def lab(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(
        [LAB, "run", *arguments], capture_output=True, timeout=PATIENCE, check=False, cwd=cwd
    )
    done.stderr = done.stderr.replace(WAITING, b"")
    return done


def sh(script: str, *options: str) -> str:
    """Output of a script in a guest; the script must succeed and say nothing else."""
    done = lab(*options, "--", "sh", "-ec", script)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode()


@pytest.fixture
def nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for the runs' files, which must be empty afterwards, with no process using it."""
    monkeypatch.setenv("LAB_DIR", str(tmp_path))
    yield tmp_path
    assert list(tmp_path.iterdir()) == []
    assert processes_that_name(tmp_path) == []


def processes_that_name(folder: Path) -> list[str]:
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(folder) in line:
            lines.append(line)
    return lines


@contextmanager
def started(script: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A lab that runs a script which has written its first line."""
    command = [str(LAB), "run", *options, "--", "sh", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield process
        finally:
            process.terminate()  # when the test itself failed


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("true",), 0),
        (("sh", "-c", "exit 3"), 3),
        (("sh", "-c", "kill -9 $$"), 128 + signal.SIGKILL),
        (("sh", "-c", "kill -TERM $$"), 128 + signal.SIGTERM),
        (("no-such-program",), 127),
    ],
)
def test_the_commands_status_is_the_labs(
    command: tuple[str, ...], expected: int, nothing_left: Path
) -> None:
    assert lab("--", *command).returncode == expected


def test_a_boot_takes_less_than_five_seconds() -> None:
    """Of computing: a machine that does other things as well takes longer by the clock."""
    lab("--", "true")  # packages and caches
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert lab("--", "true").returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime < 5


def test_output_arrives_while_the_command_runs(nothing_left: Path) -> None:
    with started("echo ready; sleep 100") as process:
        process.terminate()
        assert process.wait(PATIENCE) == 128 + signal.SIGTERM


def test_output_and_errors_stay_apart() -> None:
    done = lab("--", "sh", "-c", "echo out; echo err >&2; echo out")
    assert done.stdout == b"out\nout\n"
    assert done.stderr == b"err\n"


def test_five_megabytes_arrive_byte_for_byte(tmp_path: Path) -> None:
    block = bytes(range(256)) + b"\r\n\r\n\x03\x04\x11\x13\x00\xff"
    content = (block * (5_000_000 // len(block) + 1))[:5_000_000]
    file = tmp_path / "content"
    file.write_bytes(content)
    done = lab("--share", str(tmp_path), "--", "cat", str(file))
    assert done.returncode == 0
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(content).digest()


def test_a_slow_reader_gets_everything(nothing_left: Path) -> None:
    with started("echo ready; head -c 3000000 /dev/zero") as process:
        assert process.stdout is not None
        time.sleep(2)  # the guest has long filled every buffer by now
        assert process.stdout.read() == bytes(3_000_000)
        assert process.wait(PATIENCE) == 0


def test_the_lab_ends_when_nobody_reads_any_more(nothing_left: Path) -> None:
    with started("echo ready; exec yes") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(PATIENCE) == 128 + signal.SIGPIPE


def test_the_time_limit_ends_a_command_that_hangs(nothing_left: Path) -> None:
    done = lab("--timeout", "4", "--disk", "1G", "--", "sleep", "1000")
    assert done.returncode == 124
    assert b"longer than its time limit of 4 s" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_guest_and_leaves_nothing(
    number: signal.Signals, nothing_left: Path
) -> None:
    with started("sleep 500 & sleep 600 & echo ready; sleep 700", "--disk", "1G") as process:
        assert processes_that_name(nothing_left)
        process.send_signal(number)
        assert process.wait(PATIENCE) == 128 + number


def test_a_killed_lab_leaves_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_DIR", str(tmp_path))
    with started("sleep 500 & echo ready; sleep 700", "--disk", "1G") as process:
        process.kill()
        assert process.stdout is not None
        assert process.stdout.read() == b""  # ends when the guest closes it
    # Nobody is left to wait for them: the kernel ends them one by one.
    deadline = time.monotonic() + PATIENCE
    while processes_that_name(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_that_name(tmp_path) == []


def test_a_process_left_behind_does_not_keep_the_lab(nothing_left: Path) -> None:
    assert sh("setsid sleep 1000 & echo done") == "done\n"


def test_a_panic_is_an_error_and_says_why(nothing_left: Path) -> None:
    done = lab("--", "sh", "-c", "echo c >/proc/sysrq-trigger")
    assert done.returncode == 125
    assert b"the guest panicked: sysrq triggered crash" in done.stderr


def test_a_guest_out_of_memory_is_an_error(nothing_left: Path) -> None:
    eat = "x = []\nwhile True: x.append(b'x' * 1000000)"
    done = lab("--memory", "256M", "--", "python3", "-c", eat)
    assert done.returncode == 125
    assert b"Out of memory" in done.stderr


def test_disks_have_the_size_that_was_asked_for() -> None:
    wanted = [*(1 << 30 for _ in range(7)), 20 << 20, 300 << 20]
    options = [f"--disk={size}" for size in wanted]
    shown = sh('for d in $HEARTH_LAB_DISKS; do blockdev --getsize64 "$d"; done', *options)
    assert [int(line) for line in shown.split()] == wanted


def test_private_folders_are_private(tmp_path: Path) -> None:
    script = """
        for d in /run /tmp /etc/lvm /dev/shm; do
            findmnt --noheadings --output FSTYPE "$d"
            echo guest >"$d/hearth-lab-test"
        done
    """
    assert sh(script).split() == ["tmpfs"] * 4
    for folder in ("/run", "/tmp", "/etc/lvm", "/dev/shm"):
        assert not Path(folder, "hearth-lab-test").exists()


def test_the_folder_it_runs_in_is_shared_wherever_it_is(tmp_path: Path) -> None:
    (tmp_path / "input").write_text("from outside\n")
    done = lab("--", "sh", "-c", "pwd; cat input; echo made >output", cwd=tmp_path)
    assert done.stdout.decode() == f"{tmp_path}\nfrom outside\n"
    assert (tmp_path / "output").read_text() == "made\n"


def test_the_guest_is_a_usable_machine() -> None:
    script = """
        ip -brief address show lo | grep -qw 127.0.0.1/8
        python3 -c 'import os; os.getrandom(4096)'
        echo x | cat /dev/fd/0 /dev/stdin >/dev/null
        losetup --find >/dev/null
        modprobe dm-zero
        test "$(id -u)" = 0
        test "$DM_DISABLE_UDEV $HEARTH_LAB $GIVEN" = "1 guest yes"
        date +%s
    """
    shown = int(sh(script, "--env", "GIVEN=yes"))
    assert abs(shown - time.clock_gettime(time.CLOCK_REALTIME)) < 10


def test_two_guests_run_at_the_same_time(nothing_left: Path) -> None:
    with started("echo ready; sleep 3", "--disk", "1G") as first:
        assert sh("vgcreate --quiet --quiet same $HEARTH_LAB_DISKS", "--disk", "1G") == ""
        assert first.wait(PATIENCE) == 0


def test_lvm_makes_thin_and_raid_volumes_and_filesystems_on_them(nothing_left: Path) -> None:
    script = """
        exec 2>&1
        vgcreate -qq v $HEARTH_LAB_DISKS
        lvcreate -qq --type thin-pool --size 200M --name pool v
        lvcreate -qq --thin --virtualsize 1G --name thin v/pool
        lvcreate -qq --type raid1 --size 20M --name raid v
        lvcreate -qq --type snapshot --size 8M --name snap v/raid
        for fs in ext4 btrfs xfs; do
            wipefs -qa /dev/v/thin
            mkfs.$fs -q /dev/v/thin
            mount /dev/v/thin /mnt
            echo bytes >/mnt/file
            umount /mnt
        done
        lvs --noheadings --separator ' ' --options lv_name,segtype v
    """
    done = lab("--disk", "1G", "--disk", "1G", "--", "sh", "-ec", script)
    shown = done.stdout.decode()
    assert done.returncode == 0, shown
    for line in ("pool thin-pool", "thin thin", "raid raid1", "snap linear"):
        assert f"  {line}\n" in shown


def test_a_shell_has_a_terminal_of_the_callers_size(nothing_left: Path) -> None:
    outer, inner = pty.openpty()
    termios.tcsetwinsize(inner, (33, 77))
    before = termios.tcgetattr(inner)
    with subprocess.Popen([LAB, "shell"], stdin=inner, stdout=inner, stderr=inner) as shell:
        try:
            shown = read_until(outer, b"(lab)")
            os.write(outer, b"sh -c 'stty size; exec sleep 1000'\r")
            shown += read_until(outer, b"33 77")
            os.write(outer, b"\x03")  # ends the sleep, and nothing else
            os.write(outer, b"exit 5\r")
            assert shell.wait(PATIENCE) == 5, shown
        finally:
            shell.terminate()
    assert termios.tcgetattr(inner) == before
    os.close(inner)
    os.close(outer)


def read_until(descriptor: int, wanted: bytes) -> bytes:
    shown = b""
    while wanted not in shown:
        ready, _, _ = select.select([descriptor], [], [], PATIENCE)
        assert ready, shown
        shown += os.read(descriptor, 4096)
    return shown


def test_a_shell_without_a_terminal_is_refused() -> None:
    done = subprocess.run(
        [LAB, "shell"], stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 125
    assert b"a shell needs a terminal" in done.stderr


def test_the_host_mode_refuses_a_machine_without_device_mapper() -> None:
    done = lab("--host", "--", "true")
    # Not the node: any LVM program makes one, whether the kernel is able to serve it or not.
    if "device-mapper" in Path("/proc/misc").read_text():
        assert (done.returncode, done.stderr) == (0, b"")
    else:
        assert done.returncode == 125
        assert b"/dev/mapper/control cannot be used" in done.stderr


def test_the_host_mode_uses_loop_devices_and_gives_them_back(nothing_left: Path) -> None:
    """A guest is the machine with device-mapper here, and has a volume group of its own."""
    script = f"""
        vgcreate --quiet --quiet theirs $HEARTH_LAB_DISKS
        export LAB_DIR=/run
        {LAB} run --host --disk 500M --disk 300M -- sh -ec '
            test "$HEARTH_LAB" = host
            vgcreate -qq ours $HEARTH_LAB_DISKS
            lvcreate -qq --size 100M --name volume ours
            mkfs.ext4 -q /dev/ours/volume
            mount /dev/ours/volume /mnt
            vgs --noheadings --options vg_name
            setsid sleep 1000 &
        '
        vgs --noheadings --options vg_name
        dmsetup ls
        losetup --all
        ls -d /run/hearth-lab-* || true
    """
    done = lab("--disk", "1G", "--", "sh", "-ec", script)
    assert done.returncode == 0
    assert done.stdout.split() == [b"ours", b"theirs", b"No", b"devices", b"found"]


def test_a_guest_refuses_to_start_a_guest() -> None:
    done = lab("--", str(LAB), "run", "--", "true")
    assert done.returncode == 125
    assert b"this is a guest of the lab already" in done.stderr
