"""What the broker refuses of clients that are connected, learnt from its log.

The broker acknowledges a forbidden publish and drops it; its log is the only place that names
client and subject. Client ids and subjects are printed quoted there, but the name in a foreign
certificate is not: it may hold line breaks, so that a stranger can write lines of their own. In it
every quote is escaped, therefore only lines with a bare quote before the client id are believed.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ciaas.computing.admission.ports import Refusal, RefusalKind
from ciaas.computing.broker.log import LogReader
from ciaas.limits import (
    REFUSALS_PER_BATCH_MAX,
    REFUSALS_PER_MINUTE_MAX,
    REFUSED_CLIENTS_MAX,
    REFUSED_TEXT_CHARS_MAX,
)

_QUOTED = rb'"([^"\\\n]*(?:\\.[^"\\\n]*)*)"'
_LINE = re.compile(
    rb"^\[\d+\] (\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6}) \[ERR\] \S+ - mid:(\d+) - "
    rb"(?:" + _QUOTED + rb" - (.*)|TLS handshake error: (.*))$",
    re.MULTILINE,
)
_VIOLATION = re.compile(rb"(Publish|Subscription) Violation - Subject " + _QUOTED)
_ECHO = b"authentication error"
_REFUSED_LOGIN = b"unable to connect: authentication error"
_OVERSIZE = b"maximum payload exceeded"
_POLL_S = 0.1
_PROVEN = (RefusalKind.PUBLISH, RefusalKind.SUBSCRIBE)
"""Refused to a client that was let in; before that anyone may claim any client id."""

# The forms in which Go prints what is not printable in a quoted string.
_ESCAPE = re.compile(rb"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))")
_PLAIN = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


class RefusalLog:
    """Turns the log's new lines into refusals and counts them per client."""

    def __init__(
        self,
        path: Path,
        *,
        offset: int | None = None,
        on_flood: Callable[[str], None],
        reported: Callable[[int], bool] = lambda connection: False,
    ):
        """Prepare to follow.

        Args:
            path: the broker's log file; it may not exist yet.
            offset: where to begin in the file as it is now; None at its end.
            on_flood: told once a minute of a client with more than REFUSALS_PER_MINUTE_MAX
                forbidden publishes and subscriptions in it. These name a proven client.
            reported: whether the refused login of a connection is known already, and better.
        """
        self._log = LogReader(path, offset)
        self._on_flood, self._reported = on_flood, reported
        self._clients: OrderedDict[str, _Tally] = OrderedDict()

    @property
    def offset(self) -> int:
        """Where in the file the next lines begin."""
        return self._log.offset

    @property
    def counts(self) -> Mapping[str, int]:
        """Client id to forbidden publishes and subscriptions since the start."""
        return {client: tally.total for client, tally in self._clients.items()}

    def close(self) -> None:
        """Let go of the file."""
        self._log.close()

    async def follow(self) -> AsyncIterator[list[Refusal]]:
        """Yield what comes, in batches that are never empty, until cancelled."""
        while True:
            if batch := self.read():
                yield batch
            await asyncio.sleep(0 if batch else _POLL_S)

    def read(self) -> list[Refusal]:
        """Return what is new; equal refusals are one with a count, in the order of the first."""
        batch: dict[tuple[str, RefusalKind, str], Refusal] = {}
        for match in _LINE.finditer(self._log.read()):
            found = self._refusal(match)
            if found is None:
                continue
            if found.kind in _PROVEN:
                self._count(found)
            key = (found.client, found.kind, found.subject)
            if key not in batch and len(batch) >= REFUSALS_PER_BATCH_MAX:
                client = found.client if found.kind in _PROVEN else ""
                found = Refusal(found.at, client, found.kind, detail="many in a short time")
                key = (client, found.kind, "")
            earlier = batch.get(key)
            batch[key] = replace(earlier, count=earlier.count + 1) if earlier else found
        return list(batch.values())

    def _refusal(self, match: re.Match[bytes]) -> Refusal | None:
        time, connection, quoted, rest, handshake = match.groups()
        written = datetime.fromisoformat(time.decode().replace("/", "-")).replace(tzinfo=UTC)
        at = int(written.timestamp() * 1000)
        if handshake is not None:
            return Refusal(at, "", RefusalKind.HANDSHAKE, detail=_text(handshake))
        client = _unquote(quoted)
        if violation := _VIOLATION.match(rest):
            verb, subject = violation.groups()
            kind = RefusalKind.PUBLISH if verb == b"Publish" else RefusalKind.SUBSCRIBE
            return Refusal(at, client, kind, subject=_unquote(subject))
        if rest == _ECHO:
            return None
        if rest == _REFUSED_LOGIN:
            if self._reported(int(connection)):
                return None
            return Refusal(at, client, RefusalKind.CONNECT, detail=_text(rest))
        kind = RefusalKind.OVERSIZE if rest.startswith(_OVERSIZE) else RefusalKind.PROTOCOL
        return Refusal(at, client, kind, detail=_text(rest))

    def _count(self, refusal: Refusal) -> None:
        minute = refusal.at // 60_000
        tally = self._clients.get(refusal.client)
        if tally is None:
            tally = self._clients[refusal.client] = _Tally()
            if len(self._clients) > REFUSED_CLIENTS_MAX:
                self._clients.popitem(last=False)
        self._clients.move_to_end(refusal.client)
        if tally.minute != minute:
            tally.minute, tally.in_minute = minute, 0
        tally.total += 1
        tally.in_minute += 1
        if tally.in_minute == REFUSALS_PER_MINUTE_MAX + 1:
            self._on_flood(refusal.client)


@dataclass(slots=True)
class _Tally:
    total: int = 0
    minute: int = 0
    in_minute: int = 0


def _unquote(quoted: bytes) -> str:
    return _text(_ESCAPE.sub(_original, quoted) if b"\\" in quoted else quoted)


def _original(match: re.Match[bytes]) -> bytes:
    byte, short, long, plain = match.groups()
    if byte:
        return bytes.fromhex(byte.decode())
    if code := short or long:
        return chr(int(code, 16)).encode(errors="replace")
    return _PLAIN.get(plain, plain)


def _text(data: bytes) -> str:
    return data[: 4 * REFUSED_TEXT_CHARS_MAX].decode(errors="replace")[:REFUSED_TEXT_CHARS_MAX]
