"""Becomes the program named, after tying its life to the process that started it.

Run by path as ``launch.py PARENT-PID PROGRAM ARGUMENT…`` in an interpreter of its own: the tie is
made between fork and exec, and the parent has threads, so that no Python may run there.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Ask the kernel to kill us when the parent's thread ends, then exec; see prctl(2)."""
    parent, *command = arguments
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        sys.exit(f"could not tie {command[0]} to its parent: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != int(parent):
        sys.exit(f"{command[0]} is not started: the process that asked for it has ended")
    try:
        os.execv(command[0], command)  # noqa: S606 - becoming that program is the purpose
    except OSError as error:
        sys.exit(f"could not run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
