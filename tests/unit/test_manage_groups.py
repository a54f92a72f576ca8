"""Groups over the Manage service, as a shell sees them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from csi import cli
from csi.cli.arguments import FAILED, OK, USAGE
from tests.fakes.bench import Bench, bench
from tests.fakes.grouping import GroupingMemory
from tests.fakes.memory import MemoryOptions

Hearth = Callable[..., tuple[int, str, str]]


@pytest.fixture
def running() -> Iterator[Bench]:
    with bench({"fast": (GroupingMemory, MemoryOptions())}) as running:
        yield running


@pytest.fixture
def ids(running: Bench) -> list[str]:
    return [running.create(name).volume_id for name in ("a", "b", "c")]


@pytest.fixture
def hearth(running: Bench, capsys: pytest.CaptureFixture[str]) -> Hearth:
    """Run ``hearth group`` against the node: exit status, standard output, standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = cli.main(["group", *arguments, "--endpoint", running.endpoint])
        out, err = capsys.readouterr()
        return status, out, err

    return run


def test_a_group_is_made_changed_and_forgotten(hearth: Hearth, ids: list[str]) -> None:
    status, out, _ = hearth("create", "shop", *ids[:2], "--output", "json")
    assert status == OK
    made = json.loads(out)
    assert (made["name"], made["backend"], made["volumeIds"]) == ("shop", "fast", ids[:2])
    assert hearth("create", "shop", *ids[:2], "--output", "json")[1] == out
    changed = json.loads(
        hearth("update", "shop", "--add", ids[2], "--remove", ids[0], "--output", "json")[1]
    )
    assert changed["volumeIds"] == ids[1:]
    listed = hearth("list")[1].splitlines()
    assert listed[1].split() == [made["id"], "fast", "shop", "2"]
    assert hearth("delete", made["id"])[0] == OK
    assert len(hearth("list")[1].splitlines()) == 1


def test_a_moment_of_a_group_is_cut_listed_and_removed(
    hearth: Hearth, running: Bench, ids: list[str]
) -> None:
    hearth("create", "shop", *ids)
    status, out, _ = hearth("snapshot", "shop", "nightly", "--output", "json")
    assert status == OK
    made = json.loads(out)
    assert made["pause"] == 0.005
    assert {each["volumeId"] for each in made["snapshots"]} == set(ids)
    assert {each["groupSnapshotId"] for each in made["snapshots"]} == {made["id"]}
    again = json.loads(hearth("snapshot", "shop", "nightly", "--output", "json")[1])
    assert "pause" not in again
    assert again["id"] == made["id"]
    row = hearth("snapshots")[1].splitlines()[1].split()
    assert row == [made["id"], "fast", "3", made["created"], "yes"]
    would = hearth("delete-snapshot", made["id"], "--dry-run")[1]
    assert all(each["id"] in would for each in made["snapshots"])
    assert len(running.snapshot_ids()) == 3, "a rehearsal removes nothing"
    assert hearth("delete-snapshot", made["id"])[0] == OK
    assert running.snapshot_ids() == []


def test_a_rehearsal_changes_nothing(hearth: Hearth, ids: list[str]) -> None:
    assert "nothing is changed" in hearth("create", "shop", *ids[:2], "--dry-run")[1]
    assert hearth("list", "--output", "json")[1].strip() == "[]"
    hearth("create", "shop", *ids[:2])
    before = hearth("list", "--output", "json")[1]
    for command in (["update", "shop", "--add", ids[2]], ["delete", "shop"]):
        assert "would" in hearth(*command, "--dry-run")[1]
        assert hearth("list", "--output", "json")[1] == before
    assert "would" in hearth("snapshot", "shop", "nightly", "--dry-run")[1]
    assert hearth("snapshots", "--output", "json")[1].strip() == "[]"


def test_what_is_not_there_or_not_clear_is_said(hearth: Hearth, ids: list[str]) -> None:
    status, _, err = hearth("snapshot", "nothing", "nightly")
    assert (status, "no group 'nothing'" in err) == (FAILED, True)
    hearth("create", "shop", *ids[:2])
    status, _, err = hearth("create", "shop", ids[2])
    assert (status, "with other volumes" in err) == (FAILED, True)
    status, _, err = hearth("list", "--backend", "no")
    assert (status, "not a backend" in err) == (USAGE, True)
    status, _, err = hearth("create", "other", "memory0.volume-999999")
    assert (status, "there is no volume" in err) == (FAILED, True)
