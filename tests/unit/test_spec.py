"""``csi.proto`` is words of our own; its names, types and numbers must be those of CSI 1.13.

``tests/data/csi-1.13.txt`` holds one fact of the wire contract a line. The descriptor of the code
that runs is written out in the same form, so a difference in either direction is one line.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    MethodDescriptor,
    ServiceDescriptor,
)
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto
from google.protobuf.message import Message

from csi.spec import csi_pb2

ROOT = Path(__file__).parents[2]
FACTS = (ROOT / "tests/data/csi-1.13.txt").read_text().splitlines()
SPEC = ROOT / "csi/spec"

SCALARS = {
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
}


def short(descriptor: Descriptor | EnumDescriptor) -> str:
    return descriptor.full_name.removeprefix("csi.v1.")


def marks(options: Message) -> str:
    names = {field.name for field, value in options.ListFields() if value is True}
    secret = " secret" if "csi_secret" in names else ""
    return secret + (" alpha" if any(name.startswith("alpha_") for name in names) else "")


def is_map(message: Descriptor | None) -> bool:
    return message is not None and message.GetOptions().map_entry


def kind(field: FieldDescriptor) -> str:
    if field.message_type is not None and is_map(field.message_type):
        inner = field.message_type.fields_by_name
        return f"map<{kind(inner['key'])},{kind(inner['value'])}>"
    named = field.message_type or field.enum_type
    name = short(named) if named else SCALARS[field.type]
    return f"repeated {name}" if field.is_repeated else name


def rpc(method: MethodDescriptor) -> str:
    asked = ("stream " if method.client_streaming else "") + short(method.input_type)
    given = ("stream " if method.server_streaming else "") + short(method.output_type)
    name = f"{method.containing_service.name}.{method.name}"
    return f"rpc {name}({asked}) {given}{marks(method.GetOptions())}"


def service(described: ServiceDescriptor) -> Iterator[str]:
    yield f"service {described.name}{marks(described.GetOptions())}"
    yield from map(rpc, described.methods)


def gaps(described: Descriptor | EnumDescriptor) -> Iterator[range]:
    if isinstance(described, Descriptor):
        message = DescriptorProto()
        described.CopyToProto(message)
        yield from (range(gap.start, gap.end) for gap in message.reserved_range)
    else:
        enum = EnumDescriptorProto()
        described.CopyToProto(enum)  # the range of an enum includes its end
        yield from (range(gap.start, gap.end + 1) for gap in enum.reserved_range)


def reserved(described: Descriptor | EnumDescriptor) -> Iterator[str]:
    for gap in gaps(described):
        yield from (f"reserved {short(described)} {number}" for number in gap)


def enum(described: EnumDescriptor) -> Iterator[str]:
    yield f"enum {short(described)}{marks(described.GetOptions())}"
    yield from reserved(described)
    for value in described.values:
        yield f"value {short(described)} {value.number} {value.name}{marks(value.GetOptions())}"


def message(described: Descriptor) -> Iterator[str]:
    yield f"message {short(described)}{marks(described.GetOptions())}"
    yield from reserved(described)
    for field in described.fields:
        one = f" oneof={field.containing_oneof.name}" if field.containing_oneof else ""
        said = f"field {short(described)} {field.number} {field.name}: {kind(field)}"
        yield said + one + marks(field.GetOptions())
    for nested in described.nested_types:
        if not is_map(nested):
            yield from message(nested)
    for inner in described.enum_types:
        yield from enum(inner)


def facts() -> Iterator[str]:
    file = csi_pb2.DESCRIPTOR
    for name, extension in file.extensions_by_name.items():
        assert extension.containing_type is not None
        yield f"extension {extension.containing_type.name} {extension.number} {name}: {kind(extension)}"
    for described in file.services_by_name.values():
        yield from service(described)
    for top in file.message_types_by_name.values():
        yield from message(top)
    for word in file.enum_types_by_name.values():
        yield from enum(word)


def test_every_fact_of_csi_1_13_holds_and_nothing_else_is_there() -> None:
    ours, theirs = list(facts()), FACTS
    assert sorted(set(theirs) - set(ours)) == [], "in CSI 1.13 but not here"
    assert sorted(set(ours) - set(theirs)) == [], "here but not in CSI 1.13"
    assert len(ours) == len(theirs) == len(set(theirs))


def test_the_facts_are_all_there() -> None:
    kinds = [line.split()[0] for line in FACTS]
    assert kinds.count("service") == 5
    assert kinds.count("rpc") == 36
    assert kinds.count("extension") == 7


def test_the_package_is_the_one_on_the_wire() -> None:
    assert csi_pb2.DESCRIPTOR.package == "csi.v1"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("proto")
    environment = os.environ | {"PYTHON": sys.executable}
    done = subprocess.run(
        [ROOT / "tools/proto", out], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return out / "csi/spec"


def test_the_committed_code_is_what_the_compiler_makes(generated: Path) -> None:
    made = {path.name: path.read_text() for path in generated.iterdir()}
    kept = {path.name: path.read_text() for path in SPEC.glob("*_pb2.py*")}
    assert made.keys() == kept.keys()
    assert [name for name in made if made[name] != kept[name]] == [], "run tools/proto"


def test_the_code_is_made_at_the_lowest_protobuf_allowed() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text()
    [lowest] = [line for line in pyproject.splitlines() if '"protobuf>=' in line]
    version = lowest.split(">=")[1].split(",")[0]
    for path in SPEC.glob("*_pb2.py"):
        assert f"# Protobuf Python Version: {version}\n" in path.read_text(), path
