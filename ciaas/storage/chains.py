"""How far each chain of the record goes, kept beside it so that a start need not read all of it.

The file is no part of what is proved: without it, or when it does not fit the record, the heads of
all chains are found by reading every line.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from security.aaa.chain import EMPTY, PLATFORM, Head, digest_of, own_line

CHAINS_FILE = "chains.json"
_MARK = b'"chain":'


class Position(NamedTuple):
    """A place between two lines."""

    sequence: int
    """Of the line before it; 0 at the beginning."""
    file: int
    """Sequence by which the file is named."""
    offset: int
    """Bytes into the file."""


class Snapshot(NamedTuple):
    """The record as of one moment."""

    position: Position
    whole: Head
    """Of the one chain through all lines."""
    heads: Mapping[int, Head]
    """By number of the chain."""


BEGINNING = Snapshot(Position(0, 0, 0), EMPTY, {})


class OwnLine(NamedTuple):
    """A line as its own chain has it."""

    chain: int
    number: int
    data: bytes


def own_lines(lines: Iterable[bytes]) -> Iterator[OwnLine]:
    """Yield those lines that belong to a chain; damaged ones are for the verifier to find."""
    for line in lines:
        if _MARK not in line:  # of a version before there were several chains
            continue
        try:
            entry = json.loads(line)
            yield OwnLine(int(entry["chain"]), int(entry["cseq"]), own_line(entry))
        except (ValueError, KeyError, TypeError):
            continue


def follow(heads: Mapping[int, Head], lines: Iterable[bytes]) -> dict[int, Head]:
    """Return the heads of all chains behind some more lines."""
    found = dict(heads)
    for own in own_lines(lines):
        found[own.chain] = Head(own.number, digest_of(own.data))
    return found


def read_snapshot(directory: Path) -> Snapshot | None:
    """Return what was kept, None when there is nothing that can be read."""
    try:
        kept = json.loads((directory / CHAINS_FILE).read_bytes())
        heads = {int(chain): Head(int(n), str(digest)) for chain, (n, digest) in kept["heads"]}
        return Snapshot(Position(*map(int, kept["position"])), Head(*kept["whole"]), heads)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_snapshot(directory: Path, snapshot: Snapshot) -> None:
    """Replace what was kept; raises OSError."""
    document = {
        "position": list(snapshot.position),
        "whole": list(snapshot.whole),
        "heads": [[chain, [*head]] for chain, head in sorted(snapshot.heads.items())],
    }
    draft = directory / f".{CHAINS_FILE}"
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(file, "wb") as written:
        written.write(json.dumps(document, separators=(",", ":")).encode())
    draft.replace(directory / CHAINS_FILE)


def chain_of(entry: Mapping[str, object]) -> int:
    """Return the chain that an entry is for: the platform's unless it says another.

    Raises:
        ValueError: it is no number of a chain.
    """
    chain = entry.get("chain", PLATFORM)
    if not isinstance(chain, int) or isinstance(chain, bool) or chain < 0:
        raise ValueError("the chain of an entry is the number of a project, or 0")
    return chain
