"""A line of the log is one line, whatever strangers call their volumes."""

import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest

from csi import logs


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    """Where logs go; the root logger is as before afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


def test_text_has_moment_level_call_logger_and_message(out: io.StringIO) -> None:
    logs.set_up(logging.INFO, logs.Format.TEXT, out)
    token = logs.call_id.set("abcd")
    logging.getLogger("csi.test").info("made %s", "it")
    logs.call_id.reset(token)
    moment, rest = out.getvalue().split(" ", 1)
    assert rest == "INFO [abcd] csi.test: made it\n"
    assert moment.endswith("Z")


def test_what_is_below_the_level_is_not_written(out: io.StringIO) -> None:
    logs.set_up(logging.WARNING, logs.Format.TEXT, out)
    logging.getLogger("csi.test").info("no")
    assert out.getvalue() == ""


@pytest.mark.parametrize("bad", ["\n", "\r", "\x1b[31m", "\x00", "\x85", "\u2028"])
@pytest.mark.parametrize("form", logs.Format)
def test_a_message_cannot_forge_a_line_nor_colour_a_terminal(
    out: io.StringIO, bad: str, form: logs.Format
) -> None:
    logs.set_up(logging.INFO, form, out)
    logging.getLogger("csi.test").info("name=%s", f"a{bad}b")
    assert len(out.getvalue().splitlines()) == 1
    assert "\x1b" not in out.getvalue()


def test_json_has_the_facts_as_members(out: io.StringIO) -> None:
    logs.set_up(logging.INFO, logs.Format.JSON, out)
    logging.getLogger("csi.test").info("made", extra={"facts": {"code": "OK", "seconds": 0.5}})
    line = json.loads(out.getvalue())
    assert (line["message"], line["code"], line["seconds"]) == ("made", "OK", 0.5)
    assert line["thread"] == "MainThread"


@pytest.mark.parametrize("form", logs.Format)
def test_a_trace_is_written(out: io.StringIO, form: logs.Format) -> None:
    logs.set_up(logging.INFO, form, out)
    try:
        dict[str, str]()["lost"]
    except KeyError:
        logging.getLogger("csi.test").exception("oh")
    assert "KeyError: 'lost'" in out.getvalue()


def test_warnings_of_libraries_go_to_the_log(out: io.StringIO) -> None:
    logs.set_up(logging.INFO, logs.Format.TEXT, out)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert "DeprecationWarning: old" in out.getvalue()
