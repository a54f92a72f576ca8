"""The house rules that no linter knows, checked over every tracked file."""

from __future__ import annotations

import ast
import os
import re
import statistics
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_FILE = 300
MAX_TEST_FILE = 500
MAX_FUNCTION = 40
MAX_MEDIAN_FUNCTION = 8
EMPTY_NAMES = {"utils", "util", "helpers", "common", "misc"}
# The words are taken apart so that this file does not find itself.
MACHINE_PATH = re.compile(r"/(?:root|work|home|farm)" + r"/[a-z]")
REGISTRY = re.compile(
    r"pypi\." + r"org|proxy\.golang\." + r"org|files\.python" + r"hosted|npmjs\." + "org"
)
LATER = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b(?!_)")
CALLS = {
    "mock" + ".patch": "a seam is missing where a mock is needed",
    "unittest" + ".mock": "fakes keep state; expectation mocks test the test",
    "shell" + "=True": "programs get argument vectors",
    "pytest" + ".skip": "a test that is skipped proves nothing",
    "mark" + ".skip": "a test that is skipped proves nothing",
    "mark" + ".xfail": "a test that may fail proves nothing",
    "os" + ".system": "drivers.exec is the one door to other programs",
}
MAY_CATCH_EVERYTHING = {
    "csi/cli/uninstall.py",  # it is there to tell: after a hook that fails, Helm uninstalls nothing
    "csi/rpc/call.py",  # what nobody expected becomes INTERNAL, and the server lives
    "csi/rpc/stream.py",  # the same, for calls that answer with a stream
    "csi/kube/client.py",  # the loop of the informer: if it ended, no node would ever be heard of again
    "csi/kube/overview.py",  # one backend that nobody thought of must not hide all others
    "csi/router/link.py",  # the loop that listens to a node: if it ended, the node would be away for ever
    "drivers/compliance/crash.py",  # a forked child must not unwind into a second test run
}


@cache
def tracked() -> tuple[Path, ...]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    paths = (Path(name) for name in listed.split("\0") if name)
    return tuple(path for path in paths if (ROOT / path).is_file())


@cache
def text(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


def written_python() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py" and "_pb2" not in path.name]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(text(path))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of code: a long docstring is a virtue."""
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node) is not None:
        docstring = node.body[0]
        lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
    return lines


def lines_with(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    return [
        f"{path}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(text(path).splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [path for path in written_python() if path.stem in EMPTY_NAMES] == []


def test_no_file_is_too_long_to_read() -> None:
    counted = {path: text(path).count("\n") for path in written_python()}
    assert {path: lines for path, lines in counted.items() if lines >= longest(path)} == {}


def longest(path: Path) -> int:
    """Tests are read one at a time."""
    return MAX_TEST_FILE if path.parts[0] == "tests" else MAX_FILE


def test_no_function_is_too_long_to_read() -> None:
    counted = {
        f"{path}:{node.name}": length(node) for path in written_python() for node in functions(path)
    }
    assert {name: lines for name, lines in counted.items() if lines >= MAX_FUNCTION} == {}


def test_half_of_all_functions_are_short() -> None:
    product = [path for path in written_python() if path.parts[0] in {"csi", "drivers"}]
    lengths = [length(node) for path in product for node in functions(path)]
    assert statistics.median(lengths) <= MAX_MEDIAN_FUNCTION


def test_every_module_says_what_it_is() -> None:
    silent = [path for path in written_python() if not ast.get_docstring(tree(path))]
    assert silent == []


def test_no_path_of_a_machine_and_no_registry_is_named() -> None:
    texts = [path for path in tracked() if path.name != "LICENSE"]
    assert lines_with(MACHINE_PATH, texts) == []
    assert lines_with(REGISTRY, texts) == []


def test_nothing_is_left_for_later() -> None:
    texts = [path for path in tracked() if path.suffix in {".py", ".sh", ".toml", ".proto"}]
    assert lines_with(LATER, texts) == []


@pytest.mark.parametrize(("forbidden", "why"), CALLS.items(), ids=CALLS)
def test_forbidden_calls(forbidden: str, why: str) -> None:
    found = lines_with(re.compile(r"\b" + re.escape(forbidden)), written_python())
    ours = [line for line in found if not line.startswith("pyproject.toml")]
    assert ours == [], why


def test_nobody_swallows_every_exception() -> None:
    broad = [
        f"{path}:{node.lineno}"
        for path in written_python()
        if str(path) not in MAY_CATCH_EVERYTHING
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler) and catches_everything(node)
    ]
    assert broad == []


def catches_everything(node: ast.ExceptHandler) -> bool:
    """Without a re-raise at its end: undoing and raising again swallows nothing."""
    named = node.type.id if isinstance(node.type, ast.Name) else ""
    broad = node.type is None or named in {"Exception", "BaseException"}
    last = node.body[-1]
    return broad and not (isinstance(last, ast.Raise) and last.exc is None)


def test_what_is_started_directly_is_executable() -> None:
    scripts = [path for path in tracked() if text(path).startswith("#!")]
    started = [path for path in scripts if path.name != "init.sh"]  # the lab copies and boots it
    assert Path(".ci/run") in started
    assert [path for path in started if not os.access(ROOT / path, os.X_OK)] == []


def test_ci_runs_the_test_command_of_the_readme_and_then_the_cluster() -> None:
    commands = [line.strip() for line in text(Path(".ci/run")).splitlines()]
    made = [line for line in commands if "make " in line and not line.startswith("#")]
    assert made == ["make test || status=$?", "AGAIN=yes make e2e || status=$?"]
    assert commands[-1] == 'exit "$status"'
    assert "set -euo pipefail" in commands
    assert "make test" in text(Path("README.md"))
