"""LVM's failures get their names here, from its own words, and a held lock is tried again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from drivers import errors
from drivers.exec import deadline
from drivers.lvm import commands
from drivers.lvm.host import Lvm, Unchanged
from tests.fakes.lvm import FakeLvm, Process

# As LVM 2.03.16 said them.
WORDS = [
    ('Volume group "vg" has insufficient free space (74 extents): 2000 required.', errors.Exhausted),
    ("Insufficient suitable allocatable extents for logical volume lvol1: 2 more required",
     errors.Exhausted),
    ("Insufficient free space: 1996 extents needed, but only 70 available", errors.Exhausted),
    ("Number of stripes (5) must not exceed number of physical volumes (4)", errors.Exhausted),
    ("VG vg 521472 metadata on /dev/sda exceeds maximum metadata size 521472", errors.Exhausted),
    ("Cannot create new thin volume, free space in thin pool vg/pool reached threshold.",
     errors.Exhausted),
    ("New size (12 extents) matches existing size (12 extents).", Unchanged),
    ("New size given (11 extents) not larger than existing size (12 extents)", Unchanged),
    ('Logical Volume "v" already exists in volume group "vg"', errors.Exists),
    ('Failed to find logical volume "vg/none"', errors.NotFound),
    ('Volume group "nope" not found\n  Cannot process volume group nope', errors.NotFound),
    ('Existing logical volume "lin" not found in volume group "vg"', errors.NotFound),
    ("Logical volume vg/v in use.", errors.InUse),
    ("Logical volume vg/v contains a filesystem in use.", errors.InUse),
    ("Internal error: something nobody has seen", errors.CommandFailed),
    ("", errors.CommandFailed),
]  # fmt: skip


class Says:
    """A program that fails with these words, every time."""

    def __init__(self, words: str) -> None:
        self.words = words

    def __call__(self, argv: object, **_others: object) -> object:
        raise errors.CommandFailed("lvm", 5, f"  {self.words}\n")

    def step(self, what: str) -> None: ...


@pytest.mark.parametrize(("words", "error"), WORDS, ids=[words[:40] for words, _error in WORDS])
def test_a_failure_is_named_once_and_keeps_lvms_words(
    words: str, error: type[errors.StorageError], tmp_path: Path
) -> None:
    lvm = Lvm(Says(words), "vg", tmp_path)  # type: ignore[arg-type]
    with pytest.raises(errors.StorageError) as caught:
        lvm.run(["lvm", "lvs"])
    assert type(caught.value) is error
    assert " ".join(words.split()) in " ".join(str(caught.value).split())


def on(lvm: FakeLvm, patience: float = 10.0) -> tuple[Lvm, Process]:
    process = Process(lvm)
    return Lvm(process, "vg", lvm.directory / "conf", patience), process


def test_a_held_lock_is_tried_again(lvm: FakeLvm) -> None:
    host, process = on(lvm)
    lvm.locked = 2
    assert host.report().name == "vg"
    assert len(process.events) == 3
    assert lvm.locked == 0


def test_a_lock_that_stays_held_is_busy_when_patience_ends(lvm: FakeLvm) -> None:
    host, process = on(lvm, patience=0.2)
    lvm.locked = 1000
    began = time.monotonic()
    with pytest.raises(errors.Busy, match="another program holds the lock of volume group vg"):
        host.report()
    assert time.monotonic() - began < 1
    assert 1 < len(process.events) < 6


def test_nobody_waits_for_a_lock_past_the_callers_deadline(lvm: FakeLvm) -> None:
    host, process = on(lvm)
    lvm.locked = 1000
    token = deadline.set(time.monotonic() + 0.1)
    began = time.monotonic()
    try:
        with pytest.raises(errors.Busy):
            host.report()
    finally:
        deadline.reset(token)
    assert time.monotonic() - began < 1
    assert process.events


def test_a_deadline_that_is_over_is_no_patience_of_ten_seconds(lvm: FakeLvm) -> None:
    host, _process = on(lvm)
    lvm.locked = 1000
    token = deadline.set(time.monotonic() - 5)
    began = time.monotonic()
    try:
        with pytest.raises(errors.Busy):
            host.report()
    finally:
        deadline.reset(token)
    assert time.monotonic() - began < 1


def test_other_failures_are_not_tried_again(lvm: FakeLvm) -> None:
    host, process = on(lvm)
    with pytest.raises(errors.NotFound):
        host.run(commands.remove("vg", "none"))
    assert len(process.events) == 1


def test_lvm_is_never_cut_off_and_reads_the_private_configuration(lvm: FakeLvm) -> None:
    host, process = on(lvm)
    host.report()
    assert all(event.lasting for event in process.events)
    assert process.environment["LVM_SYSTEM_DIR"] == str(lvm.directory / "conf")


def accepted(directory: Path) -> str:
    (line,) = [
        line.strip()
        for line in (directory / "lvm.conf").read_text().splitlines()
        if line.strip().startswith("global_filter")
    ]
    return line


def test_from_the_set_up_on_lvm_sees_the_disks_of_the_group_alone(lvm: FakeLvm) -> None:
    host, _process = on(lvm)
    assert host.find_devices() == ["/dev/sda", "/dev/sdb", "/dev/sdc", "/dev/sdd"]
    filtered = accepted(lvm.directory / "conf")
    assert '"a|^/dev/sda$|", "a|^/dev/sdb$|"' in filtered
    assert filtered.endswith('"r|.*|" ]')
    assert "sdx" not in filtered


def test_the_search_for_disks_has_a_configuration_of_its_own(lvm: FakeLvm) -> None:
    process = Process(lvm)
    host = Lvm(process, "other", lvm.directory / "conf")
    assert host.find_devices() == []
    assert '"a|.*|"' in accepted(lvm.directory / "conf.scan")
    assert not (lvm.directory / "conf").exists()


def test_whoever_runs_lvm_while_disks_are_sought_sees_those_of_the_group_alone(
    lvm: FakeLvm,
) -> None:
    host, process = on(lvm)
    host.find_devices()
    seen: list[str] = []

    def look(_what: str) -> None:
        seen.append(accepted(lvm.directory / "conf"))
        seen.append(accepted(Path(process.environment["LVM_SYSTEM_DIR"])))

    process.meanwhile = look
    host.find_devices()
    ours, search = seen
    assert "/dev/sda" in ours
    assert '"a|.*|"' not in ours
    assert '"a|.*|"' in search
