"""kubectl, and the few questions that the tests ask through it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SYSTEM = "hearth"
"""The namespace that the chart is installed in."""
Object = Mapping[str, Any]


class Refused(Exception):
    """kubectl said no; the message is what it said."""


class Kubectl:
    """One cluster, in one namespace."""

    def __init__(self, command: Sequence[str], namespace: str) -> None:
        self._command = command
        self.namespace = namespace

    def __call__(self, *arguments: str, text: str = "", timeout: float = 120) -> str:
        """Run kubectl; raises `Refused`."""
        command = [*self._command, "--namespace", self.namespace, *arguments]
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=timeout, check=False
        )
        if done.returncode:
            raise Refused(f"{' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def apply(self, text: str) -> None:
        """Apply manifests."""
        self("apply", "--filename", "-", text=text)

    def example(self, name: str) -> list[Object]:
        """Apply a file of examples/ as it is; returns its objects."""
        text = (EXAMPLES / name).read_text()
        self.apply(text)
        return [each for each in yaml.safe_load_all(text) if each]

    def get(self, kind: str, name: str = "", *options: str) -> Any:
        """An object, or all of a kind."""
        return json.loads(
            self("get", kind, *([name] if name else []), "--output", "json", *options)
        )

    def items(self, kind: str, *options: str) -> list[Any]:
        """All objects of a kind."""
        found: list[Any] = self.get(kind, "", *options)["items"]
        return found

    def names(self, kind: str, *options: str) -> set[str]:
        """The names of all objects of a kind."""
        return {each["metadata"]["name"] for each in self.items(kind, *options)}

    def sh(self, pod: str, script: str) -> str:
        """What a shell in a pod prints."""
        return self("exec", pod, "--", "sh", "-c", script)

    def ready(self, pod: str, seconds: int = 120) -> None:
        """Wait until a pod is ready; says what `kubectl describe` does if it does not come to that."""
        try:
            self("wait", "--for=condition=Ready", f"pod/{pod}", f"--timeout={seconds}s",
                 timeout=seconds + 30)  # fmt: skip
        except Refused as error:
            raise AssertionError(f"{error}\n{self('describe', 'pod', pod)}") from None

    def delete(self, kind: str, *names: str, seconds: int = 120) -> None:
        """Delete objects and wait until they are gone."""
        self("delete", kind, *names, "--ignore-not-found", "--wait=true",
             f"--timeout={seconds}s", "--grace-period=1", timeout=seconds + 30)  # fmt: skip

    def events(self, name: str) -> list[str]:
        """The messages of the events about an object."""
        selected = f"--field-selector=involvedObject.name={name}"
        return [each.get("message", "") for each in self.items("events", selected)]


def until(is_so: Callable[[], object], what: str, seconds: float = 120) -> None:
    """Wait until something is so; what kubectl refuses meanwhile is not so yet."""
    end = time.monotonic() + seconds
    while True:
        last = ""
        try:
            if is_so():
                return
        except Refused as error:
            last = str(error)
        assert time.monotonic() < end, f"not so after {seconds:.0f} s: {what} {last}"
        time.sleep(0.5)
