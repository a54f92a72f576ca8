"""The line of the log that tells of one look after a resource, as a server's line tells of a call."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from csi import logs

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Turn:
    """What came of it: ``done``, or why not. Without a word from whoever looked, it is a bug."""

    result: str = "broken"
    why: str = ""


@contextmanager
def turn(kind: str, name: str) -> Iterator[Turn]:
    """A look after the resource of that kind and name; nodes that are asked meanwhile log its id."""
    token = logs.call_id.set(logs.new_call_id())
    began, made = time.monotonic(), Turn()
    try:
        yield made
    finally:
        seconds = time.monotonic() - began
        facts = {"kind": kind, "name": name, "result": made.result, "seconds": round(seconds, 6)}
        if made.why:
            facts["why"] = made.why
        words = "%s %s %s in %.3f s%s"
        why = made.why and f": {made.why}"
        log.info(words, kind, name, made.result, seconds, why, extra={"facts": facts})
        logs.call_id.reset(token)
