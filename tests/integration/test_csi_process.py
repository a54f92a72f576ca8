"""The process under the service: it forgets everything, ends in order, and meets others at work on LVM."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from csi.spec import csi_pb2 as pb
from drivers.lvm.capacity import ASKING, STALE
from drivers.model import GIB, MIB
from tests.integration import files
from tests.integration.calls import creation, growth, refusal
from tests.integration.served import Served, lvm

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

LOCKED = 10.0
"""The deadline of calls that cannot be served."""


def test_a_restart_between_any_two_calls_changes_nothing(served: Served) -> None:
    thin = served.create("thin", 64 * MIB, layout="thin")
    served.restart()
    thick = served.create("thick", 64 * MIB, layout="linear")
    served.restart()
    assert served.create("thin", 64 * MIB, layout="thin") == thin
    path = served.publish(thick.volume_id)
    files.write(path, "first")
    served.restart()
    assert served.publish(thick.volume_id) == path
    snapshot = served.snapshot("cut", thick.volume_id)
    served.restart()
    assert served.snapshot("cut", thick.volume_id) == snapshot
    served.withdraw(thick.volume_id)
    served.restart()
    assert served.grow(thick.volume_id, 96 * MIB) == 96 * MIB
    back = served.create("back", 64 * MIB, layout="linear", snapshot=snapshot.snapshot_id)
    served.restart()
    assert files.wrong(served.publish(back.volume_id), ["first"], 64 << 10) == []
    assert served.volumes() == {
        thin.volume_id: 64 * MIB,
        thick.volume_id: 96 * MIB,
        back.volume_id: 64 * MIB,
    }
    served.restart()
    served.withdraw(back.volume_id)
    served.delete(back.volume_id)
    served.restart()
    served.delete(back.volume_id)
    served.drain()
    assert back.volume_id not in served.volumes()


def test_a_copy_is_found_again_by_the_next_process(served: Served) -> None:
    """The call that began it was given up, and so was the process."""
    source = served.create("source", 768 * MIB, layout="linear", fs_type="")
    device = served.publish(source.volume_id, "")
    with device.open("r+b") as file:
        file.write(files.content("source", 16 * MIB))
        os.fsync(file.fileno())
    asked = creation("copy", 768 * MIB, layout="linear", fs_type="", volume=source.volume_id)
    code, _ = refusal(served.client.controller.CreateVolume, asked, timeout=1.5)
    assert code in ("ABORTED", "DEADLINE_EXCEEDED")
    served.kill()
    served.start()
    copy = served.client.controller.CreateVolume(asked, timeout=120).volume
    assert files.digest(served.publish(copy.volume_id, "")) == files.digest(device)
    assert len(served.volumes()) == 2


def test_it_ends_in_order_with_calls_in_work(served: Served) -> None:
    source = served.create("source", 256 * MIB, layout="linear", fs_type="")
    asked = creation("copy", 256 * MIB, layout="linear", fs_type="", volume=source.volume_id)
    answer = served.client.controller.CreateVolume.future(asked, timeout=60)
    end = time.monotonic() + 20
    while not served.metric("hearth_rpc_in_flight", ""):
        assert time.monotonic() < end, "the call never came in"
    process = served.process
    assert process is not None
    process.terminate()
    assert process.wait(timeout=60) == 0
    copy = answer.result().volume
    served.client.close()
    served.start()
    assert set(served.volumes()) == {source.volume_id, copy.volume_id}


def test_the_metadata_is_copied_at_its_end(served: Served) -> None:
    volume = served.create("data", 8 * MIB, layout="linear", fs_type="")
    assert served.stop() == 0
    copy = max((served.folder / "backup" / served.group).glob("*.vg")).read_text()
    assert f"hearth.id={volume.volume_id.partition('.')[2]}" in copy
    assert "hearth.creating" not in copy
    served.start()


def test_a_second_one_on_the_socket_is_refused(served: Served) -> None:
    command = replace(served, http="127.0.0.1:9812", process=None).command()
    second = subprocess.run(command, check=False, capture_output=True, text=True)
    assert second.returncode == 1
    assert str(served.folder / "csi.sock") in second.stderr
    assert served.create("data", 8 * MIB, layout="thin", fs_type="").volume_id


@contextmanager
def stranger(group: str) -> Iterator[Path]:
    """A logical volume of somebody else, full of data, and one of theirs in our thin pool."""
    lvm("lvcreate", "--yes", "-n", "stranger", "-L", "8m", group)
    lvm("lvcreate", "--yes", "-n", "vol-00", "-V", "8m", "--thinpool", "pool", group)
    path = Path(f"/dev/{group}/stranger")
    path.write_bytes(files.content("stranger", 8 * MIB))
    try:
        yield path
        assert path.read_bytes() == files.content("stranger", 8 * MIB)
    finally:
        lvm("lvremove", "--yes", f"{group}/stranger", f"{group}/vol-00")


def test_whatever_is_not_ours_is_never_listed_touched_or_deleted(served: Served) -> None:
    with stranger(served.group):
        before = _rows(served.group)
        thin = served.create("thin", 8 * MIB, layout="thin", fs_type="")
        thick = served.create("thick", 8 * MIB, layout="linear", fs_type="")
        assert served.volumes() == {thick.volume_id: 8 * MIB, thin.volume_id: 8 * MIB}
        stray = f"{thick.volume_id.partition('.')[0]}.stranger"
        delete = pb.DeleteVolumeRequest(volume_id=stray)
        assert refusal(served.client.controller.DeleteVolume, delete)[0] == "OK"
        grow = growth(stray, GIB)
        assert refusal(served.client.controller.ControllerExpandVolume, grow)[0] == "NOT_FOUND"
        served.restart()
        served.empty()
        assert _rows(served.group) == before


def test_a_name_that_somebody_else_has_taken_is_left_to_them(served: Served) -> None:
    volume = served.create("data", 8 * MIB, layout="linear", fs_type="")
    ours = next(name for name in _rows(served.group) if name.startswith("vol-"))
    served.delete(volume.volume_id)
    with stranger(served.group) as path:
        lvm("lvrename", served.group, path.name, ours)
        try:
            taken = creation("data", 8 * MIB, layout="linear", fs_type="")
            code, message = refusal(served.client.controller.CreateVolume, taken)
            assert (code, ours in message) == ("ALREADY_EXISTS", True)
        finally:
            lvm("lvrename", served.group, ours, path.name)


@contextmanager
def locked(group: str) -> Iterator[None]:
    """The lock of the volume group, held as by an LVM command that hangs."""
    with Path(f"/run/lock/lvm/V_{group}").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_calls_that_need_a_locked_group_are_refused_before_their_deadline(served: Served) -> None:
    volume = served.create("data", 8 * MIB, layout="thin", fs_type="")
    controller = served.client.controller
    calls = {
        "create": (controller.CreateVolume, creation("more", 8 * MIB, layout="linear")),
        "thin": (controller.CreateVolume, creation("less", 8 * MIB, layout="thin")),
        "grow": (controller.ControllerExpandVolume, growth(volume.volume_id, 16 * MIB)),
        "snapshot": (
            controller.CreateSnapshot,
            pb.CreateSnapshotRequest(name="cut", source_volume_id=volume.volume_id),
        ),
        "delete": (controller.DeleteVolume, pb.DeleteVolumeRequest(volume_id=volume.volume_id)),
    }
    # So that the list is in memory: LVM cannot be asked under the lock.
    assert served.volumes() == {volume.volume_id: 8 * MIB}
    with locked(served.group):
        answers = {
            name: call.future(request, timeout=LOCKED) for name, (call, request) in calls.items()
        }
        codes = {name: answer.exception().code() for name, answer in answers.items()}
        assert set(codes.values()) <= {grpc.StatusCode.ABORTED, grpc.StatusCode.UNAVAILABLE}, codes
        assert served.volumes() == {volume.volume_id: 8 * MIB}
    for call, request in calls.values():
        assert refusal(call, request)[0] == "OK"


def test_capacity_is_answered_while_the_group_is_locked(served: Served) -> None:
    """Also for a layout that was never asked for, and after a change that nobody has looked at."""
    lvm("lvcreate", "--yes", "-n", "stranger", "-L", "8m", served.group)
    try:
        with locked(served.group):
            began = time.monotonic()
            for layout in ("thin", "linear", "striped"):
                assert served.room(layout).available_capacity < 4 * GIB
            assert time.monotonic() - began < 3 * (STALE + ASKING + 1.0)
    finally:
        lvm("lvremove", "--yes", f"{served.group}/stranger")


def _rows(group: str) -> dict[str, str]:
    columns = "lv_name,lv_uuid,lv_size,lv_tags"
    rows = lvm("lvs", "--noheadings", "--separator", "|", "--options", columns, group).splitlines()
    return {row.strip().partition("|")[0]: row for row in rows}
