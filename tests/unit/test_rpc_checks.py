"""The limits that CSI sets to every string, and secrets that stay out of sight."""

import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st

from csi.rpc import checks, redact
from csi.spec import csi_pb2
from drivers.errors import Invalid

FORBIDDEN = [*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), *range(0x7F, 0xA0)]


def mount(**fields: object) -> csi_pb2.VolumeCapability:
    return csi_pb2.VolumeCapability(mount=csi_pb2.VolumeCapability.MountVolume(**fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name", ["x" * 128, "é" * 64, "壁" * 42, "🔥" * 32, "a\tb\r\nc", "../..", ""]
)
def test_a_name_of_128_bytes_of_any_unicode_passes(name: str) -> None:
    checks.check(csi_pb2.CreateVolumeRequest(name=name))


@pytest.mark.parametrize("name", ["x" * 129, "é" * 65, "🔥" * 33])
def test_a_longer_name_is_refused_with_both_numbers(name: str) -> None:
    size = len(name.encode())
    with pytest.raises(Invalid, match=f"^name has {size} bytes; CSI allows 128$"):
        checks.check(csi_pb2.CreateVolumeRequest(name=name))


@pytest.mark.parametrize("point", FORBIDDEN)
def test_a_control_character_is_refused_by_its_number(point: int) -> None:
    with pytest.raises(Invalid, match=f"^volume_id holds .* U\\+{point:04X}"):
        checks.check(csi_pb2.DeleteVolumeRequest(volume_id=f"a{chr(point)}"))


@given(st.text().filter(lambda text: len(text.encode()) <= 128))
def test_exactly_control_characters_are_refused(text: str) -> None:
    bad = any(ord(letter) in FORBIDDEN for letter in text)
    try:
        checks.check(csi_pb2.CreateVolumeRequest(name=text))
    except Invalid:
        assert bad
    else:
        assert not bad


@pytest.mark.parametrize(
    ("request_", "place"),
    [
        (csi_pb2.NodeStageVolumeRequest(volume_context={"a": "b\x01"}), r"volume_context\['a'\]"),
        (csi_pb2.NodeStageVolumeRequest(volume_context={"\x01": "b"}), "a key of volume_context"),
        (
            csi_pb2.CreateVolumeRequest(volume_capabilities=[mount(), mount(fs_type="\x01")]),
            r"volume_capabilities\[1\]\.mount\.fs_type",
        ),
        (
            csi_pb2.CreateVolumeRequest(volume_capabilities=[mount(mount_flags=["ro", "\x01"])]),
            r"volume_capabilities\[0\]\.mount\.mount_flags\[1\]",
        ),
        (
            csi_pb2.CreateVolumeGroupSnapshotRequest(source_volume_ids=["a", "b" * 129]),
            r"source_volume_ids\[1\]",
        ),
        (
            csi_pb2.GetCapacityRequest(
                accessible_topology=csi_pb2.Topology(segments={"k": "\x7f"})
            ),
            r"accessible_topology\.segments\['k'\]",
        ),
        (csi_pb2.NodeUnpublishVolumeRequest(target_path="/\x01"), "target_path"),
        (csi_pb2.NodeUnpublishVolumeRequest(target_path="/" * 4096), "target_path"),
        (csi_pb2.ControllerPublishVolumeRequest(node_id="n" * 257), "node_id"),
        (csi_pb2.CreateVolumeRequest(parameters={"k": "v" * 4096}), "parameters"),
        (
            csi_pb2.CreateVolumeRequest(parameters={f"{n:04}": "v" * 30 for n in range(121)}),
            "parameters",
        ),
        (csi_pb2.CreateVolumeRequest(secrets={"k": "v" * 4096}), "secrets"),
        (
            csi_pb2.CreateVolumeRequest(volume_capabilities=[mount(mount_flags=["x" * 99] * 42)]),
            "mount_flags",
        ),
    ],
)
def test_the_place_of_the_fault_is_named(request_: Message, place: str) -> None:
    with pytest.raises(Invalid, match=place):
        checks.check(request_)


@pytest.mark.parametrize(
    "request_",
    [
        csi_pb2.NodeUnpublishVolumeRequest(target_path="/" + "x" * 4094),
        csi_pb2.ControllerPublishVolumeRequest(node_id="n" * 256),
        csi_pb2.CreateVolumeRequest(parameters={"k": "v" * 4095}),
        csi_pb2.CreateVolumeRequest(volume_capabilities=[mount(mount_flags=["x" * 200])]),
        csi_pb2.ListVolumesRequest(starting_token="t" * 1000),
    ],
)
def test_what_the_limits_allow_passes(request_: Message) -> None:
    checks.check(request_)


def test_nothing_is_said_of_what_is_in_secrets() -> None:
    checks.check(csi_pb2.CreateVolumeRequest(secrets={"key\x01": "hunter2\x01"}))


def test_every_secret_field_of_every_message_is_blanked() -> None:
    found = 0
    for described in csi_pb2.DESCRIPTOR.message_types_by_name.values():
        for field in described.fields:
            if not field.GetOptions().Extensions[csi_pb2.csi_secret]:
                continue
            found += 1
            message = GetMessageClass(described)()
            getattr(message, field.name)["user"] = "hunter2"
            assert "hunter2" not in redact.line(message)
            assert getattr(message, field.name)["user"] == "hunter2", "the original was changed"
    assert found == 22


def test_a_secret_deep_inside_is_blanked_and_all_else_stays() -> None:
    request = csi_pb2.CreateVolumeRequest(
        name="n",
        secrets={"a": "hunter2"},
        parameters={"layout": "thin"},
        volume_capabilities=[mount(fs_type="ext4", mount_flags=["password=hunter3"])],
    )
    blanked = redact.redacted(request)
    assert blanked.parameters == {"layout": "thin"}
    assert blanked.volume_capabilities[0].mount.fs_type == "ext4"
    assert "hunter" not in str(blanked)
    assert request.volume_capabilities[0].mount.mount_flags == ["password=hunter3"]


def test_a_request_is_one_line_of_the_log() -> None:
    assert "\n" not in redact.line(csi_pb2.CreateVolumeRequest(name="a\nb", parameters={"k": "v"}))
