"""Where log lines go and what they look like: one line each, as text or as JSON.

A name chosen by a stranger may hold a line feed, so a message is escaped before it is written; only a
traceback has several lines.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import Enum
from typing import TextIO

NO_CALL = "-"
call_id: ContextVar[str] = ContextVar("call_id", default=NO_CALL)
"""Which call the present thread works for; every line that is written meanwhile carries it."""

CALL_KEY = "hearth-call"
"""The metadata by which a process that passes a call on tells its id, so that both write the same."""
_CALL_ID = re.compile(r"[0-9a-f]{8}")

ESCAPES: Mapping[int, str] = {
    code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))
} | {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t", 0x2028: "\\u2028", 0x2029: "\\u2029"}


class Format(Enum):
    """How a line is written."""

    TEXT = "text"
    JSON = "json"


def new_call_id(told: str = "") -> str:
    """The id that a caller ``told`` if it is one, else one that nothing else has."""
    return told if _CALL_ID.fullmatch(told) else secrets.token_hex(4)


def set_up(level: int, form: Format, stream: TextIO | None = None) -> None:
    """Send everything of ``level`` and above to ``stream`` (standard error), and nothing elsewhere."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Json() if form is Format.JSON else Text())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)


def _moment(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Text(logging.Formatter):
    """For people: moment, level, call, logger, message."""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage().translate(ESCAPES)
        head = f"{_moment(record)} {record.levelname} [{call_id.get()}] {record.name}: {message}"
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        return f"{head}\n{trace}" if trace else head


class Json(logging.Formatter):
    """For machines: one object a line. ``facts`` given in ``extra`` become members of it."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _moment(record),
            "level": record.levelname,
            "call": call_id.get(),
            "thread": record.threadName,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= getattr(record, "facts", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
