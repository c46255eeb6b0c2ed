"""What messages say of the present of attributes: times and values. The uplink's hot path.

The typed decoders skip every other field; each call sees one payload only, because a payload that
leaves an array open would else take its neighbours with it.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isfinite
from typing import NamedTuple, TypeVar

import cbor2
import msgspec
from msgspec import Raw, Struct, field

from ciaas.kernel.model import Value
from ciaas.kernel.wire.document import Tree, WireError, is_text, read_document
from ciaas.limits import PAYLOAD_BYTES_MAX

_T = TypeVar("_T")


class Reading(Struct, gc=False):
    """Time and value of one attribute. ``timestamp`` is UNIX seconds, None if absent.

    ``type`` is empty when absent; it only tells an attribute without a value from something else.
    """

    timestamp: float | None = None
    value: Value = None
    type: str = ""
    correlation_id: str | None = field(default=None, name="correlationID")

    def says_nothing(self) -> bool:
        """Return True for a map that holds neither a value nor a type: no attribute at all."""
        return self.value is None and not self.type


class Transaction(Struct, gc=False):
    """Readings by the address that the sender wrote."""

    attributes: dict[str, Reading]


class Entry(Struct, gc=False):
    """One message inside a ``@delayed``; ``data`` is its payload, undecoded."""

    topic: str
    data: Raw = Raw(b"")


class Delayed(Struct, gc=False):
    """Messages that a device kept while it had no connection, oldest first."""

    messages: list[Entry]


class Entries(NamedTuple):
    """Entries of a ``@delayed`` that is already a tree: topic and payload's tree of each."""

    good: list[tuple[str, object]]
    bad: list[object]


def read_single(payload: bytes) -> Reading | None:
    """Return the reading of a clean payload, None for one that needs a closer look."""
    if payload[:1] == b"{" and len(payload) <= PAYLOAD_BYTES_MAX:
        try:
            return said(_decode_reading(payload))
        except _JSON_ERRORS:
            return None
    try:
        tree, trailing = read_document(payload)
        return None if trailing else read_reading(tree)
    except WireError:
        return None


def read_transaction(payload: bytes | None) -> Transaction | None:
    """Return a clean transaction in JSON, None for any other payload."""
    return _read_short(payload, _decode_transaction)


def read_delayed(payload: bytes | None) -> Delayed | None:
    """Return a clean delayed message in JSON, None for any other payload."""
    return _read_short(payload, _decode_delayed)


def said(reading: Reading) -> Reading | None:
    """Return a reading that the typed decoder made, None for one of no attribute at all."""
    return None if reading.says_nothing() else reading


def read_clean(element: object) -> Reading | None:
    """Return the reading of an element, None when there is something wrong with it."""
    try:
        return read_reading(element)
    except WireError:
        return None


def read_reading(element: object) -> Reading:
    """Return the reading of an element of a tree.

    Raises:
        WireError: it is no map, holds nothing of an attribute, or time or value are of no use.
    """
    if type(element) is not dict:
        raise WireError(f"an attribute is a map, not {name_of(element)}")
    timestamp, value = element.get("timestamp"), element.get("value")
    if type(timestamp) is not float or not isfinite(timestamp):
        timestamp = check_timestamp(timestamp)
    if type(value) is not float:
        value = check_value(value)
    kind, correlation_id = element.get("type"), element.get("correlationID")
    reading = Reading(
        timestamp,
        value,
        kind if type(kind) is str else "",
        correlation_id if is_text(correlation_id) else None,
    )
    if reading.says_nothing() and "value" not in element:
        raise WireError("an attribute needs a value, or at least a type")
    return reading


def read_attributes(tree: dict[str, object]) -> dict[str, object]:
    """Return the elements of a ``@transaction`` by the address written.

    Raises:
        WireError: ``attributes`` is missing or no map.
    """
    attributes = tree.get("attributes")
    if not isinstance(attributes, dict):
        raise WireError("a transaction needs a map of attributes")
    return attributes


def read_entries(tree: dict[str, object]) -> Entries:
    """Return the entries of a ``@delayed``, those without a topic apart.

    Raises:
        WireError: ``messages`` is missing or no array.
    """
    messages = tree.get("messages")
    if not isinstance(messages, list):
        raise WireError("a delayed message needs an array of messages")
    entries = Entries([], [])
    for entry in messages:
        topic = entry.get("topic") if isinstance(entry, dict) else None
        if isinstance(topic, str):
            entries.good.append((topic, entry.get("data")))
        else:
            entries.bad.append(entry)
    return entries


def read_correlation(tree: Tree, trailing: bytes) -> tuple[str | None, bytes]:
    """Return the id of the set that a ``@didSet`` answers, and what still follows.

    The Java library appends a second document, which holds it, to the attribute's own.
    """
    correlation_id = tree.get("correlationID")
    if trailing:
        try:
            appended, rest = read_document(trailing)
        except WireError:
            return correlation_id if is_text(correlation_id) else None, trailing
        correlation_id, trailing = appended.get("correlationID", correlation_id), rest
    return correlation_id if is_text(correlation_id) else None, trailing


def check_value(value: object) -> Value:
    """Return a value that the wire may carry; not-a-number and infinity are among them.

    Raises:
        WireError: an array, a map, bytes, or text that is no Unicode.
    """
    if value is None or isinstance(value, int | float):  # truth values are integers in Python
        return value
    if is_text(value):
        return value
    if value is cbor2.undefined:
        return None
    if isinstance(value, str):
        raise WireError("the text holds half of a surrogate pair")
    raise WireError(f"a value is a number, text, true, false or null, not {name_of(value)}")


def check_timestamp(timestamp: object) -> float | None:
    """Return UNIX seconds, None when none are given.

    Raises:
        WireError: no number, or not finite.
    """
    if timestamp is None or timestamp is cbor2.undefined:
        return None
    if isinstance(timestamp, bool) or not isinstance(timestamp, int | float):
        raise WireError(f"a timestamp is a number of seconds, not {name_of(timestamp)}")
    try:
        seconds = float(timestamp)
    except OverflowError:
        seconds = inf
    if not isfinite(seconds):
        raise WireError("the timestamp is not finite")
    return seconds


def name_of(element: object) -> str:
    """Return what a person calls the type of an element."""
    return _NAMES.get(type(element), type(element).__name__)


def _read_short(payload: bytes | None, decode: Callable[[bytes], _T]) -> _T | None:
    if payload is None or payload[:1] != b"{" or len(payload) > PAYLOAD_BYTES_MAX:
        return None
    try:
        return decode(payload)
    except _JSON_ERRORS:
        return None


_JSON_ERRORS = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
_decode_reading = msgspec.json.Decoder(Reading).decode
_decode_transaction = msgspec.json.Decoder(Transaction).decode
_decode_delayed = msgspec.json.Decoder(Delayed).decode
_NAMES: dict[type, str] = {
    type(None): "null",
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "text",
    bytes: "bytes",
    list: "an array",
    dict: "a map",
}
