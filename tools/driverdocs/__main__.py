"""`python -m tools.driverdocs [--check]`: write docs/reference/drivers, or compare it with the code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from drivers.interface import VolumeDriver, load_drivers
from tools.driverdocs.pages import pages
from tools.driverdocs.reading import Undocumented

FOLDER = Path(__file__).resolve().parents[2] / "docs/reference/drivers"


def main(arguments: Sequence[str]) -> int:
    """0 if the pages are written or right, 1 with the reason if not."""
    parser = argparse.ArgumentParser(prog="python -m tools.driverdocs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    given = parser.parse_args(arguments)
    try:
        wanted = pages(embedded())
    except Undocumented as e:
        print(f"driverdocs: {e}", file=sys.stderr)
        return 1
    if given.check:
        return _complain(stale(wanted, FOLDER))
    write(wanted, FOLDER)
    return 0


def embedded() -> Mapping[str, type[VolumeDriver]]:
    """The drivers of this project, without those of other distributions in the environment."""
    return {
        name: each
        for name, each in load_drivers().items()
        if each.__module__.partition(".")[0] == "drivers"
    }


def write(wanted: Mapping[str, str], folder: Path) -> None:
    """Make the folder hold exactly these pages."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _present(folder) - set(wanted):
        (folder / name).unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text, encoding="utf-8")


def stale(wanted: Mapping[str, str], folder: Path) -> list[str]:
    """The names of pages that are missing, differ, or should not be there."""
    present = _present(folder)
    differing = {
        name
        for name in present & set(wanted)
        if (folder / name).read_text(encoding="utf-8") != wanted[name]
    }
    return sorted((present ^ set(wanted)) | differing)


def _present(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.md")}


def _complain(names: list[str]) -> int:
    if names:
        pages = ", ".join(names)
        print(
            f"driverdocs: stale in docs/reference/drivers: {pages}; run `make docs`",
            file=sys.stderr,
        )
    return int(bool(names))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
