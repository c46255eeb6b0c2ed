"""What compose last wrote of its mashups, read by the watch role and by the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from borough.home import Home


def write_report(home: Home, pid: int, mashups: Mapping[str, Mapping[str, Any]]) -> None:
    """Replace the report of this home. Raises OSError when it cannot be written."""
    path = home.run / "compose.json"
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode({"pid": pid, "mashups": mashups}))
    fresh.replace(path)


def read_report(home: Home, pid: int | None = None) -> dict[str, Any]:
    """Return what was written last, by this process if one is named; empty when nothing was."""
    try:
        report: dict[str, Any] = msgspec.json.decode((home.run / "compose.json").read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):  # a crash of the machine may have torn it
        return {}
    return report if pid in (None, report["pid"]) else {}
