"""What a StorageClass may say to mkfs.

The text is somebody else's, and mkfs as root can do much: write its journal to another device, copy a
directory into the volume, take a UUID that is in use. So options are known by name with the form of
their values, and everything else is refused.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from drivers.errors import Invalid
from drivers.model import FsType

FEATURES = r"(?!.*journal_dev)\^?[a-z0-9_-]+(,\^?[a-z0-9_-]+)*"
NUMBER = r"[0-9]{1,12}"
SIZE = r"[0-9]{1,12}[kKmMgG]?"


def _pairs(keys: str, value: str = SIZE) -> str:
    one = rf"({keys})(={value})?"
    return f"{one}(,{one})*"


# Option to the form of its value; an empty form: it takes none.
_EXT4: Mapping[str, str] = {
    "-b": NUMBER,
    "-C": NUMBER,
    "-E": _pairs(
        "stride|stripe_width|lazy_itable_init|lazy_journal_init|discard|nodiscard|resize"
        "|packed_meta_blocks|num_backup_sb"
    ),
    "-g": NUMBER,
    "-G": NUMBER,
    "-i": NUMBER,
    "-I": NUMBER,
    "-J": _pairs("size"),
    "-m": r"[0-9]{1,2}(\.[0-9]{1,3})?",
    "-N": NUMBER,
    "-O": FEATURES,
    "-T": r"[a-z0-9_-]+(,[a-z0-9_-]+)*",
}
_XFS: Mapping[str, str] = {
    "-b": _pairs("size"),
    "-d": _pairs("agcount|agsize|su|sw|sunit|swidth|noalign|cowextsize"),
    "-i": _pairs("size|maxpct|attr|align|perblock|sparse|nrext64"),
    "-K": "",
    "-l": _pairs("size|version|su|sunit|lazy-count"),
    "-m": _pairs("crc|finobt|rmapbt|reflink|bigtime|inobtcount"),
    "-n": _pairs("size|version|ftype"),
    "-s": _pairs("size"),
}
_BTRFS: Mapping[str, str] = {
    "-d": "single|dup",
    "-m": "single|dup",
    "-M": "",
    "-n": SIZE,
    "-s": SIZE,
    "-K": "",
    "-O": FEATURES,
    "--csum": "crc32c|xxhash|sha256|blake2",
}
ALLOWED: Mapping[FsType, Mapping[str, str]] = MappingProxyType(
    {FsType.EXT4: _EXT4, FsType.XFS: _XFS, FsType.BTRFS: _BTRFS}
)


def options(fs_type: FsType, text: str) -> Sequence[str]:
    """The arguments for the filesystem's mkfs that ``text`` asks for, quoted as for a shell.

    Raises `Invalid` for anything that is not known to be harmless, naming what is.
    """
    try:
        words = shlex.split(text)
    except ValueError:
        raise Invalid(f"mkfs options: a quote in {text!r} ends nowhere") from None
    return [word for pair in _pairs_of(fs_type, iter(words)) for word in pair]


def _pairs_of(fs_type: FsType, words: Iterator[str]) -> Iterator[Sequence[str]]:
    known = ALLOWED[fs_type]
    for word in words:
        if word not in known:
            raise Invalid(
                f"mkfs options: {word!r} is not allowed for {fs_type.value};"
                f" allowed are {', '.join(known)}, each option and its value as two words"
            )
        if not (form := known[word]):
            yield [word]
            continue
        value = next(words, "")
        if not re.fullmatch(form, value):
            raise Invalid(f"mkfs options: {value!r} is no allowed value of {word}")
        yield [word, value]
