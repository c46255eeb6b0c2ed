"""How a process of the demo starts and ends: told by its parent, and never outliving it."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from typing import Any

from borough.demo.limits import REPORT_LINE_BYTES_MAX

_PR_SET_PDEATHSIG = 1


class Stop:
    """Becomes true at SIGTERM. SIGINT is left to the parent, which ends its children in order."""

    def __init__(self) -> None:
        self._told = False
        signal.signal(signal.SIGTERM, self._tell)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def __bool__(self) -> bool:
        return self._told

    def _tell(self, number: int, frame: object) -> None:
        self._told = True


def hear_parent() -> dict[str, Any]:
    """Read what the parent says on standard input, one line of JSON, and die when it dies.

    What is secret comes this way, so that it stands neither in a file nor in the arguments.

    Raises:
        SystemExit: the parent has gone already, or said nothing.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    line = sys.stdin.buffer.readline(REPORT_LINE_BYTES_MAX)
    if not line.endswith(b"\n"):
        raise SystemExit("this process is started by `./run demo`, which tells it what to do")
    told: dict[str, Any] = json.loads(line)
    # Between its fork and prctl the parent may have died: then no signal will come.
    if os.getppid() != told["parent"]:
        raise SystemExit("the demo that started this process has ended")
    return told


def report(**facts: Any) -> None:
    """Tell the parent, one line of JSON on standard output."""
    sys.stdout.write(json.dumps(facts, separators=(",", ":")) + "\n")
    sys.stdout.flush()
