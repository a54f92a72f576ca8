"""A volume group in memory: LVM, device-mapper and the disks below them, as far as the driver goes.

It keeps state and answers as LVM 2.03.16 does, in its words and with its exit statuses; nothing is
expected of a caller. Every extent of a disk remembers what was last written to it, so that a test sees
old blocks where a volume shows them. A process on it can be killed before or after anything it does.

    state allocator          what there is, and where the next extents are taken
    report                   ``lvm fullreport`` and ``lvm pvs``
    creation changes         the commands that change something
    targets                  which module of the kernel a command needs
    machine                  all of it together, what a test looks at and does by hand
    process                  one life of a driver: it starts programs, asks the kernel, and may die
"""

from tests.fakes.lvm.machine import FakeLvm
from tests.fakes.lvm.process import Died, Moment, Process

__all__ = ["Died", "FakeLvm", "Moment", "Process"]
