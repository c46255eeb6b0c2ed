"""What field last wrote of its devices, read by the watch role and by `borough status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from borough.home import Home

if TYPE_CHECKING:  # the watch role reads reports, and needs nothing of the runtime
    from ciaas.sensorisation.runtime import RuntimeHealth


def write_report(home: Home, pid: int, health: RuntimeHealth) -> None:
    """Replace the report of this home."""
    path = home.run / "field.json"
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode({"pid": pid, "health": health}))
    fresh.replace(path)


def read_report(home: Home, pid: int | None) -> dict[str, Any] | None:
    """Return the health that this process wrote, None when it has not yet."""
    try:
        report = msgspec.json.decode((home.run / "field.json").read_bytes())
    except FileNotFoundError:
        return None
    health: dict[str, Any] = report["health"]
    return health if pid is not None and report["pid"] == pid else None
