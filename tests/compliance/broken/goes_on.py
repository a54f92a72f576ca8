"""Its background work does not end with it."""

from __future__ import annotations

import threading

from broken.right import RightDriver

from drivers import interface


@interface.volumedriver("broken")
class Driver(RightDriver):
    """Right but for one thing."""

    def do_setup(self) -> None:
        super().do_setup()
        threading.Thread(target=threading.Event().wait, daemon=True).start()
