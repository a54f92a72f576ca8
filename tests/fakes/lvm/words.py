"""Reading an argument vector as strictly as LVM does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tests.fakes.lvm.state import Refused

FLAGS = {
    "--yes", "--test", "--all", "--thin", "--snapshot", "--merge", "--splitsnapshot", "--refresh",
    "--ignoreactivationskip", "--nosuffix", "--readonly",
}  # fmt: skip
VALUED = {
    "--zero", "--wipesignatures", "--type", "--stripes", "--stripesize", "--mirrors", "--extents",
    "--name", "--addtag", "--deltag", "--activate", "--setactivationskip", "--virtualsize",
    "--thinpool", "--interval", "--polloperation", "--reportformat", "--units", "--configreport",
    "--options", "--poll", "--file",
}  # fmt: skip
TAG = re.compile(r"[A-Za-z0-9_+.\-/=!:&#]{1,1024}")
NAME = re.compile(r"[A-Za-z0-9_+.][A-Za-z0-9_+.\-]{0,100}")


@dataclass(frozen=True, slots=True)
class Words:
    """A command taken apart."""

    command: str
    options: dict[str, list[str]]
    operands: Sequence[str]

    def value(self, option: str, default: str | None = None) -> str:
        """The last value of an option."""
        found = self.options.get(option)
        if found is None and default is None:
            raise Refused(f"Please specify {option}", 3)
        return found[-1] if found else str(default)

    def all(self, option: str) -> list[str]:
        """All its values."""
        return self.options.get(option, [])


def read(argv: Sequence[str]) -> Words:
    """Take a command apart; refuses what LVM's parser does not know."""
    _program, command, *rest = argv
    options: dict[str, list[str]] = {}
    index = 0
    while index < len(rest) and rest[index] != "--":
        option = rest[index]
        if option in FLAGS:
            options[option] = []
        elif option in VALUED:
            index += 1
            options.setdefault(option, []).append(rest[index])
        else:
            raise Refused(f"{command}: unrecognized option '{option}'", 3)
        index += 1
    words = Words(command, options, rest[index + 1 :])
    _check(words)
    return words


def _check(words: Words) -> None:
    for option in ("--addtag", "--deltag"):
        for tag in words.all(option):
            if not TAG.fullmatch(tag):
                raise Refused(f"Invalid argument for {option}: {tag}", 3)
    for name in [*words.all("--name"), *words.operands]:
        if not NAME.fullmatch(name.rpartition("/")[2].partition(":")[0]):
            raise Refused(f'Logical volume name "{name}" is invalid.', 3)
