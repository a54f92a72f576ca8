"""All that the code can do to the outside, read from its source: what a scenario must have met.

A new command, step, program or mark that no scenario comes to is found here, and fails the test.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import get_type_hints

from drivers.lvm import commands, names
from tests.crash import boundaries

ROOT = Path(__file__).parents[2]
LVM, NODE, MOUNTS = ROOT / "drivers/lvm", ROOT / "csi/node", ROOT / "csi/node/mounts.py"

# What needs no scenario, and why.
BY_HAND = frozenset({"prepare.py"})
"""Files of commands for an administrator, who sees them fail and calls them again."""
OWN_PROGRAMS = frozenset({"cut.py"})
"""Files that are programs of their own, without our door: `test_cut` kills them at each of their steps."""
EFFECTS = re.compile(
    r"\b(blocks\.(zero|discard|copy)|_attach|_made|detached\.made|os\.(mkdir|rmdir|unlink|O_CREAT)|syscalls\.unmount)\b"
)
ARGUMENTS = {str: "name", int: 1, bool: True}

Function = ast.FunctionDef


def command_kinds() -> dict[str, str]:
    """Each function of `commands` with the kind of what it spells."""
    return {
        name: boundaries.program(_spelt(function)).kind
        for name, function in vars(commands).items()
        if inspect.isfunction(function) and not name.startswith("_")
    }


def _spelt(function: Callable[..., Sequence[str]]) -> Sequence[str]:
    hints, given, more = get_type_hints(function), {}, []
    for key, each in inspect.signature(function).parameters.items():
        if each.kind is each.VAR_POSITIONAL:
            more.append("name")
        else:
            given[key] = ARGUMENTS.get(hints[key], ("hearth.tag",))
    return function(*given.values(), *more) if more else function(**given)


def marks() -> dict[str, str]:
    """The marks that `names` knows, by their constant."""
    found = {name: each for name, each in vars(names).items() if isinstance(each, str)}
    kept = {"PREFIX", "ID", "NAME"}
    return {
        name: each
        for name, each in found.items()
        if each.startswith(names.PREFIX) and name not in kept
    }


def steps() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Every step in the source: the function that takes it, as ``FILE:NAME``, and what it says."""
    for path in sources():
        for function in functions(path):
            for call in calls(function, {"step"}):
                if (pattern := _pattern(function, call.args[0])) is not None:
                    yield f"{path.name}:{function.name}", pattern


def programs() -> dict[str, str]:
    """The programs that the node starts, by the place where they are named."""
    return {
        f"{path.relative_to(ROOT)}:{call.lineno}": _program(function, call)
        for path in sources()
        if path.is_relative_to(NODE)
        for function in functions(path)
        if function.name != "tool"
        for call in calls(function, {"tool", "run", "_run"})
    }


def silent_effects() -> list[str]:
    """The functions that change something and tell no step of it."""
    return [
        f"{path.relative_to(ROOT)}:{function.name}"
        for path in sources()
        for function in functions(path)
        if function.name
        not in {"_attach", "_made", "made"}  # of `csi.node`, called by those that tell
        and EFFECTS.search(ast.unparse(function))
        and not any(calls(function, {"step"}))
    ]


def sources() -> Iterator[Path]:
    """The files whose effects are tried."""
    for folder in (LVM, NODE):
        yield from (
            path for path in sorted(folder.rglob("*.py")) if path.name not in BY_HAND | OWN_PROGRAMS
        )


def functions(path: Path) -> Iterator[Function]:
    """Every function and method of a file."""
    return (each for each in ast.walk(ast.parse(path.read_text())) if isinstance(each, Function))


def calls(function: Function, called: set[str]) -> Iterator[ast.Call]:
    """The calls of functions and methods with one of these names, without those in functions within."""
    within = {
        id(each)
        for inner in ast.walk(function)
        if isinstance(inner, Function) and inner is not function
        for each in ast.walk(inner)
    }
    for each in ast.walk(function):
        if id(each) not in within and isinstance(each, ast.Call) and each.args:
            name = ast.unparse(each.func).rpartition(".")[2]
            if name in called:
                yield each


def _pattern(function: Function, text: ast.expr) -> re.Pattern[str] | None:
    """What a step says, as a pattern; None where a text is only handed on."""
    text = _assigned(function, text)
    if isinstance(text, ast.Name):
        handed = {argument.arg for argument in function.args.args}
        assert text.id in handed, f"{function.name}: cannot tell what the step {text.id} says"
        return None
    assert isinstance(text, ast.JoinedStr | ast.Constant), ast.unparse(text)
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    words = (
        re.escape(str(each.value)) if isinstance(each, ast.Constant) else ".+" for each in parts
    )
    return re.compile("".join(words))


def _program(function: Function, call: ast.Call) -> str:
    for argument in call.args:
        given = argument.value if isinstance(argument, ast.Starred) else argument
        given = _assigned(function, given)
        first = given.elts[0] if isinstance(given, ast.List) else given
        if isinstance(first, ast.Constant):
            return str(first.value)
    raise AssertionError(f"{function.name}: cannot tell which program {ast.unparse(call)} starts")


def _assigned(function: Function, expression: ast.expr) -> ast.expr:
    """What a local name stands for."""
    for each in ast.walk(function):
        if isinstance(each, ast.Assign) and isinstance(expression, ast.Name):
            target = each.targets[0]
            if isinstance(target, ast.Name) and target.id == expression.id:
                return each.value
    return expression
