"""What is checked: a driver on a backend."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import yaml

from drivers.compliance.backends import LACKS, Prepare, built_in
from drivers.exec import Host
from drivers.interface import VolumeDriver, load_drivers
from drivers.options import check

NAME = "compliance"
"""What the backend is called in the kit."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A driver and how a backend for it is made; ``lacks`` is what it cannot do on that one."""

    driver: type[VolumeDriver]
    kind: str
    prepare: Prepare
    lacks: frozenset[type[ABC]] = frozenset()

    def __str__(self) -> str:
        return f"{self.driver.NAME}-{self.kind}"


@dataclass(frozen=True, slots=True)
class Bed:
    """A subject whose backend has been made."""

    driver: type[VolumeDriver]
    options: Mapping[str, object]

    def open(self) -> VolumeDriver:
        """A new instance, set up, as a new process would have it."""
        driver = self.driver(NAME, check(self.options, self.driver.Options), Host())
        driver.do_setup()
        driver.check_for_setup_error()
        return driver


def drivers(config: pytest.Config) -> Sequence[type[VolumeDriver]]:
    """The drivers asked for, all if none is named. One that cannot be imported raises."""
    names = config.getoption("driver")
    known = load_drivers(names)
    if unknown := sorted(set(names or ()) - set(known)):
        raise pytest.UsageError(
            f"no driver {', '.join(unknown)}; known: {', '.join(sorted(known))}"
        )
    return [known[name] for name in names or known]


def subjects(config: pytest.Config) -> Sequence[Subject]:
    """The drivers asked for, each on every backend that is known for it."""
    chosen = drivers(config)
    if (file := config.getoption("backend_config")) is not None:
        if len(chosen) != 1:
            raise pytest.UsageError("--backend-config goes with exactly one --driver")
        return [Subject(chosen[0], "given", partial(_given, _read(file)))]
    return [
        Subject(driver, kind, prepare, LACKS.get((driver.NAME, kind), frozenset()))
        for driver in chosen
        for kind, prepare in _backends_of(driver).items()
    ]


@contextmanager
def _given(options: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    yield options


def _backends_of(driver: type[VolumeDriver]) -> Mapping[str, Prepare]:
    backends = built_in()
    if driver.NAME not in backends:
        raise pytest.UsageError(
            f"the kit has no backend for driver {driver.NAME}: give one with --backend-config"
        )
    return backends[driver.NAME]


def _read(file: Path) -> Mapping[str, object]:
    read = yaml.safe_load(file.read_text(encoding="utf-8"))
    if not isinstance(read, dict):
        raise pytest.UsageError(f"{file} is not a mapping of the driver's options")
    return read
