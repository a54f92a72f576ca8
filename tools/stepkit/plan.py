"""What there is to run: steps.toml as checked, frozen steps."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

KEYS = {"name", "run", "groups", "needs", "seconds"}
TIME_LIMIT = 1800.0


class BadPlan(Exception):
    """steps.toml or the choice of steps makes no sense; the message says where."""


@dataclass(frozen=True, slots=True)
class Step:
    """A command with a name. ``seconds`` is when it is stopped and counts as failed."""

    name: str
    command: tuple[str, ...]
    groups: frozenset[str] = frozenset()
    needs: tuple[str, ...] = ()
    seconds: float = TIME_LIMIT


def load(text: str, junit_folder: Path) -> tuple[Step, ...]:
    """The steps in their order; raises `BadPlan` for unknown keys and needs that do not come before."""
    steps: list[Step] = []
    for entry in tomllib.loads(text).get("step", []):
        if unknown := set(entry) - KEYS:
            raise BadPlan(f"step {entry.get('name')!r} has unknown keys: {', '.join(unknown)}")
        step = _step(entry, junit_folder)
        known = {each.name for each in steps}
        if step.name in known:
            raise BadPlan(f"two steps are called {step.name!r}")
        if missing := set(step.needs) - known:
            raise BadPlan(f"step {step.name!r} needs {', '.join(missing)}, not defined before it")
        steps.append(step)
    return tuple(steps)


def choose(steps: Sequence[Step], *, names: Iterable[str], groups: Iterable[str]) -> list[Step]:
    """The steps of those names and groups, in the order of the plan, without what they need.

    Raises `BadPlan` for a name or group that selects nothing.
    """
    chosen: set[str] = set()
    for name in names:
        chosen |= _selected(name, "step", {each.name for each in steps if each.name == name})
    for group in groups:
        chosen |= _selected(group, "group", {each.name for each in steps if group in each.groups})
    return [each for each in steps if each.name in chosen]


def _step(entry: dict[str, str], junit_folder: Path) -> Step:
    report = junit_folder / f"{entry['name']}.xml"
    words = shlex.split(entry["run"])
    return Step(
        name=entry["name"],
        command=tuple(word.replace("{junit}", str(report)) for word in words),
        groups=frozenset(entry.get("groups", ())),
        needs=tuple(entry.get("needs", ())),
        seconds=float(entry.get("seconds", TIME_LIMIT)),
    )


def _selected(wanted: str, kind: str, found: set[str]) -> set[str]:
    if not found:
        raise BadPlan(f"there is no {kind} {wanted!r} in tools/steps.toml")
    return found
