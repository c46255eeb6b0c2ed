"""Brings the stores to this version's schema before any role opens them."""

from __future__ import annotations

import json
from pathlib import Path

from borough.home import Home, HomeError
from ciaas.ports import HistoryError, RegistryError

_STORAGE = Path(__file__).parents[2] / "ciaas" / "storage"
_STEPS = ("registry/migrations/versions/*.py", "history/migrations/*.sql")


def migrate(home: Home) -> None:
    """Migrate both stores, on copies; what this version migrated before is not looked at again.

    The roles themselves refuse a store of another version, so that a wrong note costs a clear
    sentence and no data. Looking takes two database libraries, a second of each start.

    Raises:
        HomeError: a store is of a newer version, damaged, or the disk is full.
    """
    note = home.run / "schema.json"
    steps = [path.name for pattern in _STEPS for path in sorted(_STORAGE.glob(pattern))]
    there = home.registry.exists() and home.history.exists()
    if there and note.exists() and note.read_text() == json.dumps(steps):
        return
    from ciaas.storage import history, registry

    try:
        registry.migrate(home.registry)
        history.migrate(home.history)
    except (RegistryError, HistoryError) as error:
        raise HomeError(str(error)) from error
    note.write_text(json.dumps(steps))
