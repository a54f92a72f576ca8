"""How Hearth marks logical volumes: tags, and names derived from what they belong to.

A tag holds at most 1,024 characters of ``A-Za-z0-9_+.-/=!:&#``; the number of tags, not their length,
is what makes LVM slow with a thousand volumes. So there is one tag for the id, one for the hash of
the caller's name, marks that come and go, and everything else packed into one readable tag (more only if it
does not fit).

Names of logical volumes are for people and for LVM's own protection against duplicates: a volume made
under one caller's name can be made only once, even by a program of an earlier process that is still
running. Nothing is ever found by its name; an administrator may rename what he likes.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterable, Mapping

PREFIX = "hearth."
ID = "hearth.id="
NAME = "hearth.name="
PACKED = re.compile(r"hearth\.([0-9]+)=(.*)", re.DOTALL)

CREATING = "hearth.creating"
"""Not finished: whoever reads may not see it. Removed last."""
DELETING = "hearth.deleting"
"""Gone for everybody; only its extents are still to be wiped and given back."""
GROWING = "hearth.growing="
"""A thick volume is being grown; the value is its size before, in bytes. Nobody may activate it."""
ZEROED = "hearth.zeroed="
"""Where a volume that is being grown must lie afterwards: these extents were zeroed. One a range."""
REVERTING = "hearth.reverting="
"""A thick volume is being taken back to a snapshot; the value is the snapshot's object id."""
AREA = "hearth.area="
"""The origin of a merge: where the area of its snapshot lies, which holds old blocks. One a range."""
REPLACES = "hearth.replaces="
"""The finished LV with the same id whose UUID this names is history."""
TAIL = "hearth.tail="
"""A temporary LV that zeroes extents before the volume with this object id gets them."""
COPY = "hearth.copy="
"""A temporary snapshot that a copy to the volume with this object id reads."""

CUT = "hearth.cut="
"""A member of a group snapshot; the value is the object id of that, the same for all its members. None of
them is seen while one of them is marked as unfinished: so all appear, and vanish, at once."""
CUT_AT = "hearth.cut-at="
"""When the members of a group snapshot were cut: written when the mark goes that they are unfinished."""
GROUP = "hearth.group="
"""A tag of the volume group: a group of volumes, by its id, a colon and its name."""
IN = "hearth.in="
"""A tag of the volume group: the id of a group of volumes, a colon, and a volume in it."""

LONGEST = 1000
MADE = re.compile(r"(vol|snap|cut)-[0-9a-f]{32}|tmp-[a-z]+[0-9]*-[0-9a-f]{32}")
_PLAIN = re.compile(r"[A-Za-z0-9_+./:-]")
_ESCAPE = re.compile(rb"!([0-9A-F]{2})")


def is_ours(tags: Iterable[str]) -> bool:
    """Whether any tag says that Hearth made the volume, or took it over."""
    return any(tag.startswith(PREFIX) for tag in tags)


def is_made(name: str) -> bool:
    """Whether an LV name is one that Hearth gives: nobody else chose it."""
    return MADE.fullmatch(name) is not None


def object_id() -> str:
    """A new random object id: 32 hex digits."""
    return uuid.uuid4().hex


def digest(name: str) -> str:
    """The hash that stands for a caller's name of any Unicode."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def volume(name: str) -> str:
    """The LV name of the volume that a caller calls ``name``."""
    return f"vol-{digest(name)}"


def snapshot(name: str) -> str:
    """The LV name of the snapshot that a caller calls ``name``."""
    return f"snap-{digest(name)}"


def member(name: str, volume_id: str) -> str:
    """The LV name of the snapshot of one volume in the group snapshot that a caller calls ``name``."""
    return f"cut-{digest(f'{volume_id} {name}')}"


def temporary(purpose: str, object_id: str) -> str:
    """The LV name of something short-lived that serves the object: the same for each retry."""
    return f"tmp-{purpose}-{object_id}"


def deleted() -> str:
    """A fresh LV name for what waits to be wiped; short and fixed, since LVM's names are bounded
    together with the group's name and internal suffixes."""
    return f"del-{object_id()}"


def pack(fields: Mapping[str, str]) -> tuple[str, ...]:
    """The tags that hold ``fields``; empty values are left out."""
    text = "&".join(f"{key}={escaped(value)}" for key, value in fields.items() if value)
    parts = [text[start : start + LONGEST] for start in range(0, len(text), LONGEST)]
    return tuple(f"{PREFIX}{number}={part}" for number, part in enumerate(parts, 1))


def unpack(tags: Iterable[str]) -> dict[str, str]:
    """The fields that `pack` wrote, from all tags of an LV."""
    found = (match for tag in tags if (match := PACKED.fullmatch(tag)))
    parts = sorted((int(match[1]), match[2]) for match in found)
    text = "".join(part for _number, part in parts)
    pairs = (pair.partition("=") for pair in text.split("&") if pair)
    return {key: plain(value) for key, _, value in pairs}


def packed(tags: Iterable[str]) -> frozenset[str]:
    """Those of ``tags`` that `pack` wrote."""
    return frozenset(tag for tag in tags if PACKED.fullmatch(tag))


def escaped(value: str) -> str:
    """Any text as a tag can hold it."""
    # LVM refuses "%" in tags, so a byte that is not plain is written as "!" and two hex digits.
    return "".join(
        chr(byte) if _PLAIN.match(chr(byte)) else f"!{byte:02X}" for byte in value.encode()
    )


def plain(value: str) -> str:
    """What `escaped` made of it."""
    # What somebody else wrote into the tag is left as it is: one tag must not make a group unreadable.
    raw = _ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode()), value.encode())
    return raw.decode(errors="replace")
