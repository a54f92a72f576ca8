"""Requests without their secrets, for the log.

Found by the field option that the protocol marks them with, not by a list of names, so that a field
of a later version is safe on the day it arrives.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar, cast

from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from csi.spec import csi_pb2

M = TypeVar("M", bound=Message)

# CSI, MountVolume: the flags may hold a password, although no option marks the field.
SENSITIVE = frozenset({"csi.v1.VolumeCapability.MountVolume.mount_flags"})


def redacted(message: M) -> M:
    """A copy of ``message`` in which every secret field, however deep, is empty."""
    copy = type(message)()
    copy.CopyFrom(message)
    _blank(copy)
    return copy


def line(message: Message) -> str:
    """``message`` without its secrets, in one line."""
    return text_format.MessageToString(redacted(message), as_one_line=True, as_utf8=True)


def is_secret(field: FieldDescriptor) -> bool:
    """Whether what the field holds must never be shown."""
    return field.GetOptions().Extensions[csi_pb2.csi_secret] or field.full_name in SENSITIVE


def inner(field: FieldDescriptor, value: object) -> Iterable[Message]:
    """The messages that a set field holds: none, one, or the many of a list or a map."""
    if field.message_type is None:
        return ()
    if field.message_type.GetOptions().map_entry:
        entries = field.message_type.fields_by_name["value"]
        values = cast("dict[object, Message]", value).values()
        return values if entries.message_type else ()
    return cast("Iterable[Message]", value) if field.is_repeated else (cast("Message", value),)


def _blank(message: Message) -> None:
    for field, value in message.ListFields():
        if is_secret(field):
            message.ClearField(field.name)
            continue
        for nested in inner(field, value):
            _blank(nested)
