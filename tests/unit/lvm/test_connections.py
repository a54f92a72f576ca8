"""Devices on behalf of pods and of copies: neither takes one away from the other."""

from __future__ import annotations

import re
import threading
import time

import pytest

from drivers.errors import Busy, InUse, NotFound, Unavailable
from drivers.exec import deadline
from drivers.lvm import names
from drivers.model import MIB
from tests.fakes.lvm import FakeLvm
from tests.fakes.lvm.driver import Life, life, wanted


def test_a_connection_proves_which_device_it_is(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume(size=3 * MIB)
        connection = alive.driver.initialize_connection(volume.id)
        device = lvm.device(lvm.object(volume.id))
    assert (connection.path, connection.dm_uuid) == (device.path, device.uuid)
    assert connection.size == volume.size == 3 * MIB
    assert connection.dm_uuid.startswith(f"LVM-{alive.driver.backend_id}")


def test_connecting_and_disconnecting_are_repeatable(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        del alive.process.changes[:]
        first = alive.driver.initialize_connection(volume.id)
        assert alive.driver.initialize_connection(volume.id) == first
        alive.driver.terminate_connection(volume.id)
        alive.driver.terminate_connection(volume.id)
        activations = [re.findall("--activate .", what) for what in alive.process.changes]
        assert activations == [["--activate y"], ["--activate n"]]


def test_disconnecting_what_is_absent_is_success_and_connecting_it_is_not(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        alive.driver.delete_volume(volume.id)
        alive.driver.terminate_connection(volume.id)
        with pytest.raises(NotFound):
            alive.driver.initialize_connection(volume.id)


def test_an_open_device_is_in_use_by_name(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        alive.driver.initialize_connection(volume.id)
        lvm.device(lvm.object(volume.id)).opened = 1
        with pytest.raises(InUse, match=f"vg/{names.volume('v')} is open"):
            alive.driver.terminate_connection(volume.id)
        assert lvm.state.device(lvm.object(volume.id)) is not None


def test_a_suspended_device_is_not_handed_out(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        alive.driver.initialize_connection(volume.id)
        lvm.device(lvm.object(volume.id)).suspended = True
        with pytest.raises(Unavailable, match="suspended"):
            alive.driver.initialize_connection(volume.id)


def test_a_volume_that_is_found_under_another_name_is_the_same(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        lvm.run(["lvm", "lvrename", "--yes", "--", "vg", names.volume("v"), "database"])
        before = alive.driver.initialize_connection(volume.id)
        lvm.run(["lvm", "lvrename", "--yes", "--", "vg", "database", "db"])
        assert alive.driver.initialize_connection(volume.id) == before
        alive.driver.terminate_connection(volume.id)
        assert lvm.state.device(lvm.object(volume.id)) is None


def test_thin_snapshots_are_not_active_until_they_are_read(lvm: FakeLvm) -> None:
    with life(lvm, thinPools=["pool"]) as alive:
        volume = alive.volume()
        snapshot = alive.snapshot(volume)
        alive.driver.initialize_connection(volume.id)
        assert lvm.object(snapshot.id).skip
        assert not lvm.object(volume.id).skip
        assert lvm.state.device(lvm.object(snapshot.id)) is None


class Copying:
    """A clone under way, which stands still before its third extent until it is let go."""

    def __init__(self, alive: Life, source: str) -> None:
        self.go = threading.Event()
        self._process, self._lvm = alive.process, alive.lvm
        alive.process.meanwhile = self._wait
        clone = alive.driver.create_cloned_volume
        self._caller = threading.Thread(target=clone, args=(wanted("clone"), source))
        self._caller.start()
        self._lvm.wait_for(lambda: any(what.endswith(" 1") for what in self._process.changes))

    def _wait(self, what: str) -> None:
        if what.startswith("copy ") and what.endswith(" 2"):
            assert self.go.wait(10)

    def finish(self) -> None:
        self.go.set()
        self._caller.join(10)


def test_the_last_copy_takes_a_device_away_that_nobody_else_wants(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        alive.driver.terminate_connection(volume.id)
        copying = Copying(alive, volume.id)
        assert lvm.state.device(lvm.object(volume.id)) is not None
        copying.finish()
        assert lvm.state.device(lvm.object(volume.id)) is None


def test_a_device_that_a_pod_wants_outlives_the_copy(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        alive.driver.initialize_connection(volume.id)
        copying = Copying(alive, volume.id)
        copying.finish()
        assert lvm.state.device(lvm.object(volume.id)) is not None


def test_a_pod_that_comes_during_the_copy_keeps_the_device(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        copying = Copying(alive, volume.id)
        alive.driver.initialize_connection(volume.id)
        copying.finish()
        assert lvm.state.device(lvm.object(volume.id)) is not None


def test_a_pod_that_goes_during_the_copy_leaves_the_device_to_it(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        alive.driver.initialize_connection(volume.id)
        copying = Copying(alive, volume.id)
        alive.driver.terminate_connection(volume.id)
        assert lvm.state.device(lvm.object(volume.id)) is not None
        copying.finish()
        assert lvm.state.device(lvm.object(volume.id)) is None


def test_a_pod_that_comes_at_the_very_end_of_a_copy_is_not_cut_off(lvm: FakeLvm) -> None:
    """What was connected while the copy decided to take the device away is still there."""
    with life(lvm) as alive:
        volume = alive.volume()
        alive.driver.terminate_connection(volume.id)
        copying = Copying(alive, volume.id)
        connected = threading.Event()

        def connect() -> None:
            deadline.set(time.monotonic() + 0.3)
            try:
                alive.driver.initialize_connection(volume.id)
            except Busy:
                return
            connected.set()

        def come(what: str) -> None:
            if "--activate n" in what and names.volume("v") in what:
                pod = threading.Thread(target=connect)
                pod.start()
                pod.join(5)

        alive.process.meanwhile = come
        copying.finish()
        if not connected.is_set():
            alive.driver.initialize_connection(volume.id)
        assert lvm.state.device(lvm.object(volume.id)) is not None
