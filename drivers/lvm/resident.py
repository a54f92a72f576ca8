"""LVM's own library, liblvm2cmd, kept loaded: the script that `drivers.residents` keeps running.

It is started by its path, without Hearth around it, and imports as little as can be. The library prints
as the program does, so both outputs lead into memory and are read back after each command. It takes the
same locks, reads the disks anew for each command, and does not stop for what fails.
"""

from __future__ import annotations

import ctypes
import os

LIBRARY = "liblvm2cmd.so.2.03"
DONE = 1
"""What the library calls success; all else is the exit status of the program."""
BROKEN = b"Internal error"
"""What LVM says when it finds its own memory in disorder. A process would end now, and so do we."""


def main() -> int:
    """Answer commands until the input ends; not 0 if there is no library, or it has come to harm."""
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        return 1
    library.lvm2_init.restype = ctypes.c_void_p
    library.lvm2_run.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    outputs = _redirected()
    handle = library.lvm2_init()
    if not handle:
        return 1
    answers.write(b"ready\n")
    answers.flush()
    for line in questions:
        _lvm, _, command = line.rstrip(b"\n").partition(b" ")
        status = library.lvm2_run(handle, command)
        ctypes.CDLL(None).fflush(None)
        out, err = (_taken(output) for output in outputs)
        code, broken = 0 if status == DONE else status, BROKEN in err
        answers.write(b"%d %d %d %d\n" % (code, len(out), len(err), broken) + out + err)
        answers.flush()
        if broken:
            return 1
    return 0


def _redirected() -> list[int]:
    """Lead both outputs into memory, and give the library and its children no input to wait for."""
    empty = os.open(os.devnull, os.O_RDONLY)
    outputs = [os.memfd_create("stdout"), os.memfd_create("stderr")]
    for number, file in enumerate((empty, *outputs)):
        os.dup2(file, number)
    return outputs


def _taken(output: int) -> bytes:
    """What was written to it, which is then empty again."""
    text = os.pread(output, os.fstat(output).st_size, 0)
    os.ftruncate(output, 0)
    os.lseek(output, 0, os.SEEK_SET)
    return text


if __name__ == "__main__":
    # Python's own end runs destructors that the library's memory may not survive.
    os._exit(main())
