"""What a driver does with the devices of volumes: who has them, how large they are, what they show."""

from __future__ import annotations

import pytest

from drivers import errors, proof
from drivers.compliance.bench import (
    SIZE,
    Bench,
    device_size,
    is_device,
    pattern,
    read_device,
    write_device,
)
from drivers.compliance.marks import checks
from drivers.compliance.writers import NUMBER
from drivers.model import MIB, VolumeId


@checks("delete_volume", "create_volume")
def test_nobody_reads_what_a_deleted_volume_held(bench: Bench) -> None:
    held: set[bytes] = set()
    for number in range(2):
        volume = bench.driver.create_volume(bench.spec("again"))
        assert not blocks(bench.read_new(volume)) & held
        held = blocks(pattern(number, volume.size))
        bench.write(volume.id, pattern(number, volume.size))
        bench.disconnect(volume.id)
        bench.driver.delete_volume(volume.id)


@checks("delete_volume", "terminate_connection", "volumes_in_use")
def test_an_open_volume_is_neither_disconnected_nor_deleted(bench: Bench) -> None:
    volume = bench.create()
    bench.write(volume.id, pattern(1))
    connection = bench.driver.initialize_connection(volume.id)
    with connection.path.open("rb") as device:
        # Who has a plain file open cannot be told, and does not matter: it lives until it is closed.
        if is_device(connection):
            with pytest.raises(errors.InUse):
                bench.driver.delete_volume(volume.id)
            with pytest.raises(errors.InUse):
                bench.driver.terminate_connection(volume.id)
            assert list(bench.driver.volumes_in_use()) == [volume.id]
        assert device.read(SIZE) == pattern(1)
    bench.driver.terminate_connection(volume.id)
    assert not bench.driver.volumes_in_use()
    bench.driver.delete_volume(volume.id)
    assert not bench.driver.list_volumes()


@checks("initialize_connection", "terminate_connection")
def test_connecting_and_disconnecting_can_be_repeated(bench: Bench) -> None:
    volume = bench.create()
    first = bench.driver.initialize_connection(volume.id)
    assert bench.driver.initialize_connection(volume.id) == first
    bench.restart()
    assert bench.driver.initialize_connection(volume.id) == first
    bench.driver.terminate_connection(volume.id)
    bench.driver.terminate_connection(volume.id)
    bench.driver.delete_volume(volume.id)
    bench.driver.terminate_connection(volume.id)


@checks("initialize_connection")
def test_a_connection_proves_what_it_leads_to(bench: Bench) -> None:
    one, other = bench.create("one"), bench.create("other")
    with bench.connected(one.id) as right, bench.connected(other.id) as wrong:
        with right.path.open("rb") as device:
            proof.require(right, device.fileno())
        with pytest.raises(errors.Unavailable), wrong.path.open("rb") as device:
            proof.require(right, device.fileno())


@checks("initialize_connection", "create_volume")
def test_each_volume_keeps_its_own_bytes(bench: Bench) -> None:
    volumes = [bench.driver.create_volume(bench.spec(f"own-{number}")) for number in range(3)]
    for number, volume in enumerate(volumes):
        bench.write(volume.id, pattern(number, volume.size))
    bench.restart()
    for number, volume in enumerate(volumes):
        assert bench.read(volume.id) == pattern(number, volume.size)
        assert device_is(bench, volume.id, volume.size)


@checks("extend_volume", "get_volume")
def test_growing_keeps_the_bytes_and_adds_zeros(bench: Bench) -> None:
    volume = bench.create()
    bench.write(volume.id, pattern(1, volume.size))
    grown = bench.driver.extend_volume(volume.id, 2 * volume.size + 1)
    assert 2 * volume.size < grown.size <= 2 * volume.size + bench.unit
    assert grown.requested == volume.requested
    assert bench.driver.get_volume(volume.id) == grown
    assert bench.read(volume.id) == pattern(1, volume.size) + bytes(grown.size - volume.size)


@checks("extend_volume")
def test_growing_to_less_changes_nothing(bench: Bench) -> None:
    volume = bench.create(size=2 * SIZE)
    assert bench.driver.extend_volume(volume.id, SIZE) == volume
    assert bench.driver.extend_volume(volume.id, volume.size) == volume
    grown = bench.driver.extend_volume(volume.id, volume.size + MIB)
    assert bench.driver.extend_volume(volume.id, volume.size + MIB) == grown
    assert device_is(bench, volume.id, grown.size)


@checks("extend_volume", "get_volume")
def test_growing_beyond_the_room_changes_nothing(bench: Bench) -> None:
    volume = bench.create()
    left = bench.driver.get_volume_stats({}, refresh=True).max_volume_size
    if isinstance(left, int):
        with pytest.raises(errors.Exhausted):
            bench.driver.extend_volume(volume.id, volume.size + left + bench.unit)
        assert bench.driver.get_volume(volume.id) == volume


@checks("extend_volume", "initialize_connection")
def test_a_connected_volume_grows_under_its_user(bench: Bench) -> None:
    volume = bench.create()
    with bench.connected(volume.id) as connection:
        write_device(connection, pattern(1, volume.size))
        grown = bench.driver.extend_volume(volume.id, volume.size + SIZE)
        if bench.driver.STORAGE_PROTOCOL == "local":  # others may have to connect again to see it
            assert device_size(connection) == grown.size
        again = bench.driver.initialize_connection(volume.id)
        assert again.path == connection.path
        assert device_size(again) == again.size == grown.size
        tail = bytes(grown.size - volume.size)
        assert read_device(again) == pattern(1, volume.size) + tail


@checks("extend_volume", "delete_volume")
def test_the_part_that_is_added_never_shows_old_bytes(bench: Bench) -> None:
    old, volume = bench.create("old", 4 * SIZE), bench.create("grows")
    before = bench.read(volume.id)
    bench.write(old.id, pattern(1, old.size))
    bench.driver.delete_volume(old.id)
    grown = bench.done(bench.driver.extend_volume, volume.id, 3 * SIZE)
    assert bench.read(volume.id) == before + bytes(grown.size - volume.size)


def blocks(content: bytes) -> set[bytes]:
    """The blocks that ``content`` consists of."""
    return {content[at : at + NUMBER] for at in range(0, len(content), NUMBER)}


def device_is(bench: Bench, volume_id: VolumeId, size: int) -> bool:
    """Whether the volume's device has that size."""
    with bench.connected(volume_id) as connection:
        return device_size(connection) == connection.size == size
