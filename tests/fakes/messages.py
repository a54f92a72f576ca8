"""Any message of a protocol, made from its description, for tests of what strangers may send."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

NUMBERS = [0, 1, -1, 1 << 20, 1 << 31, -(1 << 31), 1 << 62, -(1 << 63)]
DEPTH = 4


def messages(described: Descriptor, strings: Sequence[str]) -> st.SearchStrategy[Message]:
    """Messages with any of their fields set; strings are often among ``strings``."""
    return _message(described, st.sampled_from(strings) | st.text(max_size=140), DEPTH)


def _message(
    described: Descriptor, strings: st.SearchStrategy[str], depth: int
) -> st.SearchStrategy[Message]:
    make = GetMessageClass(described)
    fields = {
        field.name: _values(field, strings, depth)
        for field in described.fields
        if depth or field.message_type is None
    }
    present = st.fixed_dictionaries({}, optional=fields)
    return present.map(lambda chosen: make(**_one_of_each(described, chosen)))


def _one_of_each(described: Descriptor, chosen: dict[str, Any]) -> dict[str, Any]:
    """``chosen`` with at most one field of each oneof: with more, the last one would win."""
    taken: dict[str, Any] = {}
    for name, value in chosen.items():
        group = described.fields_by_name[name].containing_oneof
        if group is None or not any(other.name in taken for other in group.fields):
            taken[name] = value
    return taken


def _values(
    field: FieldDescriptor, strings: st.SearchStrategy[str], depth: int
) -> st.SearchStrategy[Any]:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return st.dictionaries(strings, strings, max_size=3)
    value = _value(field, strings, depth)
    return st.lists(value, max_size=3) if field.is_repeated else value


def _value(
    field: FieldDescriptor, strings: st.SearchStrategy[str], depth: int
) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        return _message(field.message_type, strings, depth - 1)
    if field.type == FieldDescriptor.TYPE_STRING:
        return strings
    if field.type == FieldDescriptor.TYPE_BOOL:
        return st.booleans()
    if field.type == FieldDescriptor.TYPE_ENUM:
        return st.integers(0, 20)
    wide = field.type == FieldDescriptor.TYPE_INT64
    return st.sampled_from(NUMBERS if wide else [each for each in NUMBERS if abs(each) < 1 << 31])
