"""The chain of the record: each line names the digest of the one before it.

A line is a JSON object in canonical form: keys sorted, no spaces, ASCII. ``seq`` counts from 1
without a gap, ``at`` is the moment of writing in milliseconds since 1970 UTC, ``prev`` the SHA-256
of the line before, hex, without its line end. Lines written before there was a chain have no
``prev``; one line with the action `SEALED` closes them with the digest of all their bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

GENESIS = "0" * 64
"""What the first line names as the one before it."""
SEALED = "record.sealed"
KEPT = frozenset({"seq", "at", "prev"})
"""Keys that the record itself sets."""


def line_of(entry: Mapping[str, Any], sequence: int, at: int, previous: str) -> bytes:
    """Return the line of an entry, its end included.

    Args:
        entry: Without the keys of `KEPT`.
        sequence: Number of the line.
        at: Milliseconds since 1970 UTC.
        previous: Digest of the line before.

    Raises:
        ValueError, TypeError, RecursionError: it is no JSON.
    """
    text = json.dumps(
        {**entry, "seq": sequence, "at": at, "prev": previous},
        sort_keys=True,
        separators=(",", ":"),
        allow_nan=False,
    )
    return text.encode("ascii") + b"\n"


def digest_of(line: bytes) -> str:
    """Return the SHA-256 of a line without its end, hex."""
    return hashlib.sha256(line.removesuffix(b"\n")).hexdigest()


def is_unchained(line: bytes) -> bool:
    """Tell whether a whole line was written before there was a chain."""
    try:
        entry = json.loads(line)
    except ValueError:  # damage is for the verifier to find, not to be closed with a seal
        return False
    return isinstance(entry, dict) and "prev" not in entry
