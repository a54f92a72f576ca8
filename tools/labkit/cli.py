"""What tools/lab does with its arguments."""

import os
import sys
from collections.abc import Sequence

from tools.labkit import errors, guest, options, packages, status


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return the status to exit with."""
    try:
        chosen = options.parse(arguments, os.environ)
        packages.ensure()
        return guest.run(chosen)
    except errors.TimeLimit as e:
        print(f"lab: {e}", file=sys.stderr)
        return status.TIME_LIMIT
    except errors.LabFailed as e:
        print(f"lab: {e}", file=sys.stderr)
        return status.LAB_FAILED
