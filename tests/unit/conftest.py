"""Properties are tested without a stopwatch: a busy machine would fail them."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("hearth", deadline=None)
settings.load_profile("hearth")
