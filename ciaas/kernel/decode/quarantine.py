"""What a batch set aside: whole messages and bad parts of good ones, each with its reason."""

from __future__ import annotations

import json
from enum import StrEnum

from ciaas.kernel.wire.topic import topic_of
from ciaas.limits import ASIDE_DETAIL_CHARS_MAX, ASIDE_PARTS_MAX, PAYLOAD_BYTES_MAX
from ciaas.ports import Aside, Message


class Why(StrEnum):
    """Reasons for setting aside. The words are stored and listed."""

    MALFORMED = "malformed"
    """The payload, or an element of it, can not be read."""
    BAD_ADDRESS = "bad-address"
    """The topic or a path inside the payload names nothing that may exist."""
    BAD_TIMESTAMP = "bad-timestamp"
    """Before 1970."""
    FUTURE = "future"
    """Too far ahead of the broker's clock."""
    UNKNOWN_VERB = "unknown-verb"
    UNKNOWN_ENDPOINT = "unknown-endpoint"
    FORGED_ADDRESS = "forged-address"
    """A part names an endpoint other than its sender."""
    TOO_MANY_POINTS = "too-many-points"
    """The endpoint has as many points as it may have."""


class Quarantine:
    """Collects what one batch sets aside, in bounded memory whatever was sent."""

    def __init__(self) -> None:
        self._kept: list[Aside] = []
        self._parts: dict[int, int] = {}
        """Bad parts by the index of their message."""
        self._crowded: dict[int, tuple[Message, str, Why, str, str]] = {}

    def message(self, message: Message, why: Why, detail: str, endpoint: str = "") -> None:
        """Set a whole message aside."""
        payload = message.payload[:PAYLOAD_BYTES_MAX]
        self._kept.append(_aside(message, topic_text(message), why, detail, payload, endpoint))

    def part(
        self,
        index: int,
        message: Message,
        topic: str,
        why: Why,
        detail: str,
        element: object,
        endpoint: str,
    ) -> None:
        """Set one element of a message aside; ``element`` is a tree, or bytes as they came."""
        count = self._parts[index] = self._parts.get(index, 0) + 1
        excerpt = _excerpt(element) if count <= ASIDE_PARTS_MAX else None
        if excerpt is None:
            self._crowded.setdefault(index, (message, topic, why, detail, endpoint))
            return
        self._kept.append(_aside(message, topic, why, detail, excerpt, endpoint))

    def asides(self) -> list[Aside]:
        """Return all that was set aside; crowded messages whole, once."""
        for index, (message, topic, why, detail, endpoint) in self._crowded.items():
            detail = f"{self._parts[index]} parts of this message are set aside, one: {detail}"
            payload = message.payload[:PAYLOAD_BYTES_MAX]
            self._kept.append(_aside(message, topic, why, detail, payload, endpoint))
        self._crowded.clear()
        return self._kept


def topic_text(message: Message) -> str:
    """Return a message's topic for a person to read, whatever bytes it holds."""
    try:
        return topic_of(message.subject)
    except UnicodeDecodeError:
        return message.subject.decode(errors="backslashreplace")


def _aside(
    message: Message, topic: str, why: Why, detail: str, payload: bytes, endpoint: str
) -> Aside:
    detail = detail[:ASIDE_DETAIL_CHARS_MAX].encode(errors="backslashreplace").decode()
    topic = topic.encode(errors="backslashreplace").decode()
    return Aside(message.received, message.sequence, topic, why.value, detail, payload, endpoint)


def _excerpt(element: object) -> bytes | None:
    """Return an element as JSON, None when only the whole message can show it."""
    if isinstance(element, bytes):
        return element
    try:
        text = json.dumps(element, ensure_ascii=False, default=repr)
        return text.encode(errors="backslashreplace")
    except (TypeError, ValueError, RecursionError):
        return None
