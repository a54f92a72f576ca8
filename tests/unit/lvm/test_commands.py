"""Every command is spelt as meant: all of it, word for word, since one option more is another command."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.lvm import commands, layouts
from drivers.lvm.layouts import Shape
from drivers.lvm.options import Layout
from tests.fakes.lvm import words

SHAPES = {
    Shape(Layout.LINEAR): "--type linear",
    Shape(Layout.STRIPED, 3): "--type striped --stripes 3 --stripesize 64k",
    Shape(Layout.RAID1): "--type raid1 --mirrors 1",
    Shape(Layout.RAID10, 2): "--type raid10 --mirrors 1 --stripes 2 --stripesize 64k",
}
SPELT = {
    "lvm lvcreate --yes --zero n --wipesignatures n --type linear --extents 3 --name v"
    " --addtag a --addtag b -- vg /dev/sda:0-2": commands.create_thick(
        "vg", "v", extents=3, shape=["--type", "linear"], tags=["a", "b"], on=["/dev/sda:0-2"]
    ),
    "lvm lvcreate --yes --test --zero n --wipesignatures n --type linear --extents 3 -- vg": (
        commands.test_thick("vg", extents=3, shape=["--type", "linear"])
    ),
    "lvm lvcreate --yes --activate n --setactivationskip n --virtualsize 4096b --thinpool p"
    " --name v --addtag a -- vg": commands.create_thin("vg", "v", pool="p", size=4096, tags=["a"]),
    "lvm lvcreate --yes --activate n --snapshot --setactivationskip y --name s --addtag a -- vg/v": (
        commands.snapshot_thin("vg", "v", "s", skip=True, tags=["a"])
    ),
    "lvm lvcreate --yes --activate n --snapshot --setactivationskip n --name s -- vg/v": (
        commands.snapshot_thin("vg", "v", "s", skip=False, tags=[])
    ),
    "lvm lvcreate --yes --snapshot --extents 100%ORIGIN --name s --addtag a -- vg/v": (
        commands.snapshot_cow("vg", "v", "s", tags=["a"])
    ),
    "lvm lvremove --yes -- vg/a vg/b": commands.remove("vg", "a", "b"),
    "lvm lvrename --yes -- vg a b": commands.rename("vg", "a", "b"),
    "lvm lvchange --yes --deltag c --deltag d --addtag a --addtag b -- vg/v": (
        commands.retag("vg", "v", add={"b", "a"}, remove={"d", "c"})
    ),
    "lvm lvchange --yes --ignoreactivationskip --activate y --poll n -- vg/v": (
        commands.activate("vg", "v")
    ),
    "lvm lvchange --yes --activate n -- vg/v": commands.deactivate("vg", "v"),
    "lvm lvchange --yes --refresh --poll n -- vg/v": commands.refresh("vg", "v"),
    "lvm lvextend --yes --extents 9 -- vg/v /dev/sda:3-4": (
        commands.extend("vg", "v", extents=9, on=["/dev/sda:3-4"])
    ),
    "lvm lvconvert --yes --splitsnapshot -- vg/s": commands.split("vg", "s"),
    "lvm lvconvert --yes --merge -- vg/s": commands.merge("vg", "s"),
    "lvm lvpoll --polloperation merge --interval 1 -- vg/v": commands.finish_merge("vg", "v"),
    "lvm lvs --reportformat json --options lv_permissions,lv_time -- vg/v": (
        commands.details("vg", "v")
    ),
    "lvm vgcfgbackup --yes --readonly --file /a/draft -- vg": (
        commands.backup("vg", Path("/a/draft"))
    ),
    "lvm vgchange --yes --deltag b --addtag a -- vg": commands.retag_group(
        "vg", add=["a"], remove=["b"]
    ),
    "lvm pvs --reportformat json --options pv_name,vg_name": commands.physical_volumes(),
}


@pytest.mark.parametrize(("spelt", "argv"), SPELT.items(), ids=[text[4:40] for text in SPELT])
def test_a_command_is_spelt_as_meant(spelt: str, argv: commands.Argv) -> None:
    assert " ".join(argv) == spelt


@pytest.mark.parametrize("argv", SPELT.values(), ids=[text[4:40] for text in SPELT])
def test_no_command_waits_for_an_answer_or_takes_a_name_for_an_option(argv: commands.Argv) -> None:
    assert argv[0] == "lvm"
    if argv[1] not in {"lvs", "pvs", "lvpoll"}:  # these never ask
        assert argv[2] == "--yes"
    if "--" in argv:
        operands = argv[list(argv).index("--") + 1 :]
        assert operands
        assert not [word for word in operands if word.startswith("-")]


@pytest.mark.parametrize("argv", SPELT.values(), ids=[text[4:40] for text in SPELT])
def test_the_machine_in_memory_knows_every_command(argv: commands.Argv) -> None:
    assert words.read(argv).command == argv[1]


def test_every_command_of_the_module_is_here() -> None:
    spellers = {
        name for name, value in vars(commands).items() if callable(value) and name[0].islower()
    }
    used = {argv[1] for argv in SPELT.values()} | {"fullreport"}
    assert len(spellers) == len(SPELT)  # two spellings of snapshot_thin, and full_report below
    assert used == {
        "lvcreate", "lvremove", "lvrename", "lvchange", "lvextend", "lvconvert", "lvpoll", "lvs",
        "pvs", "fullreport", "vgcfgbackup", "vgchange",
    }  # fmt: skip


def test_the_report_asks_for_all_sections_once_and_for_bytes() -> None:
    argv = list(commands.full_report("vg"))
    sections = [argv[at + 1] for at, word in enumerate(argv) if word == "--configreport"]
    assert sections == ["vg", "pv", "lv", "seg", "pvseg"]
    assert argv[:8] == [
        "lvm", "fullreport", "--all", "--reportformat", "json", "--units", "b", "--nosuffix",
    ]  # fmt: skip
    assert argv[-2:] == ["--", "vg"]


@pytest.mark.parametrize(("shape", "spelt"), SHAPES.items(), ids=SHAPES.values())
def test_a_layout_is_told_to_lvm_in_full(shape: Shape, spelt: str) -> None:
    assert " ".join(shape.arguments) == spelt


def test_every_thick_layout_has_its_arguments() -> None:
    assert {shape.layout for shape in SHAPES} == set(Layout) - {Layout.THIN}
    assert set(layouts.PARAMETERS["layout"]) == {layout.value for layout in Layout}
