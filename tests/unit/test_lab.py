"""The parts of tools/lab that need no guest: its command line, the kernel's, sizes and statuses."""

from __future__ import annotations

import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tools.labkit import (
    cores,
    errors,
    host,
    job,
    kernel,
    options,
    packages,
    sizes,
    status,
    workplace,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1048576", 1 << 20),
        ("300M", 300 << 20),
        ("2g", 2 << 30),
        ("1GiB", 1 << 30),
        ("1T", 1 << 40),
    ],
)
def test_a_size_is_a_number_with_a_binary_unit(text: str, size: int) -> None:
    assert sizes.parse(text) == size


@pytest.mark.parametrize("text", ["", "0", "0G", "-1M", "1.5G", "1P", "G", "1 G x"])
def test_what_is_no_size_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(errors.LabFailed, match="is no size"):
        sizes.parse(text)


def test_everything_after_the_dashes_is_the_command() -> None:
    given = ["run", "--disk", "1G", "--disk", "20M", "--timeout", "5", "--", "sh", "-c", "--disk"]
    chosen = options.parse(given, {})
    assert chosen.command == ("sh", "-c", "--disk")
    assert chosen.disks == (1 << 30, 20 << 20)
    assert chosen.timeout == 5
    assert chosen.memory == 2 << 30
    assert not chosen.interactive
    assert not chosen.on_host


def test_a_shell_has_no_time_limit() -> None:
    chosen = options.parse(["shell", "--disk", "1G"], {})
    assert chosen.interactive
    assert chosen.timeout is None
    assert chosen.disks == (1 << 30,)


def test_variables_are_passed_on_by_name_or_set() -> None:
    given = ["run", "--env", "A", "--env", "B=x=y", "--env", "C=", "--", "true"]
    chosen = options.parse(given, {"A": "from outside", "B": "unused"})
    assert chosen.environment == (("A", "from outside"), ("B", "x=y"), ("C", ""))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["run"], "no command was given"),
        (["run", "--"], "no command was given"),
        (["run", "--disk", "much", "--", "true"], "'much' is no size"),
        (["run", "--timeout", "0", "--", "true"], "more than 0 seconds"),
        (["run", "--timeout", "nan", "--", "true"], "more than 0 seconds"),
        (["run", "--env", "NOT_SET", "--", "true"], "NOT_SET is not set"),
        (["run", "--env", "a-b=1", "--", "true"], "'a-b' is no name"),
        (["run", "--cpu", "4096", "--", "true"], "there is no core '4096'"),
        (["run", *["--disk=1G"] * 17, "--", "true"], "17 disks were asked for, 16 are possible"),
    ],
)
def test_a_command_line_that_cannot_work_is_refused(given: list[str], says: str) -> None:
    with pytest.raises(errors.LabFailed, match=says):
        options.parse(given, {})


def test_a_core_is_chosen_by_number_or_left_open() -> None:
    assert options.choose_cpu(None, {3, 5}) is None
    assert options.choose_cpu("5", {3, 5}) == 5


@pytest.fixture
def two_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cores 0 and 1, of which no guest of this machine knows."""
    for core in (0, 1):
        (tmp_path / f"cpu{core}").mkdir()
    monkeypatch.setattr(cores, "FOLDER", str(tmp_path / "cpu{core}"))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})


@pytest.mark.usefixtures("two_cores")
def test_each_guest_gets_a_core_of_its_own() -> None:
    with cores.held(None) as first, cores.held(None) as second:
        assert {first, second} == {0, 1}
    with cores.held(1) as wanted:
        assert wanted == 1


@pytest.mark.usefixtures("two_cores")
def test_a_guest_waits_for_whichever_core_is_free_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def third() -> int:
        with cores.held(None) as core:
            return core

    with ThreadPoolExecutor() as pool, cores.held(0):
        with cores.held(1):
            waiting = pool.submit(third)
            with pytest.raises(TimeoutError):
                waiting.result(0.2)
        assert waiting.result(10) == 1
    assert "waiting for one to end" in capsys.readouterr().err


@pytest.mark.usefixtures("two_cores")
def test_a_shell_waits_for_nobody() -> None:
    with cores.held(0), cores.held(1), cores.shared(None) as core:
        assert core in {0, 1}


def test_the_kernel_gets_its_disks_by_descriptor_and_its_consoles_in_order() -> None:
    command = kernel.command_line(
        kernel.INSTALLED,
        Path("/var/tmp/run"),
        memory=1 << 30,
        disks=[7, 9],
        consoles=["null,fd:4", "null,fd:5"],
    )
    assert command[0] == kernel.INSTALLED.program
    assert {
        "mem=1048576K",
        "rootfstype=hostfs",
        "init=/var/tmp/run/init",
        "uml_dir=/var/tmp/run",
        "con1=null,fd:4",
        "con2=null,fd:5",
        "ubda=/proc/self/fd/7",
        "ubdb=/proc/self/fd/9",
    } <= set(command)


def test_a_newer_kernel_is_used_where_it_was_seen_to_work(tmp_path: Path) -> None:
    assert kernel.found({}, tmp_path) == kernel.INSTALLED
    (tmp_path / kernel.WORKS).write_text("/somewhere/else\n")
    assert kernel.found({}, tmp_path) == kernel.INSTALLED
    (tmp_path / kernel.WORKS).write_text(f"{tmp_path}\n")
    assert kernel.found({}, tmp_path) == kernel.unpacked(tmp_path)
    assert kernel.found({"LAB_KERNEL": "installed"}, tmp_path) == kernel.INSTALLED
    assert kernel.found({"LAB_KERNEL": "/other"}, tmp_path) == kernel.unpacked(Path("/other"))


def test_disks_are_named_in_the_order_they_were_asked_for() -> None:
    assert kernel.disk_names(3) == ("/dev/ubda", "/dev/ubdb", "/dev/ubdc")
    assert kernel.disk_names(options.MAX_DISKS)[-1] == "/dev/ubdp"


def test_memory_goes_where_there_is_room(tmp_path: Path) -> None:
    assert kernel.memory_folder(1 << 20, [tmp_path / "absent", tmp_path]) == tmp_path
    with pytest.raises(errors.LabFailed, match="MiB free for the guest's memory"):
        kernel.memory_folder(1 << 60, [tmp_path])


def run_job(tmp_path: Path, function: str, text: str) -> str:
    file = tmp_path / "job"
    file.write_text(f'share() {{ echo "share <$1>"; }}\n{text}{function}\n')
    return subprocess.run(["sh", file], capture_output=True, text=True, check=True).stdout


def test_the_job_becomes_the_command_exactly(tmp_path: Path) -> None:
    odd = "a 'b' \"c\" $HOME `id`\n;*"
    text = job.render(
        ["python3", "-c", "import os, sys; print([*sys.argv[1:], os.getcwd(), *os.environ])", odd],
        folder=tmp_path,
        modules=Path("/m"),
        environment={"ODD": odd, "PATH": "/usr/bin:/bin"},
        shares=[],
    )
    shown = run_job(tmp_path, "become_command", text)
    # PWD is the shell's doing; python itself may add LC_CTYPE.
    assert shown.startswith(str([odd, str(tmp_path)])[:-1])
    assert "'ODD'" in shown
    assert "HEARTH" not in shown


def test_only_folders_hidden_by_private_ones_are_shared(tmp_path: Path) -> None:
    folders = [Path("/tmp/a b/c"), Path("/tmp/a b"), Path("/srv"), Path("/run/x"), Path("/tmp")]
    text = job.render(
        ["true"], folder=Path("/"), environment={}, modules=Path("/m"), shares=folders
    )
    assert run_job(tmp_path, "mount_shares", text) == "share </run/x>\nshare </tmp/a b>\n"


def test_the_environment_is_small_and_finds_system_programs() -> None:
    caller = {"PATH": "/venv/bin:/usr/bin", "HOME": "/nowhere/me", "SECRET": "x"}
    made = job.environment_for(caller, disks=["/dev/ubda", "/dev/ubdb"], kind="guest")
    assert made["HEARTH_LAB"] == "guest"
    assert made["HEARTH_LAB_DISKS"] == "/dev/ubda /dev/ubdb"
    assert made["HOME"] == "/nowhere/me"
    assert made["PATH"].startswith("/venv/bin:/usr/bin:")
    assert "/usr/sbin" in made["PATH"].split(":")
    assert "SECRET" not in made


def test_a_signal_is_reported_as_a_shell_does() -> None:
    assert status.of_signal(signal.SIGKILL) == 137
    assert status.of_process(-signal.SIGTERM) == 143
    assert status.of_process(3) == 3


def test_the_guests_status_is_carried_out(tmp_path: Path) -> None:
    file = tmp_path / "status"
    file.write_text("37\n")
    assert status.read(file, "") == 37


def test_a_guest_without_a_status_died_of_what_its_kernel_says(tmp_path: Path) -> None:
    console = "before\nKernel panic - not syncing: Out of memory: no more\nCPU: 0\nCall Trace:\n"
    with pytest.raises(errors.LabFailed, match="panicked: Out of memory: no more") as raised:
        status.read(tmp_path / "absent", console)
    assert "before" in str(raised.value)
    assert "Call Trace" not in str(raised.value)
    (tmp_path / "empty").touch()
    with pytest.raises(errors.LabFailed, match="ended before its command did"):
        status.read(tmp_path / "empty", "")


@pytest.mark.parametrize("folder", ["/dev/shm", "/proc/self", "/absent"])
def test_a_folder_that_cannot_serve_a_guest_is_refused(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_DIR", folder)
    with pytest.raises(errors.LabFailed, match=folder), workplace.folder():
        pass


def test_packages_are_read_from_the_one_place_for_versions() -> None:
    names = packages.needed(packages.VERSIONS.read_text())
    assert {"user-mode-linux", "lvm2", "thin-provisioning-tools", "kmod"} <= set(names)
    with pytest.raises(errors.LabFailed, match="DEBIAN_PACKAGES"):
        packages.needed("OTHER=1\n")


def test_the_host_modes_lvm_sees_its_own_loop_devices_only() -> None:
    text = host.lvm_configuration(["/dev/loop3", "/dev/loop12"], udev=False)
    assert 'global_filter = [ "a|^/dev/loop3$|", "a|^/dev/loop12$|", "r|.*|" ]' in text
    assert "udev_sync = 0" in text
    assert "udev_sync = 1" in host.lvm_configuration([], udev=True)


def test_mounts_left_on_a_device_are_found_deepest_first() -> None:
    volume = {"name": "v-l", "mountpoints": ["/mnt", "/mnt/again", None]}
    tree = {"blockdevices": [{"name": "loop0", "mountpoints": [None], "children": [volume]}]}
    assert host.mount_points(tree) == ["/mnt/again", "/mnt"]


def test_the_first_process_of_a_guest_is_a_valid_script() -> None:
    script = Path(kernel.__file__).with_name("init.sh")
    subprocess.run(["sh", "-n", script], check=True)
