"""Every failure has its gRPC code, and a message that travels."""

import re
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from csi.rpc import status
from csi.rpc.peer import Peer
from csi.spec import csi_pb2
from drivers import errors
from drivers.manageable import Hindrance, Obstacle
from tests.fakes.services import failing_with, refusal, serving

Code = grpc.StatusCode
CREATE = "/csi.v1.Controller/CreateVolume"
# Those that are made of more than a message come as the nearest class that is not.
NAMED = {
    errors.StorageError: errors.Unavailable,
    errors.InProgress: errors.Busy,
    errors.Absent: errors.Unavailable,
    errors.CommandFailed: errors.Unavailable,
    errors.MissingModule: errors.Precondition,
}

# RESOURCE_EXHAUSTED makes the sidecar choose another node: exactly one class may become it.
EXPECTED = {
    errors.StorageError: Code.INTERNAL,
    errors.Invalid: Code.INVALID_ARGUMENT,
    errors.Unsupported: Code.INVALID_ARGUMENT,
    errors.NotFound: Code.NOT_FOUND,
    errors.Exists: Code.ALREADY_EXISTS,
    errors.AlreadyManaged: Code.ALREADY_EXISTS,
    errors.Unmanageable: Code.FAILED_PRECONDITION,
    errors.OutOfRange: Code.OUT_OF_RANGE,
    errors.Exhausted: Code.RESOURCE_EXHAUSTED,
    errors.Precondition: Code.FAILED_PRECONDITION,
    errors.InUse: Code.FAILED_PRECONDITION,
    errors.MissingModule: Code.FAILED_PRECONDITION,
    errors.Busy: Code.ABORTED,
    errors.InProgress: Code.ABORTED,
    errors.Unavailable: Code.UNAVAILABLE,
    errors.Absent: Code.UNAVAILABLE,
    errors.CommandFailed: Code.UNAVAILABLE,
}


def below(kind: type[errors.StorageError]) -> Iterator[type[errors.StorageError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from below(child)


def made(kind: type[errors.StorageError]) -> errors.StorageError:
    if kind is errors.InProgress:
        return errors.InProgress("half done", done=1, total=2)
    if kind is errors.MissingModule:
        return errors.MissingModule("dm_raid", "LVM needs for raid1", "modprobe: FATAL")
    if kind is errors.CommandFailed:
        return errors.CommandFailed("lvm", 5, "no such thing")
    if kind is errors.Unmanageable:
        return errors.Unmanageable("it is open", Obstacle(Hindrance.OPEN, "it is open"))
    return kind("the object, the fact, what to change")


def arrived(error: Exception, tmp_path: Path) -> tuple[grpc.StatusCode, str]:
    """What a client gets of ``error``."""
    request = csi_pb2.CreateVolumeRequest(name="broken")
    with serving(tmp_path / "csi.sock", failing_with(error)) as client:
        return refusal(client.controller.CreateVolume, request)


def test_every_class_of_the_vocabulary_is_expected_here() -> None:
    assert {
        kind for kind in below(errors.StorageError) if kind.__module__ == "drivers.errors"
    } == set(EXPECTED)


@pytest.mark.parametrize("kind", EXPECTED, ids=lambda kind: kind.__name__)
def test_an_error_arrives_as_its_code_with_its_message(
    kind: type[errors.StorageError], tmp_path: Path
) -> None:
    error = made(kind)
    assert arrived(error, tmp_path) == (EXPECTED[kind], str(error))


def test_an_outsiders_class_inherits_its_code() -> None:
    class MirrorLost(errors.InUse):
        pass

    assert status.code(MirrorLost("x")) is Code.FAILED_PRECONDITION


def test_what_is_no_storage_error_is_a_bug() -> None:
    assert status.code(KeyError("x")) is Code.INTERNAL


@pytest.mark.parametrize(
    ("said", "arrives"),
    [
        ("two\nlines, a tab\t and 100 %", "two\nlines, a tab\t and 100 %"),
        ("Größe: 壁炉 🔥", "Größe: 壁炉 🔥"),
        ("not UTF-8: \udcff", "not UTF-8: ?"),
        ("zero \x00 byte", "zero \x00 byte"),
        ("", ""),
    ],
)
def test_any_text_travels(said: str, arrives: str, tmp_path: Path) -> None:
    assert arrived(errors.Unavailable(said), tmp_path) == (Code.UNAVAILABLE, arrives)


@pytest.mark.parametrize("letter", ["x", "é", "壁", "🔥"])
def test_a_long_text_is_cut_between_characters_and_still_travels(
    letter: str, tmp_path: Path
) -> None:
    code, message = arrived(errors.Unavailable(letter * 100_000), tmp_path)
    assert code is Code.UNAVAILABLE
    assert re.fullmatch(f"{letter}+…", message)
    assert status.LIMIT - 5 < len(message.encode()) <= status.LIMIT


@pytest.mark.parametrize("kind", EXPECTED)
def test_an_error_has_its_class_again_on_the_other_side(
    kind: type[errors.StorageError], tmp_path: Path
) -> None:
    error = made(kind)
    with serving(tmp_path / "csi.sock", failing_with(error)):
        peer = Peer("n1", f"unix://{tmp_path}/csi.sock", None)
        with pytest.raises(status.Answered) as answered:
            peer.forward(CREATE, csi_pb2.CreateVolumeRequest(name="broken").SerializeToString())
        peer.close()
    named = status.named(answered.value)
    assert type(named) is NAMED.get(kind, kind)
    assert str(error) in str(named)
    if isinstance(named, errors.Unmanageable):
        assert named.obstacle.hindrance is Hindrance.OPEN


def test_what_a_server_does_not_know_is_not_supported() -> None:
    answer = status.Answered(Code.UNIMPLEMENTED, "Method not found!")
    assert isinstance(status.named(answer), errors.Unsupported)


def test_a_class_that_does_not_fit_its_code_is_not_believed() -> None:
    answer = status.Answered(Code.NOT_FOUND, "gone", "Invalid")
    assert type(status.named(answer)) is errors.NotFound
