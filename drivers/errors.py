"""The one vocabulary of failure that every layer above and below speaks.

::

    StorageError
    ├── Invalid            the request itself is wrong; repeating it cannot help
    │   └── Unsupported    the backend lacks the feature asked for
    ├── NotFound           the object is provably absent
    ├── Exists             the name is taken by something incompatible
    │   └── AlreadyManaged ... the object to bring in is a volume or snapshot of ours
    ├── OutOfRange         a size that can never be served here
    ├── Exhausted          no room here and now; another node may have some
    ├── Precondition       the object's state forbids it until somebody changes that state
    │   ├── InUse          ... because somebody has it open or depends on it
    │   ├── MissingModule  ... because the node's kernel lacks a module that it needs
    │   └── Unmanageable   ... it exists, and cannot be brought in as it is
    ├── Busy               another operation on the object is running; ask again
    │   └── InProgress     ... and it is the very operation that was asked for
    └── Unavailable        the backend cannot do or tell it now
        ├── Absent         ... because its storage is, provably, not on this node
        └── CommandFailed  ... because a program failed in a way nobody has a name for

Each border renames errors once: LVM's stderr becomes one of these in ``drivers.lvm.host``, and these
become gRPC codes in ``csi.rpc.status``. "Cannot tell" is `Unavailable`, never `NotFound`: a volume
that is taken for absent is created a second time, or reported deleted while its data is still there.

Messages are for the person reading ``kubectl describe pvc``: the object, the fact, what to change.
"""

from __future__ import annotations

import os

from drivers.manageable import Obstacle


class StorageError(Exception):
    """The root: everything that a caller of a driver is expected to handle."""


class Invalid(StorageError):
    """The request is wrong in itself: a bad parameter, name or combination."""


class Unsupported(Invalid):
    """The backend does not have the feature. The message names both."""


class NotFound(StorageError):
    """The object is provably not there."""


class Exists(StorageError):
    """The name is taken by an object that does not satisfy the request."""


class AlreadyManaged(Exists):
    """The object that was to be brought in is ours already. The message says as what, and for whom."""


class OutOfRange(StorageError):
    """No volume of that size can exist here, however much room there is."""


class Exhausted(StorageError):
    """There is not enough room, or a watermark refuses more, on this backend."""


class Precondition(StorageError):
    """The state of the object forbids the operation until somebody changes that state."""


class InUse(Precondition):
    """The object is open, mounted, or others depend on it. The message names them."""


class MissingModule(Precondition):
    """The kernel of the node lacks a module, and nobody could load it without help.

    ``need`` says who needs it for what, ``said`` what a program said of its own try.
    """

    def __init__(self, module: str, need: str, said: str = "") -> None:
        self.module = module
        self.need = need
        self.said = said
        super().__init__(module, need, said)

    def __str__(self) -> str:
        tried = f" ({self.said})" if self.said else ""
        return (
            f"kernel {os.uname().release} of this node lacks the module {self.module}, which"
            f" {self.need}: run `modprobe {self.module}` on the node, and if that finds none,"
            f" install the package with the modules of that kernel{tried}"
        )


class Unmanageable(Precondition):
    """An object that exists cannot be brought in as it is; ``obstacle`` says why, for programs too."""

    def __init__(self, message: str, obstacle: Obstacle) -> None:
        super().__init__(message)
        self.obstacle = obstacle


class Busy(StorageError):
    """Another operation on the same object is running. Repeating the call later is right."""


class InProgress(Busy):
    """The operation asked for has begun and goes on in the background.

    ``done`` and ``total`` are bytes.
    """

    def __init__(self, message: str, *, done: int, total: int) -> None:
        super().__init__(message)
        self.done = done
        self.total = total


class Unavailable(StorageError):
    """The backend is not able to do it, or to tell, right now."""


class Absent(Unavailable):
    """The storage of a backend is provably not on this node: a look at all of it found no trace.

    Only `do_setup` and `check_for_setup_error` raise it. Unlike a backend that cannot tell, one that
    is absent holds nothing here, so a new volume may be sought on another node.
    """


class CommandFailed(Unavailable):
    """A program ended with a status that nobody expected.

    Keeps the facts; the text is cut to the last KiB of stderr so that it fits into an event.
    """

    def __init__(self, program: str, code: int, stderr: str) -> None:
        self.program = program
        self.code = code
        self.stderr = stderr
        super().__init__(program, code, stderr)

    def __str__(self) -> str:
        said = self.stderr.strip()[-1024:] or "nothing on stderr"
        how = f"was ended by signal {-self.code}" if self.code < 0 else f"exited with {self.code}"
        return f"{self.program} {how}: {said}"
