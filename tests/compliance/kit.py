"""Runs the kit as the author of a driver would: pytest in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).resolve().parent
BROKEN = HERE / "broken"
TOY = HERE.parents[1] / "examples" / "toy-driver"


@dataclass(frozen=True)
class Verdict:
    """Pytest's exit status, what it printed, and the names of the checks that failed."""

    status: int
    output: str
    failed: frozenset[str]


def run_kit(broken: str, folder: Path) -> Verdict:
    """The kit's verdict on ``broken/NAME.py``, on a backend in ``folder``."""
    return run_pytest(
        sys.executable,
        folder,
        ["-p", f"broken.{broken}", "--driver", "broken"],
        PYTHONPATH=f"{HERE}:{TOY}",
    )


def run_toy(folder: Path) -> Verdict:
    """The kit's verdict on the ``hearth_toy.py`` in ``folder``."""
    options = ["-p", "hearth_toy", "--driver", "toy"]
    return run_pytest(sys.executable, folder, options, PYTHONPATH=str(folder))


def run_pytest(python: str, folder: Path, options: list[str], **environment: str) -> Verdict:
    """The kit's verdict in some environment, run away from the checkout."""
    backend, report = folder / "backend", folder / "report.xml"
    backend.mkdir()
    config = folder / "backend.yaml"
    config.write_text(f"directory: {backend}\ncapacity: {1 << 30}\n")
    ran = subprocess.run(
        [
            *(python, "-m", "pytest", "--pyargs", "drivers.compliance", "-p", "no:cacheprovider"),
            *("--backend-config", config, "--junitxml", report, *options),
        ],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    return Verdict(ran.returncode, ran.stdout, failed_in(report))


def failed_in(report: Path) -> frozenset[str]:
    """The names of the tests that failed, without their parameters."""
    if not report.exists():
        return frozenset()
    cases = ElementTree.parse(report).iter("testcase")  # noqa: S314  (our own pytest wrote it)
    return frozenset(
        case.get("name", "").partition("[")[0]
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    )
