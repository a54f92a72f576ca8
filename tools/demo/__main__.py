"""`python -m tools.demo`: the story of a thin and of a thick backend; `make demo` tells it in the lab."""

from __future__ import annotations

import logging
import os
import sys

from csi.controller.provisioner import Provisioner
from csi.rpc.client import Client
from tools.demo import machine
from tools.demo.narrator import Differs, Narrator
from tools.demo.plugin import Plugin
from tools.demo.story import Story


def main() -> int:
    """0 if everything was as it should be, 1 if anything differed, 2 without two disks."""
    disks = os.environ.get("HEARTH_LAB_DISKS", "").split()
    if len(disks) < 2:
        print("demo: two empty disks are needed; `make demo` brings them", file=sys.stderr)
        return 2
    # Refusals are part of the story, which tells them itself.
    logging.basicConfig(level=logging.ERROR)
    narrator = Narrator()
    try:
        narrator.chapter("A node with two backends")
        with machine.volume_groups(disks, narrator):
            with machine.serving() as app, machine.calling(narrator) as client:
                _tell(client, app.provisioner, narrator)
            narrator.same("left behind of the volumes", machine.left_behind(), [])
        narrator.same("left behind on the disks", machine.signatures(disks[:2]), [])
    except Differs as e:
        print(f"demo: {e}", file=sys.stderr)
        return 1
    narrator.end()
    return 0


def _tell(client: Client, provisioner: Provisioner, narrator: Narrator) -> None:
    kubelet = machine.FOLDER / "kubelet"
    for backend, title, grows in (
        ("thin", "Volumes in a thin pool", True),
        ("thick", "Thick volumes", False),
    ):
        narrator.chapter(title)
        plugin = Plugin(client, backend, kubelet, machine.METRICS)
        story = Story(plugin, provisioner, narrator, f"demo-{backend}")
        story.tell(grows_with_snapshots=grows)


if __name__ == "__main__":
    sys.exit(main())
