"""The pages of docs/reference/drivers, as text by file name."""

from __future__ import annotations

import dataclasses
import inspect
from abc import ABC
from collections.abc import Iterator, Mapping, Sequence

from drivers.interface import VolumeDriver, abilities, interfaces
from drivers.interface.registration import REQUIRED_TEXTS, methods
from drivers.model import VolumeStats
from tools.driverdocs import reading, schema
from tools.driverdocs.reading import Undocumented, document

GENERATED = "<!-- Written by `make docs` from the code. Change the code, not this page. -->"


def pages(drivers: Mapping[str, type[VolumeDriver]]) -> Mapping[str, str]:
    """All pages. Raises `Undocumented` for a public name or an option without a docstring."""
    reading.require_documents([*interfaces(), *drivers.values()])
    silent = [
        f"{name}: {key}"
        for name, each in drivers.items()
        for key in schema.undocumented(each.Options)
    ]
    if silent:
        raise Undocumented("options without a docstring: " + ", ".join(silent))
    return {
        "index.md": _page(_index(drivers)),
        "interfaces.md": _page(_interfaces()),
        **{f"{name}.md": _page(_driver(name, each)) for name, each in drivers.items()},
    }


def matrix(drivers: Mapping[str, type[VolumeDriver]]) -> str:
    """A Markdown table: which driver implements which interface."""
    columns = [each.__name__ for each in interfaces()]
    rows = [
        f"| driver | version | {' | '.join(columns)} |",
        f"|---|---|{'---|' * len(columns)}",
    ]
    for name, each in sorted(drivers.items()):
        marks = ["yes" if issubclass(each, one) else "no" for one in interfaces()]
        rows.append(f"| [{name}]({name}.md) | {each.VERSION} | {' | '.join(marks)} |")
    return "\n".join(rows)


def _page(parts: Iterator[str]) -> str:
    return "\n\n".join([GENERATED, *(part.strip() for part in parts)]) + "\n"


def _index(drivers: Mapping[str, type[VolumeDriver]]) -> Iterator[str]:
    yield "# Drivers"
    yield (
        "A driver makes volumes out of some storage. It is a class that implements `VolumeDriver` and"
        " whichever of the other [interfaces](interfaces.md) it can serve, and carries the decorator"
        ' `@interface.volumedriver("name")`. [Write a driver](../../guides/write-a-driver.md) shows one.'
    )
    yield "## Support matrix"
    yield matrix(drivers)
    yield "## Basic attributes"
    yield "Every driver class has these, and a docstring of its own."
    yield _attributes()
    yield "## Minimum features"
    yield (
        "A class that leaves one of these out is refused when it is imported. The others have one"
        " implementation for all drivers, which a driver may replace."
    )
    yield "\n".join(_minimum())
    yield "## Volume stats"
    yield "What `get_volume_stats` returns."
    yield document(VolumeStats)
    yield "\n".join(_stats())
    yield "## Feature enforcement"
    yield (
        "What Hearth announces through CSI follows from the interfaces that a class inherits; nothing"
        " is declared a second time. `make compliance` (or `tox -e compliance`) runs every registered"
        " driver through the compliance kit: its signatures anywhere, its behaviour on a real backend."
    )


def _attributes() -> str:
    documents = reading.attributes(VolumeDriver)
    rows = ["| attribute | required | meaning |", "|---|---|---|"]
    for name, text in documents.items():
        required = name in REQUIRED_TEXTS or name == "Options"
        rows.append(f"| `{name}` | {'yes' if required else 'no'} | {text} |")
    return "\n".join(rows)


def _minimum() -> Iterator[str]:
    for name in sorted(VolumeDriver.__abstractmethods__):
        yield f"* [`{name}`](interfaces.md#{name})"


def _stats() -> Iterator[str]:
    yield "| field | type | default |"
    yield "|---|---|---|"
    for field in dataclasses.fields(VolumeStats):
        absent = field.default is dataclasses.MISSING
        default = "required" if absent else f"`{getattr(field.default, 'name', field.default)!s}`"
        kind = str(field.type).replace("|", "\\|")
        yield f"| `{field.name}` | `{kind}` | {default if default != '``' else 'empty'} |"


def _interfaces() -> Iterator[str]:
    yield "# Driver interfaces"
    module = inspect.getmodule(VolumeDriver)
    yield reading.markdown(inspect.getdoc(module) or "")
    for each in interfaces():
        yield f"## {each.__name__}"
        yield document(each)
        yield from _members(each)


def _members(interface: type[ABC]) -> Iterator[str]:
    properties = [name for name, value in vars(interface).items() if isinstance(value, property)]
    for name in [*properties, *_public(interface)]:
        member = getattr(interface, name)
        yield f"### {name}"
        if name not in properties:
            yield f"```python\n{reading.signature(name, member)}\n```"
        yield document(member)


def _driver(name: str, driver: type[VolumeDriver]) -> Iterator[str]:
    yield f"# The {name} driver"
    yield document(driver)
    yield "## Attributes"
    rows = ["| attribute | value |", "|---|---|", f"| `NAME` | {name} |"]
    rows += [f"| `{each}` | {getattr(driver, each)} |" for each in REQUIRED_TEXTS]
    yield "\n".join(rows)
    yield "How its tests ended last is on [Test results](../test-results.md)."
    yield "## Configuration"
    yield "The keys of a backend beside `name` and `driver`."
    yield schema.table(driver.Options)
    yield "## StorageClass parameters"
    yield _parameters(driver)
    yield "## Interfaces"
    for each in abilities(driver):
        yield f"### {each.__name__}"
        yield "\n".join(_summary(driver, each))


def _parameters(driver: type[VolumeDriver]) -> str:
    if not driver.PARAMETERS:
        return "None of its own: only those of [every backend](../parameters.md)."
    rows = ["| parameter | values |", "|---|---|"]
    for key, values in driver.PARAMETERS.items():
        allowed = ", ".join(f"`{value}`" for value in values) or "checked by the driver"
        rows.append(f"| `hearth-csi.io/{key}` | {allowed} |")
    return "\n".join(rows)


def _summary(driver: type[VolumeDriver], interface: type[ABC]) -> Iterator[str]:
    """What is particular to this driver's methods; the contract is on the interfaces' page."""
    links = {name: f"[`{name}`](interfaces.md#{name})" for name in _public(interface)}
    own = {name: vars(driver)[name].__doc__ for name in links if name in vars(driver)}
    particular = {name: text for name, text in own.items() if text}
    for name, text in particular.items():
        yield f"* {links[name]}: {markdown_line(text)}"
    if plain := [link for name, link in links.items() if name not in particular]:
        yield f"* As the contract says: {', '.join(plain)}"


def markdown_line(text: str) -> str:
    """A docstring on one line."""
    return reading.markdown(" ".join(text.split()))


def _public(interface: type[ABC]) -> Sequence[str]:
    return [name for name in methods(interface) if not name.startswith("_")]
