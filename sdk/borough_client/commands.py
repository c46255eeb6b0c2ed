"""Commands: a wish, and how far up its ladder it has come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Command:
    """A command as the platform told it last."""

    id: str
    address: str
    value: bool | int | float | str | None
    state: str
    """The last rung: requested, authorised, queued, sent, accepted, verified, rejected, unknown,
    expired or superseded."""
    ended: bool
    """No further rung comes."""
    rungs: Sequence[Mapping[str, Any]]
    """Each with ``rung``, ``at``, ``who`` and sometimes ``why``."""

    @property
    def verified(self) -> bool:
        """True when the device said, or was read to have, what was asked of it."""
        return self.state == "verified"

    @staticmethod
    def of(document: Mapping[str, Any]) -> Command:
        """Return the command of an answer."""
        names = ("id", "address", "value", "state", "ended", "rungs")
        return Command(**{name: document[name] for name in names})
