"""What a driver does with volumes: their names, sizes, bytes and connections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from drivers import errors
from drivers.compliance.bench import (
    PROPERTIES,
    SIZE,
    Bench,
    device_size,
)
from drivers.compliance.marks import checks
from drivers.model import Content, SizeRange, VolumeId, VolumeSpec

NAMES = (
    "pvc-4b1e4f0a-7f59-4b0c-9a53-0b0e1f2a3b4c",
    "ä" * 64,
    "🦭" * 32,
    "../../etc/passwd",
    "--help\n",
    "x" * 128,
    "x" * 127,
)
"""Different names, of at most 128 bytes."""


@checks("backend_id", "do_setup", "check_for_setup_error", "close")
def test_setting_up_again_changes_nothing(bench: Bench) -> None:
    volume, backend_id = bench.create(), bench.driver.backend_id
    bench.driver.do_setup()
    bench.driver.check_for_setup_error()
    assert bench.driver.backend_id == backend_id
    bench.restart()
    assert bench.driver.backend_id == backend_id
    assert bench.driver.list_volumes() == [volume]


@checks("backend_id", "create_volume")
def test_ids_begin_with_the_backend_and_are_short(bench: Bench) -> None:
    backend_id = bench.driver.backend_id
    assert backend_id.isascii()
    assert backend_id.isalnum()
    volume = bench.driver.create_volume(bench.spec("n" * 128))
    assert volume.id.startswith(f"{backend_id}.")
    assert len(volume.id.encode()) <= 128


@checks("create_volume", "initialize_connection", "terminate_connection")
@pytest.mark.parametrize("extra", [0, 1])
def test_a_size_is_rounded_up_and_never_down(bench: Bench, extra: int) -> None:
    unit = bench.unit
    asked = -(-SIZE // unit) * unit + extra
    volume = bench.driver.create_volume(bench.spec("sized", asked))
    assert volume.requested == asked
    assert asked <= volume.size < asked + unit
    assert volume.size % unit == 0
    with bench.connected(volume.id) as connection:
        assert device_size(connection) == connection.size == volume.size


@checks("create_volume")
def test_a_size_above_the_limit_is_refused(bench: Bench) -> None:
    size = bench.create().size
    spec = VolumeSpec("limited", SizeRange(size + 1, size + 1))
    if bench.unit > 1:
        with pytest.raises(errors.OutOfRange):
            bench.driver.create_volume(spec)
    assert len(bench.driver.list_volumes()) == 1


@checks("create_volume", "get_volume")
def test_a_new_volume_is_blank_and_reads_as_the_zeros_it_promises(bench: Bench) -> None:
    volume = bench.driver.create_volume(bench.spec("new"))
    assert volume.content is Content.BLANK
    assert volume.source is None
    assert bench.driver.get_volume(volume.id) == volume
    assert len(bench.read_new(volume)) == volume.size


@checks("create_volume", "find_volume")
def test_creating_twice_gives_the_same_volume(bench: Bench) -> None:
    first = bench.driver.create_volume(bench.spec("twice"))
    assert bench.driver.create_volume(bench.spec("twice")) == first
    bench.restart()
    assert bench.driver.create_volume(bench.spec("twice")) == first
    assert bench.driver.find_volume("twice") == first
    assert bench.driver.list_volumes() == [first]


@checks("create_volume", "get_volume", "find_volume", "list_volumes")
def test_find_list_and_get_agree(bench: Bench) -> None:
    made = [bench.driver.create_volume(bench.spec(f"agree-{number}")) for number in range(3)]
    assert bench.driver.list_volumes() == sorted(made, key=lambda each: each.id)
    for number, volume in enumerate(made):
        assert bench.driver.find_volume(f"agree-{number}") == volume
        assert bench.driver.get_volume(volume.id) == volume
    assert bench.driver.find_volume("agree") is None


@checks("create_volume", "delete_volume")
def test_a_name_is_in_use_from_the_creation_to_the_deletion(bench: Bench) -> None:
    assert not bench.driver.has_begun_volume("begun")
    volume = bench.create("begun")
    assert bench.driver.has_begun_volume("begun")
    bench.restart()
    assert bench.driver.has_begun_volume("begun")
    bench.driver.delete_volume(volume.id)
    assert not bench.driver.has_begun_volume("begun")


@checks("create_volume", "find_volume")
def test_any_name_of_128_bytes_is_a_name_of_its_own(bench: Bench) -> None:
    ids = {name: bench.driver.create_volume(bench.spec(name)).id for name in NAMES}
    assert len(set(ids.values())) == len(NAMES)
    for name in NAMES:
        found = bench.driver.find_volume(name)
        assert found is not None
        assert found.id == ids[name]


@checks("get_volume", "create_volume")
def test_what_was_told_of_a_volume_is_kept(bench: Bench) -> None:
    volume = bench.driver.create_volume(bench.spec("told"))
    bench.restart()
    assert bench.driver.get_volume(volume.id) == volume
    assert volume.properties == PROPERTIES


@checks("delete_volume", "get_volume", "find_volume", "list_volumes")
def test_a_deleted_volume_is_gone_and_deleting_again_is_fine(bench: Bench) -> None:
    volume, other = bench.create("doomed"), bench.create("kept")
    bench.driver.delete_volume(volume.id)
    bench.driver.delete_volume(volume.id)
    assert bench.driver.find_volume("doomed") is None
    assert bench.driver.list_volumes() == [other]
    with pytest.raises(errors.NotFound):
        bench.driver.get_volume(volume.id)
    bench.restart()
    bench.driver.delete_volume(volume.id)
    assert bench.driver.list_volumes() == [other]


@checks("set_content", "get_volume")
def test_what_a_volume_holds_is_kept_across_a_restart(bench: Bench) -> None:
    volume = bench.create()
    for content in Content:
        expected = replace(volume, content=content)
        assert bench.driver.set_content(volume.id, content) == expected
        assert bench.driver.set_content(volume.id, content) == expected
        bench.restart()
        assert bench.driver.get_volume(volume.id) == expected
    # What was adopted holds somebody's data, and a driver need not delete it.
    bench.driver.set_content(volume.id, Content.BLANK)


@checks(
    "get_volume", "initialize_connection", "extend_volume", "set_content", "delete_volume",
    "terminate_connection",
)  # fmt: skip
def test_ids_that_are_not_of_this_backend_are_not_found(bench: Bench) -> None:
    volume = bench.create()
    for strange in strange_ids(bench, volume.id):
        for call in refusals(bench, VolumeId(strange)):
            with pytest.raises(errors.NotFound):
                call()
        bench.driver.terminate_connection(VolumeId(strange))
        bench.driver.delete_volume(VolumeId(strange))
    assert bench.driver.list_volumes() == [volume]


@checks("get_volume_stats")
def test_the_stats_tell_who_and_how_many(bench: Bench) -> None:
    bench.create("one")
    bench.create("two")
    stats = bench.driver.get_volume_stats({}, refresh=True)
    driver = bench.driver
    assert (stats.driver_version, stats.vendor_name) == (driver.VERSION, driver.VENDOR_NAME)
    assert (stats.volume_backend_name, stats.storage_protocol) == (
        driver.name,
        driver.STORAGE_PROTOCOL,
    )
    assert stats.volumes == 2
    assert not stats.unhealthy


@checks("get_volume_stats", "create_volume", "delete_volume")
def test_the_stats_follow_what_is_made_and_deleted(bench: Bench) -> None:
    before = bench.driver.get_volume_stats({}, refresh=True)
    volume = bench.driver.create_volume(bench.spec("counted", 4 * SIZE))
    during = bench.driver.get_volume_stats({}, refresh=True)
    assert during.provisioned_capacity >= before.provisioned_capacity + volume.size
    assert during.total_capacity == before.total_capacity
    bench.driver.delete_volume(volume.id)
    bench.done(bench.settled, before.provisioned_capacity)
    remembered = bench.driver.get_volume_stats({}, refresh=False)
    assert remembered.volumes == 0


@checks("get_volume_stats", "create_volume")
def test_the_largest_volume_is_the_largest(bench: Bench) -> None:
    largest = bench.driver.get_volume_stats({}, refresh=True).max_volume_size
    if isinstance(largest, int):
        with pytest.raises(errors.Exhausted):
            bench.driver.create_volume(bench.spec("beyond", largest + bench.unit))
        assert not bench.driver.list_volumes()
        assert bench.create("largest", largest).size == largest


def strange_ids(bench: Bench, known: str) -> list[str]:
    """Ids that are nobody's here, among them the object of ours under another backend's name."""
    backend_id, _, object_id = known.partition(".")
    return [
        f"{backend_id}.nothing",
        f"{'0' * len(backend_id)}.{object_id}",
        f"{backend_id}.",
        object_id,
        f"{backend_id}.../{object_id}",
        "pvc-unknown",
        "",
    ]


def refusals(bench: Bench, volume_id: VolumeId) -> list[Callable[[], object]]:
    """Calls that need a volume."""
    driver = bench.driver
    return [
        lambda: driver.get_volume(volume_id),
        lambda: driver.initialize_connection(volume_id),
        lambda: driver.extend_volume(volume_id, 2 * SIZE),
        lambda: driver.set_content(volume_id, Content.FORMATTED),
    ]
