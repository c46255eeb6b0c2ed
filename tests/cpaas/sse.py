"""A reader of server-sent events, as simple as the standard allows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass
class Event:
    """One event, or a block that only moves the id on (kind ``""``)."""

    kind: str
    data: Any
    id: str


@dataclass
class Feed:
    """Events of one answer in their order."""

    answer: httpx.Response
    id: str = ""
    """The last event id, as a browser keeps it."""
    _lines: Iterator[str] = field(init=False)

    def __post_init__(self) -> None:
        self._lines = self.answer.iter_lines()

    def next(self) -> Event | None:
        """Return the next block, None at the end."""
        kind, data, seen = "", "", False
        for line in self._lines:
            if not line:
                if seen:
                    return Event(kind, json.loads(data) if data else None, self.id)
                continue
            name, _, text = line.partition(":")
            text = text.removeprefix(" ")
            if name == "event":
                kind = text
            elif name == "data":
                data += text
            elif name == "id":
                self.id = text
            seen = seen or name in ("event", "data", "id")
        return None

    def event(self, kind: str) -> Event:
        """Return the next event of a kind; others before it are skipped."""
        while (event := self.next()) is not None:
            if event.kind == kind:
                return event
        raise AssertionError(f"the feed ended without an event {kind!r}")

    def values(self, count: int) -> list[tuple[str, Any]]:
        """Return so many samples as (attribute, value), in the order they came."""
        found: list[tuple[str, Any]] = []
        while len(found) < count:
            found += [
                (sample["address"].rpartition("/")[2], sample["value"])
                for sample in self.event("samples").data
            ]
        return found


@contextmanager
def following(
    client: httpx.Client, headers: Mapping[str, str] | None = None, **query: Any
) -> Iterator[Feed]:
    """Open the live feed and read its first block, which tells where it begins."""
    with client.stream("GET", "/live", params=query, headers=headers) as answer:
        if answer.status_code != 200:
            answer.read()
            raise AssertionError(answer.text)
        assert answer.headers["content-type"].startswith("text/event-stream")
        feed = Feed(answer)
        yield feed
