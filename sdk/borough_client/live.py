"""The live feed: what is recorded as it is recorded, resumed where it broke off."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from borough_client.errors import BoroughError, Unreachable
from borough_client.limits import LIVE_EVENT_CHARS_MAX, LIVE_SILENCE_S
from borough_client.transport import Params, Transport, backoff_s


class Event(NamedTuple):
    """One event of the feed."""

    kind: str
    """``samples``, ``alarm``, ``command``, ``metadata``, or ``gap``: something is missing."""
    data: Any
    """Of ``samples`` a list of samples, else a document."""
    id: str
    """Where the feed can be resumed after this event."""


def follow(
    transport: Transport,
    params: Params,
    *,
    after: str | None = None,
    silence_s: float = LIVE_SILENCE_S,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Event]:
    """Yield events for ever; a feed that breaks off is dialled anew after the last id.

    Nothing is left out between two connections, as long as the platform keeps it: when not, an
    event ``gap`` says so. After a break an event may come again that was only half read.

    Raises:
        Refused: the platform says no, for example because the token is no longer good.
    """
    failures = 0
    while True:
        try:
            for event in _connected(transport, params, after, silence_s):
                failures = 0
                after = event.id or after
                if event.kind == "end" and event.data.get("reason") == "token":
                    break  # the next try is told why
                if event.kind in ("samples", "alarm", "command", "metadata", "gap"):
                    yield event._replace(id=after or "")
        except Unreachable:
            failures += 1
        sleep(backoff_s(failures))


def _connected(
    transport: Transport, params: Params, after: str | None, silence_s: float
) -> Iterator[Event]:
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": after} if after else {})
    with transport.stream("/live", params, headers, silence_s) as lines:
        yield from events(lines)


def events(lines: Iterator[str]) -> Iterator[Event]:
    """Yield the events of a stream; what its end cuts off is none.

    Source: HTML Living Standard, section 9.2.6, interpreting an event stream.

    Raises:
        BoroughError: it is no feed of the platform.
    """
    kind, data, size, id_ = "", [], 0, ""
    fresh = False
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                kind = value
            elif name == "data":
                data.append(value)
                size += len(value)
                if size > LIVE_EVENT_CHARS_MAX:
                    raise BoroughError("an event of the live feed is longer than it may be")
            elif name == "id":
                id_, fresh = value, True
            continue
        if data or fresh:
            yield Event(kind or "position", _document("\n".join(data)), id_ if fresh else "")
        kind, data, size, fresh = "", [], 0, False


def _document(text: str) -> Any:
    if not text:
        return {}
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise BoroughError(f"an event of the live feed is no JSON: {error}") from error


def as_params(filter: Mapping[str, Any]) -> dict[str, Any]:
    """Return a filter as query parameters; a list stands for alternatives."""
    return {
        key.rstrip("_"): value if isinstance(value, str | list | tuple) else _word(value)
        for key, value in filter.items()
        if value is not None
    }


def _word(value: object) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)
