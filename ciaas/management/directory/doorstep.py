"""Devices that asked to be let in and were refused: candidates for enrolment."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock

from ciaas.limits import DOORSTEP_DEVICES_MAX


@dataclass(frozen=True, slots=True)
class Refused:
    """A device that stands outside. Times are milliseconds since 1970 UTC."""

    client: str
    """The client id that it claims."""
    reason: str
    """One word of the gate, such as ``unknown``."""
    detail: str
    first_seen: int
    last_seen: int
    count: int = 1


class Doorstep:
    """Remembers who was refused; the one that came longest ago is forgotten first.

    Nothing is stored: a device that wants in comes again. Methods may be called from any thread.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._outside: OrderedDict[str, Refused] = OrderedDict()

    def refused(self, client: str, reason: str, detail: str, at_ms: int) -> None:
        """Note a refusal."""
        with self._lock:
            before = self._outside.pop(client, None)
            if before is None:
                now = Refused(client, reason, detail, at_ms, at_ms)
            else:
                now = replace(
                    before, reason=reason, detail=detail, last_seen=at_ms, count=before.count + 1
                )
            self._outside[client] = now
            if len(self._outside) > DOORSTEP_DEVICES_MAX:
                self._outside.popitem(last=False)

    def outside(self) -> Sequence[Refused]:
        """Return whom it remembers, the latest first."""
        with self._lock:
            return list(reversed(self._outside.values()))
