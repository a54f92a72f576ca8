"""Images into volumes and out of them, through a real socket: all of it, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256, shake_256
from threading import Event
from typing import Any

import pytest

from csi.controller.access import Access
from csi.controller.requests import VolumeRequest
from csi.spec import manage_pb2 as pb
from drivers.errors import Exists, Invalid, OutOfRange
from drivers.model import MIB, Content, Properties, SizeRange, Volume, VolumeMode, VolumeSpec
from tests.fakes.bench import refused, wanted
from tests.fakes.cluster import eventually
from tests.fakes.management import Management, head, management, parts

IMAGE = shake_256(b"an image").digest(5 * MIB + 17)


@pytest.fixture
def node() -> Iterator[Management]:
    with management() as made:
        yield made


def half(node: Management, content: Content, data: bytes = IMAGE) -> Volume:
    """What a process that was killed in the middle of an upload leaves."""
    properties = Properties(fs_type="ext4", image=sha256(data).hexdigest())
    made = node.driver.create_volume(VolumeSpec("golden", SizeRange(8 * MIB), properties))
    return node.driver.set_content(made.id, content)


def messages(data: bytes, **fields: Any) -> Iterator[pb.CreateVolumeFromImageRequest]:
    yield pb.CreateVolumeFromImageRequest(head=head("golden", data, **fields))
    for part in parts(data):
        yield pb.CreateVolumeFromImageRequest(data=part)


def test_a_volume_begins_with_the_image_and_ends_in_zeros(node: Management) -> None:
    made = node.image("golden", IMAGE, volume_size=8 * MIB)
    assert node.holds(made.id, 8 * MIB) == IMAGE.ljust(8 * MIB, b"\0")
    assert (made.content, made.partial, made.size) == ("formatted", False, 8 * MIB)
    assert made.source == f"image:{sha256(IMAGE).hexdigest()}"


def test_what_is_kept_with_it_is_what_was_asked_for(node: Management) -> None:
    properties = pb.Properties(
        mode="filesystem",
        fs_type="xfs",
        access_modes=["SINGLE_NODE_SINGLE_WRITER"],
        pvc_namespace="ns",
        pvc_name="claim",
        pv_name="pv-1",
        storage_class="thick",
    )
    size = 320 * MIB
    made = node.image("golden", IMAGE, properties=properties, volume_size=size, backend="fast")
    assert made.properties == properties


def test_the_same_image_is_found_and_not_read_again(node: Management) -> None:
    first = node.image("golden", IMAGE)
    again = node.client.create_from_image(head("golden", IMAGE), iter(()))
    assert again == first


def test_another_image_of_that_name_is_refused(node: Management) -> None:
    first = node.image("golden", IMAGE)
    with pytest.raises(Exists, match="image"):
        node.image("golden", IMAGE[::-1])
    assert node.bench.ids() == [first.id]


@pytest.mark.parametrize(
    "data", [IMAGE[:-1], IMAGE + b"x", IMAGE[:-1] + b"x", b""], ids=["short", "long", "other", "no"]
)
def test_bytes_that_are_not_the_image_leave_nothing(node: Management, data: bytes) -> None:
    with pytest.raises(Invalid, match="nothing of it is used"):
        node.client.create_from_image(head("golden", IMAGE), iter(parts(data)))
    assert node.bench.ids() == []
    assert node.image("golden", IMAGE).content == "formatted"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"sha256": "abc"}, "64 hex digits"),
        ({"sha256": "A" * 64}, "64 hex digits"),
        ({"image_size": 0}, "makes no volume"),
        ({"volume_size": -1}, "makes no volume"),
        ({"name": ""}, "has no name"),
        ({"backend": "slow"}, "'slow' is not a backend"),
        ({"options": {"layuot": "linear"}}, "is not known"),
        ({"properties": pb.Properties(mode="files")}, "must be filesystem or block"),
        ({"properties": pb.Properties(access_modes=["MULTI_NODE_MULTI_WRITER"])}, "not possible"),
    ],
)
def test_what_makes_no_sense_is_refused(
    node: Management, fields: dict[str, Any], says: str
) -> None:
    with pytest.raises(Invalid, match=says):
        node.client.create_from_image(head("golden", IMAGE, **fields), iter(parts(IMAGE)))
    assert node.bench.ids() == []


def test_a_filesystem_that_would_not_fit_is_refused(node: Management) -> None:
    with pytest.raises(OutOfRange, match="smallest xfs"):
        node.image("golden", IMAGE, properties=pb.Properties(mode="filesystem", fs_type="xfs"))


def test_a_rehearsal_tells_and_makes_nothing(node: Management) -> None:
    foreseen = node.client.create_from_image(head("golden", IMAGE, dry_run=True), iter(()))
    assert (foreseen.id, foreseen.size) == ("", len(IMAGE))
    assert node.bench.ids() == []
    with pytest.raises(Invalid, match="'slow' is not a backend"):
        node.client.create_from_image(head("golden", IMAGE, dry_run=True, backend="slow"), iter(()))


def test_a_caller_who_leaves_leaves_nothing(node: Management) -> None:
    came, go = Event(), Event()

    def slowly() -> Iterator[pb.CreateVolumeFromImageRequest]:
        first, second, *_ = messages(IMAGE)
        yield first
        yield second
        came.set()
        go.wait(30)

    call = node.bench.client.manage.CreateVolumeFromImage.future(slowly())
    assert came.wait(10)
    eventually(node.bench.ids)
    assert list(node.client.orphans()) == []
    call.cancel()
    go.set()
    eventually(lambda: not node.bench.ids())
    # gRPC may tell a server of the end of a stream a moment before it tells that the caller broke it off.
    eventually(lambda: counted(node, "CANCELLED") or counted(node, "INVALID_ARGUMENT"))
    assert node.image("golden", IMAGE).content == "formatted"


def counted(node: Management, code: str) -> bool:
    label = f'code="{code}",method="/hearth.manage.v1.Manage/CreateVolumeFromImage"'
    return f"hearth_rpc_total{{{label}}} 1.0" in node.bench.app.metrics.page().decode()


def test_an_empty_stream_is_refused(node: Management) -> None:
    with refused("INVALID_ARGUMENT", "ended before its first message"):
        node.bench.client.manage.CreateVolumeFromImage(iter(()))


@pytest.mark.parametrize("content", [Content.BLANK, Content.FORMATTING])
def test_what_a_killed_process_left_is_finished(node: Management, content: Content) -> None:
    left = half(node, content)
    made = node.image("golden", IMAGE)
    assert made.id == left.id
    assert node.holds(made.id, len(IMAGE)) == IMAGE
    assert list(node.client.orphans()) == []


@pytest.mark.parametrize("content", [Content.BLANK, Content.FORMATTING])
def test_what_a_killed_process_left_of_another_image_is_replaced(
    node: Management, content: Content
) -> None:
    half(node, content, IMAGE[::-1])
    made = node.image("golden", IMAGE)
    assert node.bench.ids() == [made.id]
    assert node.holds(made.id, len(IMAGE)) == IMAGE


def test_part_of_an_image_is_no_volume_for_anybody_else(node: Management) -> None:
    left = half(node, Content.FORMATTING)
    [orphan] = node.client.orphans()
    assert (orphan.id, orphan.backend, orphan.reason) == (left.id, "fast", "partial")
    assert node.client.volume(left.id).partial
    with refused("ALREADY_EXISTS", "image"):
        node.bench.client.controller.CreateVolume(wanted("golden"))


def test_a_volume_comes_out_as_it_is(node: Management) -> None:
    made = node.image("golden", IMAGE, volume_size=8 * MIB)
    first, *middle, last = node.client.copy_to_image(made.id)
    data = b"".join(each.data for each in middle)
    assert first.size == len(data) == 8 * MIB
    assert data == IMAGE.ljust(8 * MIB, b"\0")
    assert last.sha256 == sha256(data).hexdigest()


def test_who_leaves_a_volume_that_is_copied_lets_go_of_it(node: Management) -> None:
    made = node.image("golden", IMAGE, volume_size=64 * MIB)
    copying = node.bench.client.manage.CopyVolumeToImage(
        pb.CopyVolumeToImageRequest(volume_id=made.id)
    )
    next(copying)
    next(copying)
    copying.cancel()
    eventually(lambda: not node.driver._connected)
    eventually(lambda: _may_be_deleted(node, made.id))


def _may_be_deleted(node: Management, volume_id: str) -> bool:
    node.bench.delete(volume_id)
    return volume_id not in node.bench.ids()


def test_a_volume_that_is_not_there_cannot_come_out(node: Management) -> None:
    with refused("NOT_FOUND"):
        list(
            node.bench.client.manage.CopyVolumeToImage(
                pb.CopyVolumeToImageRequest(volume_id="memory0.none")
            )
        )


def test_one_name_is_filled_by_one_call_at_a_time(node: Management) -> None:
    go = Event()

    def waiting() -> Iterator[pb.CreateVolumeFromImageRequest]:
        for message in messages(IMAGE):
            yield message
            if message.data:
                go.wait(30)

    call = node.bench.client.manage.CreateVolumeFromImage.future(waiting())
    eventually(node.bench.ids)
    with refused("ABORTED", "another operation"):
        node.bench.client.manage.CreateVolumeFromImage(messages(IMAGE))
    go.set()
    assert call.result(30).volume.content == "formatted"


def test_the_rules_know_no_message(node: Management) -> None:
    request = VolumeRequest(
        "plain",
        SizeRange(4 * MIB),
        (Access(VolumeMode.BLOCK, "SINGLE_NODE_WRITER"),),
        {},
        image=sha256(b"x").hexdigest(),
    )
    foreseen = node.bench.app.provisioner.foresee(request)
    assert isinstance(foreseen, VolumeSpec)
    assert foreseen.properties.image == request.image
