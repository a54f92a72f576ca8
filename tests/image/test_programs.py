"""Every program that may be started is in the image, and works there."""

from __future__ import annotations

import pytest

from drivers.lvm.config import LOCKS, by_hand
from tests.image.container import ROOT, Container
from tests.image.started import programs

SOME_OF_THEM = {"lvm", "blkid", "e2fsck", "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs", "xfs_admin"}
ABSENT = (
    *("gcc", "cc", "c++", "make", "ld", "strip", "pip", "pip3", "apt-get", "perl"),
    *("curl", "wget", "openssl", "passwd"),
)
FILESYSTEMS = {
    "ext4": "mkfs.ext4 -F -q /tmp/disk; e2fsck -fy /tmp/disk; tune2fs -U random /tmp/disk",
    "xfs": "mkfs.xfs -q -f /tmp/disk; xfs_admin -U generate /tmp/disk",
    "btrfs": "mkfs.btrfs -q -f /tmp/disk; btrfstune -m /tmp/disk",
}


def test_the_code_is_read_as_it_is_meant() -> None:
    assert set(programs()) > SOME_OF_THEM
    assert all(name.replace(".", "").replace("_", "").isalnum() for name in programs())


@pytest.mark.parametrize("program", programs())
def test_it_is_there_with_its_libraries(container: Container, program: str) -> None:
    script = f"path=$(command -v {program}); ldd $path || true; echo is $path"
    said = container.run("sh", "-ec", script)
    assert "not found" not in said
    assert "is /" in said


@pytest.mark.parametrize("program", ABSENT)
def test_what_nobody_starts_is_not_there(container: Container, program: str) -> None:
    assert container.attempt(["sh", "-c", f"command -v {program}"]).returncode != 0


@pytest.mark.parametrize("fs_type", FILESYSTEMS)
def test_a_file_can_be_formatted(container: Container, fs_type: str) -> None:
    script = f"truncate --size 512M /tmp/disk; {FILESYSTEMS[fs_type]}; blkid -p /tmp/disk"
    assert f'TYPE="{fs_type}"' in container.run("sh", "-ec", script)


def test_lvm_answers_as_a_program(container: Container) -> None:
    assert "LVM version" in container.run("lvm", "version", user=ROOT)


@pytest.mark.parametrize("key", ["udev_sync", "udev_rules", "monitoring"])
def test_lvm_by_hand_waits_for_no_udevd(container: Container, key: str) -> None:
    """In a pod it would for ever, with the host's lock of the group; `hearth backend create` as well."""
    said = container.run("lvm", "config", f"activation/{key}", user=ROOT)
    assert said.strip() == f"{key}=0"


def test_lvm_by_hand_takes_the_locks_of_the_host(container: Container) -> None:
    said = container.run("lvm", "config", "global/locking_dir", "global/use_lvmpolld", user=ROOT)
    assert said.splitlines() == [f'locking_dir="{LOCKS}"', "use_lvmpolld=0"]


def test_lvm_by_hand_has_the_configuration_of_the_code(container: Container) -> None:
    assert (container.files / "etc/lvm/lvm.conf").read_text() == by_hand()


def test_lvm_answers_as_a_library_that_is_kept(container: Container) -> None:
    script = container.run(
        "python3", "-c", "from drivers.lvm import resident; print(resident.__file__)"
    )
    said = container.run("python3", script.strip(), user=ROOT, text="lvm version\n")
    assert said.startswith("ready\n0 ")
    assert "LVM version" in said
