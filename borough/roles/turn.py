"""Whose turn it is at a start: importing a role's libraries takes seconds of a processor."""

from __future__ import annotations

import time

from borough.home import Home
from borough.roles.watch import api_ready
from borough.settings import Settings

PATIENCE_S = 20.0
"""Then a role begins all the same: core may be waiting for something else."""
_LOOK_S = 0.1


def let_core_go_first(home: Home, settings: Settings) -> None:
    """Return when core lets devices in: values are to flow before anything is made of them."""
    deadline = time.monotonic() + PATIENCE_S
    while not api_ready(home, settings) and time.monotonic() < deadline:
        time.sleep(_LOOK_S)  # the other process tells it in no other way than by answering
