"""The kit's command line, known to pytest before it has found the tests.

It is loaded by every pytest in an environment where Hearth is installed, so it imports nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the kit."""
    group = parser.getgroup("hearth", "compliance of Hearth volume drivers")
    group.addoption(
        "--driver",
        action="append",
        metavar="NAME",
        help="the driver to check, as registered; may be repeated (default: all registered)",
    )
    group.addoption(
        "--backend-config",
        type=Path,
        metavar="FILE",
        help="YAML with the options of a backend for the driver; all volumes on it are deleted",
    )
    group.addoption(
        "--crash-points",
        type=int,
        metavar="N",
        help="at most so many points per operation at which the process is killed (default: all)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the kit's marker."""
    config.addinivalue_line(
        "markers", "checks(*methods): the driver methods whose behaviour this test checks"
    )
