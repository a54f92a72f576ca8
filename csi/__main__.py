"""``python -m csi`` is ``hearth``."""

import sys

from csi.init import outlive

outlive()

# Only then, so that the first process stays small.
from csi.cli import main  # noqa: E402

sys.exit(main())
