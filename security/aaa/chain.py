"""The chains of the record: each line names the digest of the one before it.

A line is a JSON object in canonical form: keys sorted, no spaces, ASCII. ``seq`` counts from 1
without a gap, ``at`` is the moment of writing in milliseconds since 1970 UTC, ``prev`` the SHA-256
of the line before, hex, without its line end. Lines written before there was a chain have no
``prev``; one line with the action `SEALED` closes them with the digest of all their bytes.

Each project has a chain of its own among these lines, and the platform has one: ``chain`` is the
project's number, 0 for the platform, ``cseq`` counts the lines of the chain from 1, and ``link`` is
the SHA-256 of the chain's line before, taken without ``seq`` and ``prev``. So a project's lines are
shown and proved by themselves, and tell nothing of how much others do. Lines of before there were
several chains have no ``chain``; the one chain through all lines holds them as ever.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

GENESIS = "0" * 64
"""What the first line names as the one before it."""
SEALED = "record.sealed"
PLATFORM = 0
"""Chain of the platform's own acts."""
KEPT = frozenset({"seq", "at", "prev", "cseq", "link"})
"""Keys that the record itself sets."""
WHOLE = frozenset({"seq", "prev"})
"""Keys of the one chain through all lines, which a chain's own lines are shown without."""


class Head(NamedTuple):
    """How far a chain goes, and the digest that stands for all of it."""

    size: int
    """Number of the last entry on disk, 0 when there is none."""
    digest: str
    """SHA-256 of it."""


EMPTY = Head(0, GENESIS)


def canonical(entry: Mapping[str, Any]) -> bytes:
    """Return an entry in canonical form.

    Raises:
        ValueError, TypeError, RecursionError: it is no JSON.
    """
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")


def lines_of(
    entry: Mapping[str, Any], at: int, whole: Head, chain: int, own: Head
) -> tuple[bytes, bytes]:
    """Return the line of an entry, its end included, and the same as its own chain has it.

    Args:
        entry: Without the keys of `KEPT`, and without ``chain``.
        at: Milliseconds since 1970 UTC.
        whole: The last line of all.
        chain: Number of the project, or `PLATFORM`.
        own: The last line of that chain.

    Raises:
        ValueError, TypeError, RecursionError: it is no JSON.
    """
    linked = {**entry, "at": at, "chain": chain, "cseq": own.size + 1, "link": own.digest}
    line = canonical({**linked, "seq": whole.size + 1, "prev": whole.digest})
    return line + b"\n", canonical(linked)


def digest_of(line: bytes) -> str:
    """Return the SHA-256 of a line without its end, hex."""
    return hashlib.sha256(line.removesuffix(b"\n")).hexdigest()


def own_line(entry: Mapping[str, Any]) -> bytes:
    """Return a line that was read as its own chain has it."""
    return canonical({key: value for key, value in entry.items() if key not in WHOLE})


def is_unchained(line: bytes) -> bool:
    """Tell whether a whole line was written before there was a chain."""
    try:
        entry = json.loads(line)
    except ValueError:  # damage is for the verifier to find, not to be closed with a seal
        return False
    return isinstance(entry, dict) and "prev" not in entry
