"""Properties are tested without a stopwatch: a busy machine would fail them.

And a program that a test runs in this process sends its log to what pytest shows of that test alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("hearth", deadline=None)
settings.load_profile("hearth")


@pytest.fixture(autouse=True)
def _log_of_its_own() -> Iterator[None]:
    """Nothing is written to the standard error of a test that is over."""
    yield
    root = logging.getLogger()
    for handler in [each for each in root.handlers if type(each) is logging.StreamHandler]:
        root.removeHandler(handler)
