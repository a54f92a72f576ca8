"""What CSI asks of every string in every request, checked once for all RPCs.

CSI, "Size limits": strings have at most 128 bytes, node ids 256, a map 4 KiB in all; paths are
bounded by the operating system. Names hold any Unicode but control characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import cast

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from csi.rpc.redact import inner, is_secret
from drivers.errors import Invalid

STRING = 128
TOGETHER = 4096
PATH = 4095  # PATH_MAX without the zero byte

# A token that is none of ours is ABORTED by whoever makes tokens, however long it is.
LIMITS: Mapping[str, int] = MappingProxyType(
    {"node_id": 256, "mount_flags": TOGETHER, "starting_token": TOGETHER}
)

# CSI, CreateVolumeRequest.name: tab, line feed and carriage return are the three that may stay.
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def check(request: Message, at: str = "") -> None:
    """Raise `Invalid`, naming the field, for a string that is too long or holds control characters.

    Nothing is said about the content of secrets, only about their size.
    """
    for field, value in request.ListFields():
        where = f"{at}{field.name}"
        if _is_map(field):
            _map(where, cast("Mapping[object, object]", value), secret=is_secret(field))
        elif field.type == FieldDescriptor.TYPE_STRING:
            _strings(field, where, value)
        for place, nested in _places(field, where, value):
            check(nested, f"{place}.")


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _places(field: FieldDescriptor, where: str, value: object) -> Iterator[tuple[str, Message]]:
    for index, nested in enumerate(inner(field, value)):
        yield f"{where}[{index}]" if field.is_repeated else where, nested


def _strings(field: FieldDescriptor, where: str, value: object) -> None:
    many = field.is_repeated
    strings = list(cast("Iterable[str]", value)) if many else [cast("str", value)]
    for index, string in enumerate(strings):
        place = f"{where}[{index}]" if many else where
        _size(place, _bytes(string), _limit(field.name))
        _printable(place, string)
    if field.name == "mount_flags":  # CSI bounds their sum, not each
        _size(where, sum(map(_bytes, strings)), TOGETHER)


def _limit(name: str) -> int:
    if name.endswith("_path"):
        return PATH
    return LIMITS.get(name, STRING)


def _map(where: str, entries: Mapping[object, object], *, secret: bool) -> None:
    pairs = [(str(key), value) for key, value in entries.items()]
    strings = [(key, value) for key, value in pairs if isinstance(value, str)]
    _size(where, sum(_bytes(key) + _bytes(value) for key, value in strings), TOGETHER)
    if secret:
        return
    for key, value in strings:
        _printable(f"a key of {where}", key)
        _printable(f"{where}[{key!r}]", value)


def _bytes(string: str) -> int:
    return len(string.encode())


def _size(where: str, size: int, limit: int) -> None:
    if size > limit:
        raise Invalid(f"{where} has {size} bytes; CSI allows {limit}")


def _printable(where: str, string: str) -> None:
    if found := CONTROL.search(string):
        raise Invalid(f"{where} holds the control character U+{ord(found[0]):04X}; take it out")
