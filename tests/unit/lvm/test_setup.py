"""The start: what a dead process left is healed, and a group that is not fit is refused with a remedy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from drivers.backends import Backend
from drivers.errors import Absent, Busy, Invalid, Unavailable
from drivers.lvm import devicemapper, names
from drivers.model import Volume, VolumeId
from tests.fakes.lvm import FakeLvm, Process
from tests.fakes.lvm.driver import OnFake, life, lived
from tests.fakes.lvm.state import Device, Logical

POOL: dict[str, Any] = {"thinPools": ["pool"]}


def active(lvm: FakeLvm, **options: Any) -> Volume:
    with life(lvm, **options) as alive:
        volume = alive.volume()
        alive.driver.initialize_connection(volume.id)
    return volume


def test_a_suspended_volume_is_refreshed(lvm: FakeLvm) -> None:
    device = lvm.device(lvm.object(active(lvm).id))
    device.suspended = device.waits = True
    with life(lvm) as alive:
        assert not device.suspended
        assert [what.split()[1:4] for what in alive.process.changes] == [
            ["lvchange", "--yes", "--refresh"]
        ]


def test_what_no_refresh_reaches_is_resumed_as_it_is(lvm: FakeLvm) -> None:
    """A device inside another one, and one whose volume is gone from the metadata."""
    active(lvm)
    prefix = f"LVM-{lvm.state.uuid.replace('-', '')}"
    for tail in ("x" * 32, "y" * 32 + "-real"):
        uuid = prefix + tail
        lvm.state.devices[uuid] = Device(f"vg-{tail}", uuid, lvm.directory / "none", suspended=True)
    with life(lvm) as alive:
        assert {what.split()[0] for what in alive.process.changes} == {"resume"}
    assert not [device for device in lvm.state.devices.values() if device.suspended]


def test_the_devices_of_other_groups_are_not_touched(lvm: FakeLvm) -> None:
    others = [
        Device(name, f"LVM-{letter * 64}", lvm.directory / "none", suspended=True)
        for name, letter in (("other-v", "y"), ("vg--a-v", "z"))
    ]
    lvm.state.devices.update((each.uuid, each) for each in others)
    with life(lvm):
        assert all(each.suspended for each in others)


def waits_for(device: Device) -> Callable[[str], None]:
    """What LVM does while the device is suspended: nothing."""

    def stand_still(what: str) -> None:
        if what.startswith("lvm") and device.suspended:
            raise Busy("it waits for a suspended device")

    return stand_still


def test_what_a_cut_left_suspended_goes_on_before_lvm_is_asked(lvm: FakeLvm) -> None:
    """A host's LVM that waits for it holds the lock that a report needs."""
    device = lvm.device(lvm.object(active(lvm).id))
    device.suspended = True
    process = Process(lvm)

    process.meanwhile = waits_for(device)
    with lived(process):
        assert not device.suspended


def out_of_sight(lvm: FakeLvm, lv: Logical) -> None:
    """Of its device nobody can tell whether a btrfs on it is frozen: it may be mounted elsewhere."""
    lvm.device(lv).path = lvm.directory / ("x" * 300)


def test_what_may_be_frozen_out_of_sight_stops_no_set_up(
    lvm: FakeLvm, caplog: pytest.LogCaptureFixture
) -> None:
    volume = active(lvm)
    lv = lvm.object(volume.id)
    out_of_sight(lvm, lv)
    with life(lvm) as alive:
        assert alive.driver.get_volume(volume.id) == volume
        said = f"whether device {lvm.device(lv).name} is frozen is not known"
        assert said in caplog.text
        caplog.clear()
        alive.driver.do_setup()
        assert "frozen" not in caplog.text, "what is frozen now may be for a cut of this process"


def test_what_others_may_have_frozen_is_not_touched(
    lvm: FakeLvm, caplog: pytest.LogCaptureFixture
) -> None:
    lv = lvm.object(active(lvm).id)
    out_of_sight(lvm, lv)
    lv.tags.clear()
    lvm.state.seqno += 1
    with life(lvm):
        assert "frozen" not in caplog.text


def test_what_somebody_opens_meanwhile_goes_on_all_the_same(lvm: FakeLvm) -> None:
    class Scanned(Process):
        """Somebody else's program opens every device between any two looks at them."""

        def devices(self, prefix: str) -> list[devicemapper.Device]:
            for each in lvm.state.devices.values():
                each.opened += 1
            return super().devices(prefix)

    device = lvm.device(lvm.object(active(lvm).id))
    device.suspended = True
    process = Scanned(lvm)

    process.meanwhile = waits_for(device)
    with lived(process):
        assert not device.suspended


def test_a_refresh_that_fails_is_followed_by_a_plain_resume(lvm: FakeLvm) -> None:
    lv = lvm.object(active(lvm).id)
    device = lvm.device(lv)
    device.suspended = device.waits = True
    process = Process(lvm)

    def rename(what: str) -> None:
        if "--refresh" in what:
            lv.name = "elsewhere"

    process.meanwhile = rename
    with lived(process):
        assert not device.suspended
    assert any(what.startswith("resume") for what in process.changes)


def test_a_thin_pool_is_activated(lvm: FakeLvm) -> None:
    pool = lvm.lv("pool")
    lvm.state.deactivate(pool)
    with life(lvm, **POOL):
        assert lvm.state.device(pool) is not None
    with life(lvm, **POOL) as alive:
        assert alive.process.changes == []


def test_what_was_deleted_but_not_renamed_gives_its_name_free(lvm: FakeLvm) -> None:
    lv = lvm.object(active(lvm).id)
    lv.tags.add(names.DELETING)
    lvm.device(lv).opened = 1  # so that the wiper cannot finish
    with life(lvm) as alive:
        assert lv.name.startswith("del-")
        assert lvm.object(alive.volume().id).name == names.volume("v")


def test_a_group_that_no_disk_carries_is_absent(lvm: FakeLvm) -> None:
    driver = OnFake("backend", options(lvm, "nowhere"), Process(lvm))
    with pytest.raises(Absent, match="no disk of this node has volume group nowhere"):
        driver.do_setup()
    with pytest.raises(Unavailable, match="not set up"):
        _ = driver.backend_id
    driver.close()


def options(lvm: FakeLvm, group: str = "vg") -> Any:
    run = str(lvm.directory / "run")
    return OnFake.Options(volume_group=group, runtime_directory=run, backup_directory=None)


def test_a_group_that_lacks_disks_is_read_but_not_changed(lvm: FakeLvm) -> None:
    volume = active(lvm)
    lvm.state.disks["/dev/sdd"].missing = True
    lvm.state.seqno += 1
    driver = OnFake("backend", options(lvm), Process(lvm))
    with pytest.raises(Unavailable, match=r"lacks 1 of its disks \(.*bring them back"):
        driver.do_setup()
    with pytest.raises(Unavailable, match="lacks 1 of its disks"):
        driver.check_for_setup_error()
    assert driver.list_volumes() == [volume]
    with pytest.raises(Unavailable, match="vgreduce --removemissing"):
        driver.delete_volume(volume.id)
    assert driver.get_volume_stats({}, refresh=True).unhealthy == "1 disks are missing"
    driver.close()


def test_a_disk_that_vanishes_in_service_is_told_and_found_again_under_another_name(
    lvm: FakeLvm,
) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        backend = Backend(alive.driver, pause=0.0)
        backend.set_up().wait(5)
        assert backend.trouble() is None
        lvm.pull("/dev/sdd")
        with pytest.raises(Unavailable, match="/dev/sdd cannot be opened"):
            alive.driver.list_volumes()
        assert alive.driver.get_volume_stats({}, refresh=False).unhealthy != ""
        with pytest.raises(Unavailable, match="lacks 1 of its disks"):
            backend.use()
        lvm.plug("/dev/sdd", "/dev/sde")
        assert backend.use().list_volumes() == [volume]
        assert alive.driver.get_volume_stats({}, refresh=False).unhealthy == ""


def test_a_group_that_vanishes_in_service_is_unavailable_and_not_without_the_volume(
    lvm: FakeLvm,
) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        lvm.state.name = "renamed"
        lvm.state.seqno += 1
        for call in (alive.driver.get_volume, alive.driver.delete_volume):
            with pytest.raises(Unavailable, match="cannot be read"):
                call(volume.id)
        lvm.state.name = "vg"
        lvm.state.seqno += 1
        assert alive.driver.list_volumes() == [volume]


def no_zeroing(pool: Logical) -> None:
    pool.zeroes = False


def hangs(pool: Logical) -> None:
    pool.when_full = "queue"


def no_pool(pool: Logical) -> None:
    pool.name = "other"


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        (no_zeroing, "lvchange --zero y vg/pool"),
        (hangs, "lvchange --errorwhenfull y vg/pool"),
        (no_pool, "lvcreate --type thin-pool --zero y --size SIZE --name pool vg"),
    ],
)
def test_a_pool_that_is_not_fit_is_refused_with_the_command_that_mends_it(
    lvm: FakeLvm, change: Callable[[Logical], None], remedy: str
) -> None:
    change(lvm.lv("pool"))
    with pytest.raises(Invalid, match=remedy), life(lvm, **POOL):
        pass


def test_a_volume_that_is_no_pool_is_refused(lvm: FakeLvm) -> None:
    active(lvm)
    with pytest.raises(Invalid, match="is no thin pool"), life(lvm, thinPools=lvm.names()):
        pass


def test_the_set_up_is_repeatable(lvm: FakeLvm) -> None:
    with life(lvm, **POOL) as alive:
        volume = alive.volume()
        alive.driver.do_setup()
        assert alive.driver.get_volume(volume.id) == volume
        alive.drained()


def test_looking_changes_nothing_and_has_a_configuration_of_its_own(lvm: FakeLvm) -> None:
    volume = active(lvm)
    lvm.device(lvm.object(volume.id)).suspended = True
    process = Process(lvm)
    driver = OnFake("backend", options(lvm), process)
    assert driver.look().volumes == 1
    assert process.changes == []
    assert not process.environment["LVM_SYSTEM_DIR"].startswith(str(lvm.directory))
    driver.close()


def test_before_the_set_up_everything_is_unavailable(lvm: FakeLvm) -> None:
    driver = OnFake("backend", options(lvm), Process(lvm))
    calls: list[Callable[[], object]] = [
        driver.list_volumes,
        driver.list_snapshots,
        lambda: driver.find_volume("v"),
        lambda: driver.get_volume(VolumeId("x.y")),
        lambda: driver.delete_volume(VolumeId("x.y")),
    ]
    for call in calls:
        with pytest.raises(Unavailable, match="not set up"):
            call()
    driver.close()
