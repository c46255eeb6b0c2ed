"""One payload as a tree of plain values, JSON or CBOR, chosen by its first byte."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import StrEnum
from io import BytesIO
from typing import NamedTuple, NoReturn, TypeAlias, TypeGuard

import cbor2

from ciaas.limits import PAYLOAD_BYTES_MAX, WIRE_DEPTH_MAX

Tree: TypeAlias = dict[str, object]
"""A map as it came: nothing in it has been checked but its nesting."""


class WireError(ValueError):
    """A payload, or an element of one, cannot be read; the message says what is wrong with it."""


class WireFormat(StrEnum):
    """Serialised form of a message, in cloud.io's words."""

    JSON = "JSON"
    CBOR = "CBOR"


class Document(NamedTuple):
    """A payload's map and the bytes that follow it, which a clean payload has none of."""

    tree: Tree
    trailing: bytes


def read_document(payload: bytes) -> Document:
    """Return the first document of a payload.

    JSON is read as devices write it: ``NaN`` and ``Infinity`` are accepted as numbers, and a number
    beyond the range of a double is infinite. The last of two equal keys wins.

    Raises:
        WireError: too long, neither a JSON object nor a CBOR map, broken, or nested too deeply.
    """
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise WireError(f"payload of {len(payload)} bytes, at most {PAYLOAD_BYTES_MAX} are read")
    if payload[:1] and payload[0] & 0xE0 == 0xA0:
        return _read_cbor(payload)
    return _read_json(payload)


def is_text(element: object) -> TypeGuard[str]:
    """Return True for text that can be stored: JSON's escapes can spell half a surrogate pair."""
    if not isinstance(element, str):
        return False
    try:
        element.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read_json(payload: bytes) -> Document:
    try:
        text = payload.decode().lstrip(" \t\r\n")
        if text[:1] != "{":
            raise WireError("payload is neither a JSON object nor a CBOR map")
        tree, end = _JSON.raw_decode(text)
    except WireError:
        raise
    except RecursionError:
        raise WireError("JSON is nested too deeply") from None
    except ValueError as error:  # broken JSON or UTF-8, or an integer of thousands of digits
        raise WireError(f"broken JSON: {error}") from None
    return Document(tree, text[end:].strip(" \t\r\n").encode(errors="surrogatepass"))


def _read_cbor(payload: bytes) -> Document:
    source = BytesIO(payload)
    try:
        decoder = cbor2.CBORDecoder(
            source,
            max_depth=WIRE_DEPTH_MAX,
            strict_hashable_types=True,
            semantic_decoders=_REFUSED_TAGS,
        )
        tree = decoder.decode()
    except (cbor2.CBORError, RecursionError) as error:
        raise WireError(f"broken CBOR: {error.__cause__ or error}") from None
    return Document(tree, payload[source.tell() :])


def _refuse_tag(decoder: object) -> NoReturn:
    raise WireError("tags are not used by cloud.io")


_JSON = json.JSONDecoder()
_TAGS_KNOWN_TO_CBOR2 = (
    *(0, 1, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100),
    *(256, 258, 260, 261, 1004, 43000, 55799),
)
_REFUSED_TAGS: dict[int, Callable[..., NoReturn]] = dict.fromkeys(_TAGS_KNOWN_TO_CBOR2, _refuse_tag)
# Some tags make a few bytes into very much (shared references, 2 ** exponent) or run code (regular
# expressions); 2 and 3, integers of any length, are the only ones a value can have.
