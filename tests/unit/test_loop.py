"""The loop driver where it needs no device: its directory, its arithmetic, its copies."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers import errors
from drivers.exec import Host, deadline
from drivers.loop import copying, durable
from drivers.loop.driver import LoopDriver
from drivers.loop.jobs import Job, Jobs, Stopped
from drivers.loop.options import Options
from drivers.model import GIB, MIB, Content, SizeRange, SnapshotSpec, Volume, VolumeSpec
from drivers.options import check

Open = Callable[..., LoopDriver]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    folder = tmp_path / "backend"
    folder.mkdir()
    return folder


@pytest.fixture
def open_driver(directory: Path) -> Open:
    """Makes an instance on the directory, set up."""

    def opened(**options: object) -> LoopDriver:
        raw = {"directory": str(directory), "capacity": GIB, "reflink": "never", **options}
        driver = LoopDriver("files", check(raw, Options), Host())
        driver.do_setup()
        return driver

    return opened


def create(driver: LoopDriver, name: str, size: int = MIB) -> Volume:
    return driver.create_volume(VolumeSpec(name, SizeRange(size)))


def data_of(directory: Path, volume: Volume) -> Path:
    (folder,) = (directory / "volumes").glob(f"*.{volume.id.partition('.')[2]}")
    return folder / "data"


def test_a_missing_directory_is_absent_and_never_made(directory: Path, open_driver: Open) -> None:
    directory.rmdir()
    with pytest.raises(errors.Absent, match="make it, or mount"):
        open_driver()
    assert not directory.exists()


def test_a_directory_with_other_things_is_refused_untouched(
    directory: Path, open_driver: Open
) -> None:
    (directory / "family.jpg").write_bytes(b"x")
    with pytest.raises(errors.Unavailable, match=r"holds other things \(family\.jpg\)"):
        open_driver()
    assert [each.name for each in directory.iterdir()] == ["family.jpg"]


def test_a_fresh_filesystem_is_empty_enough(directory: Path, open_driver: Open) -> None:
    (directory / "lost+found").mkdir()
    assert open_driver().list_volumes() == []


def test_a_directory_that_should_be_a_mount_point_must_be_one(open_driver: Open) -> None:
    with pytest.raises(errors.Unavailable, match="nothing is mounted"):
        open_driver(ownMount=True)


def test_an_unreadable_backend_id_is_no_new_backend(directory: Path, open_driver: Open) -> None:
    open_driver()
    (directory / "backend").write_text("oops")
    with pytest.raises(errors.Unavailable, match="holds no backend id"):
        open_driver()


def test_a_damaged_record_is_not_taken_for_an_absent_volume(
    directory: Path, open_driver: Open
) -> None:
    driver = open_driver()
    volume = create(driver, "precious")
    (data_of(directory, volume).parent / "record.json").write_bytes(b"{")
    for look in (driver.list_volumes, lambda: driver.get_volume(volume.id)):
        with pytest.raises(errors.Unavailable, match="is damaged"):
            look()
    with pytest.raises(errors.Unavailable, match="is damaged"):
        driver.delete_volume(volume.id)


def test_reflinks_that_must_be_are_asked_for(open_driver: Open, directory: Path) -> None:
    driver = open_driver(reflink="always")
    if copying.can_share(directory):
        driver.check_for_setup_error()
    else:
        with pytest.raises(errors.Invalid, match="use xfs or btrfs"):
            driver.check_for_setup_error()


@pytest.mark.parametrize("left", ["making/volumes-abc", "deleting/abc.def"])
def test_what_a_crash_left_is_cleared_away(directory: Path, open_driver: Open, left: str) -> None:
    open_driver()
    (directory / left).mkdir()
    (directory / left / "data").write_bytes(b"x")
    open_driver()
    assert not (directory / left).exists()


def test_what_somebody_works_on_is_left_alone(directory: Path, open_driver: Open) -> None:
    open_driver()
    work = directory / "making" / "volumes-abc"
    work.mkdir()
    with durable.locked(work):
        open_driver()
        assert work.exists()


def test_promises_end_with_the_capacity(open_driver: Open) -> None:
    driver = open_driver(capacity=10 * MIB)
    create(driver, "most", 8 * MIB)
    with pytest.raises(errors.Exhausted, match="3145728 bytes are needed"):
        create(driver, "beyond", 3 * MIB)
    rest = create(driver, "rest", 2 * MIB)
    with pytest.raises(errors.Exhausted):
        driver.extend_volume(rest.id, 3 * MIB)
    assert driver.get_volume(rest.id) == rest


def test_overcommitment_promises_bytes_more_than_once(open_driver: Open) -> None:
    driver = open_driver(capacity=10 * MIB, overcommit=3.0)
    create(driver, "large", 25 * MIB)
    stats = driver.get_volume_stats({}, refresh=False)
    assert (stats.total_capacity, stats.free_capacity) == (10 * MIB, 5 * MIB)
    assert stats.provisioned_capacity == 25 * MIB


def test_a_snapshot_counts_with_the_blocks_it_has(directory: Path, open_driver: Open) -> None:
    driver = open_driver(capacity=10 * MIB)
    volume = create(driver, "source", 6 * MIB)
    data_of(directory, volume).write_bytes(b"x" * MIB + bytes(5 * MIB))
    with data_of(directory, volume).open("r+b") as file:
        file.truncate(MIB)
        file.truncate(6 * MIB)
    driver.create_snapshot(SnapshotSpec("cut", volume.id))
    stats = driver.get_volume_stats({}, refresh=True)
    assert stats.provisioned_capacity == 7 * MIB
    assert stats.free_capacity == 3 * MIB


def test_a_copy_keeps_holes(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    with source.open("wb") as file:
        file.truncate(64 * MIB)
        file.seek(32 * MIB)
        file.write(b"x" * MIB)
    copying.copy(source, target, 128 * MIB, lambda _done: None)
    assert target.stat().st_size == 128 * MIB
    assert target.stat().st_blocks * 512 < 2 * MIB
    assert target.read_bytes()[: 64 * MIB] == source.read_bytes()


def test_a_snapshot_of_a_deleted_volume_can_be_restored(open_driver: Open) -> None:
    driver = open_driver()
    volume = create(driver, "source")
    snapshot = driver.create_snapshot(SnapshotSpec("cut", volume.id))
    driver.delete_volume(volume.id)
    restored = driver.create_volume_from_snapshot(VolumeSpec("back", SizeRange(1)), snapshot.id)
    assert restored.content is Content.BLANK


@contextmanager
def in_a_hurry() -> Iterator[None]:
    token = deadline.set(0.0)
    try:
        yield
    finally:
        deadline.reset(token)


def test_a_job_that_outlasts_its_caller_is_found_by_the_next() -> None:
    jobs: Jobs[str] = Jobs()
    go_on, begun = threading.Event(), []

    def begin() -> Job[str]:
        def work(job: Job[str]) -> str:
            job.advance(4)
            go_on.wait(30)
            return "made"

        begun.append(1)
        return Job("copy", 10, work)

    for _ in range(2):
        with in_a_hurry(), pytest.raises(errors.InProgress) as told:
            jobs.finish("key", begin)
        assert told.value.total == 10
    assert [each.object_id for each in jobs.progress()] == ["copy"]
    go_on.set()
    assert jobs.finish("key", begin) == "made"
    assert len(begun) == 1
    assert jobs.progress() == []


def test_a_job_that_failed_tells_the_next_caller_once() -> None:
    jobs: Jobs[str] = Jobs()
    outcomes = iter([errors.Exhausted("full"), None])

    def work(job: Job[str]) -> str:
        if failure := next(outcomes):
            raise failure
        return "made"

    with pytest.raises(errors.Exhausted):
        jobs.finish("key", lambda: Job("copy", 10, work))
    assert jobs.finish("key", lambda: Job("copy", 10, work)) == "made"


def test_closing_stops_a_job_at_its_next_step() -> None:
    jobs: Jobs[str] = Jobs()
    stepped = threading.Event()

    def work(job: Job[str]) -> str:
        while True:
            stepped.set()
            job.advance(1)

    with in_a_hurry(), pytest.raises(errors.InProgress):
        jobs.finish("key", lambda: Job("copy", 10, work))
    stepped.wait(30)
    jobs.stop()
    with pytest.raises(Stopped):
        jobs.finish("key", lambda: Job("copy", 10, work))
