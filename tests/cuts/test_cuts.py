"""No cut is ever broken; snapshots taken one after the other always are, or this would prove nothing.

Run by ``tools/lab run --disk 4G -- .venv/bin/python -m pytest tests/cuts --cuts 1000``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.errors import Precondition
from drivers.groups import GroupSnapshotSpec
from tests.cuts.group import Tally, cut, group, numbers, one_by_one, written
from tests.integration.lvm.bench import Backend, lvs

pytestmark = [pytest.mark.lab, pytest.mark.fault, pytest.mark.timeout(20_000)]

KINDS = {
    "raw": ("raw",) * 3,
    "ext4": ("ext4",) * 3,
    "xfs": ("xfs",) * 3,
    "mixed": ("ext4", "btrfs", "xfs"),
}
SEQUENTIAL = 5


@pytest.mark.parametrize("kinds", KINDS.values(), ids=KINDS)
def test_a_cut_shows_one_moment(
    backend: Backend,
    tmp_path: Path,
    kinds: tuple[str, ...],
    cuts: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tally = Tally()
    with group(backend, tmp_path, kinds) as members, written(members, cuts):
        for number in range(cuts):
            made = cut(backend, members, f"moment {number}")
            assert made.pause is not None
            tally.pauses.append(made.pause)
            tally.add(numbers(backend, members, made.snapshots, tmp_path))
            backend.driver.delete_group_snapshot(made.id)
    with capsys.disabled():
        print(f"\n{'+'.join(kinds)}: {tally}", flush=True)
    assert tally.broken == []
    assert tally.idle == []


@pytest.mark.parametrize("kind", ["raw", "ext4", "xfs"])
def test_snapshots_one_after_the_other_are_found_broken(
    backend: Backend, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tally = Tally()
    with group(backend, tmp_path, KINDS[kind]) as members, written(members, SEQUENTIAL):
        for number in range(SEQUENTIAL):
            made = one_by_one(backend, members, f"moment {number}")
            tally.add(numbers(backend, members, made, tmp_path))
            for each in made:
                backend.driver.delete_snapshot(each.id)
    with capsys.disabled():
        print(f"\n{kind}, one after the other: {tally}", flush=True)
    assert tally.broken
    assert tally.idle == []


def test_how_long_writers_of_eight_volumes_are_held_is_told(
    backend: Backend, tmp_path: Path, cuts: int, capsys: pytest.CaptureFixture[str]
) -> None:
    tally = Tally()
    with group(backend, tmp_path, ("ext4",) * 8) as members, written(members, cuts):
        for number in range(cuts):
            made = cut(backend, members, f"moment {number}")
            assert made.pause is not None
            tally.cuts += 1
            tally.pauses.append(made.pause)
            backend.driver.delete_group_snapshot(made.id)
    with capsys.disabled():
        print(f"\neight mounted volumes: {tally}", flush=True)
    assert tally.cuts == cuts


def test_thick_volumes_are_refused_by_name(backend: Backend, tmp_path: Path) -> None:
    thick = backend.create("thick", 8 << 20, layout="linear")
    with group(backend, tmp_path, ("raw",)) as (member,):
        before, ids = lvs(), (thick.id, member.volume.id)
        with pytest.raises(Precondition, match=thick.id) as refusal:
            backend.driver.create_group_snapshot(GroupSnapshotSpec("moment", ids))
        assert member.volume.id not in str(refusal.value)
        assert lvs() == before
