"""What tools/lab does with its arguments."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence

from tools.labkit import errors, guest, host, options, packages, status


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return the status to exit with."""
    try:
        chosen = options.parse(arguments, os.environ)
        _refuse_nesting(chosen, os.environ)
        packages.ensure(with_guest=not chosen.on_host)
        return host.run(chosen) if chosen.on_host else guest.run(chosen)
    except errors.TimeLimit as e:
        print(f"lab: {e}", file=sys.stderr)
        return status.TIME_LIMIT
    except KeyboardInterrupt:  # before there was a guest to end
        return status.of_signal(signal.SIGINT)
    except errors.LabFailed as e:
        print(f"lab: {e}", file=sys.stderr)
        return status.LAB_FAILED


def _refuse_nesting(chosen: options.Options, environment: Mapping[str, str]) -> None:
    if environment.get("HEARTH_LAB") == "guest" and not chosen.on_host:
        raise errors.LabFailed("this is a guest of the lab already: run the command itself")
