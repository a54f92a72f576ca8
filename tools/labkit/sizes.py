"""Sizes as people write them."""

import re

from tools.labkit import errors

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
SIZE = re.compile(r"(?P<number>[0-9]+)(?P<unit>[KMGT]?)(?:i?B)?", re.IGNORECASE)


def parse(text: str) -> int:
    """Bytes of `512M`, `2G` or `1048576`; units are powers of 1024, as LVM takes them."""
    found = SIZE.fullmatch(text.strip())
    if found is None or int(found["number"]) == 0:
        raise errors.LabFailed(f"{text!r} is no size: write a number and K, M, G or T, like 2G")
    return int(found["number"]) * UNITS[found["unit"].upper()]
