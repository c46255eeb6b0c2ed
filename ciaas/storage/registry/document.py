"""JSON documents as the registry keeps them: bounded going in, exact coming out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ciaas.limits import DOCUMENT_DEPTH_MAX
from ciaas.ports import Conflict


def encode(document: Any, bytes_max: int, what: str) -> str:
    """Return a document's JSON text, the same for equal documents whatever the order of keys.

    Args:
        document: What a JSON text can say; a number that is not finite becomes null.
        bytes_max: Bound of the text in bytes.
        what: Names the document in an error, such as ``the metadata of endpoint …``.

    Raises:
        Conflict: too large, nested too deep, or not JSON.
    """
    _check_depth(document, what)
    try:
        text = msgspec.json.encode(document, order="deterministic")
    except (TypeError, UnicodeEncodeError) as error:
        raise Conflict(f"{what} is no JSON document: {error}") from error
    if len(text) > bytes_max:
        raise Conflict(
            f"{what} has {len(text):,} bytes, at most {bytes_max:,} are kept: shorten it"
        )
    return text.decode()


def decode(text: str) -> dict[str, Any]:
    """Return the document of a text that `encode` made."""
    return msgspec.json.decode(text, type=dict[str, Any])


def merged(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return the target with a patch applied: None removes a key, objects are merged.

    Source: RFC 7396, section 2.
    """
    result = dict(target)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            inner = result.get(key)
            result[key] = merged(inner if isinstance(inner, Mapping) else {}, value)
        else:
            result[key] = value
    return result


def check_text(text: str, chars_max: int, what: str) -> str:
    """Return a text that fits.

    Raises:
        Conflict: too long, or it holds half a character, which no file can store.
    """
    if len(text) > chars_max:
        raise Conflict(f"{what} has {len(text):,} characters, at most {chars_max:,} are kept")
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise Conflict(f"{what} holds half a surrogate pair, which is no character")
    return text


def _check_depth(document: Any, what: str) -> None:
    layer = [document]
    for _ in range(DOCUMENT_DEPTH_MAX):
        layer = [inner for value in layer for inner in _inner(value)]
        if not layer:
            return
    raise Conflict(f"{what} is nested deeper than {DOCUMENT_DEPTH_MAX} levels: flatten it")


def _inner(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []
