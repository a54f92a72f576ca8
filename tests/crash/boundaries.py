"""What a process does to the world outside: programs and steps, told apart by kind.

The kind of a boundary leaves out what differs from run to run: names, ids and numbers. Two commands are
of one kind if they say the same to LVM.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from drivers.exec import Arg

# They say what to make and not what to do, or are in every command.
SILENT = frozenset(
    {"--yes", "--type", "--stripes", "--stripesize", "--mirrors", "--addtag", "--deltag"}
)
# Of these the value counts too.
TELLING = ("--activate", "--polloperation")
VARYING = re.compile(r"\b[0-9a-f]{32}\b|/\S+|\b\d+\b")

LOOKS = re.compile(r"blkid|lvm (fullreport|lvs|pvs|vgcfgbackup) .*|lvm lvcreate .*--test.*")
"""Programs that only read the group. The world is the same before and after them, so a death there is the
death before the next boundary, and none is tried."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """A program about to be started, or a step about to be taken.

    ``text`` is for people; ``place`` is the function that takes a step, as ``FILE:NAME``; ``tags`` are
    those that a program adds (``+``) or removes (``-``).
    """

    kind: str
    text: str
    is_program: bool
    place: str = ""
    tags: frozenset[str] = frozenset()

    @property
    def looks(self) -> bool:
        """Whether it changes nothing."""
        return LOOKS.fullmatch(self.kind) is not None


def program(argv: Sequence[Arg]) -> Boundary:
    """The boundary of a program."""
    words = [os.fspath(arg) for arg in argv]
    signs = {"--addtag": "+", "--deltag": "-"}
    tags = frozenset(signs[word] + tag for word, tag in pairwise(words) if word in signs)
    text = " ".join(word for word in words if word not in SILENT and f"+{word}" not in tags)
    return Boundary(_kind(words), text, True, tags=tags)


def step(what: str) -> Boundary:
    """The boundary of a step that the caller of this, or who handed it on, is about to take."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_name == "step":
        frame = frame.f_back
    place = f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_name}"
    return Boundary(f"step {VARYING.sub('*', what)}", what, False, place)


def _kind(words: Sequence[str]) -> str:
    name = words[0].rpartition("/")[2]
    if name != "lvm":
        return name
    options = sorted(_options(words[2 : words.index("--")] if "--" in words else words[2:]))
    return " ".join([name, words[1], *dict.fromkeys(options)])


def _options(words: Sequence[str]) -> list[str]:
    found = []
    for word, value in zip(words, [*words[1:], ""], strict=True):
        if word in TELLING:
            found.append(f"{word}={value}")
        elif word.startswith("--") and word not in SILENT:
            found.append(word)
    return found
