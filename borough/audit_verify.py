"""Verifies a record offline: a program of its own that imports nothing of the platform.

Python and the package `cryptography` are all it needs, so that it can be copied to, and read on,
another machine::

    python audit_verify.py DIRECTORY [--checkpoints FILE]… [--registry FILE] [--key FILE]

It takes no lock and writes nothing. The last line says what was found and, when something is
wrong, names the first bad record; the exit code is then 1.

What is proved: no line was changed, inserted, taken out or moved (each names the SHA-256 of the
line before), and nothing is missing at the end up to the newest signed checkpoint. Who holds the
platform's key file could write another record and sign it: keep the key's fingerprint and some
checkpoints elsewhere, then this shows too.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

GENESIS = "0" * 64
_FILE = re.compile(r"record-(\d{12})\.jsonl", re.ASCII)
_LINE_BYTES_MAX = 65_536
_CHECKPOINTS_FILE = "checkpoints.jsonl"
_KEY_FILE = "checkpoint.pub"


class Bad(Exception):
    """Something is wrong; the message is the last line of the output."""


class Checkpoint(NamedTuple):
    """A signed statement: the record had this many entries, the last one with this digest."""

    size: int
    head: str
    at: int
    signature: str
    where: str
    """For the message."""


class Line(NamedTuple):
    """One line with its place."""

    sequence: int
    data: bytes
    """Without its end."""
    path: Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify what the command line names; return the exit code."""
    parser = argparse.ArgumentParser(prog="borough audit verify", description=__doc__)
    parser.add_argument("directory", type=Path, help="the record: the folder audit of a home")
    parser.add_argument(
        "--checkpoints", type=Path, action="append", default=[], help="further checkpoints"
    )
    parser.add_argument("--registry", type=Path, help="registry.sqlite, which holds the newest")
    parser.add_argument("--key", type=Path, help="public key in PEM, kept from an earlier day")
    chosen = parser.parse_args(arguments)
    try:
        told = verify(chosen.directory, chosen.checkpoints, chosen.registry, chosen.key)
    except Bad as bad:
        _say(str(bad))
        return 1
    _say(told)
    return 0


def verify(
    directory: Path, checkpoints: Sequence[Path], registry: Path | None, key: Path | None
) -> str:
    """Return what was found to be in order.

    Raises:
        Bad: something is not.
    """
    signer = _key(key or directory / _KEY_FILE)
    stated = _stated(directory, checkpoints, registry)
    digests = _chain(directory, {checkpoint.size for checkpoint in stated})
    size, head = digests.pop(-1)
    for checkpoint in sorted(stated):
        _check(checkpoint, signer, size, digests)
    covered = max((checkpoint.size for checkpoint in stated), default=0)
    lines = f"{size} records, head {head[:16]}"
    if signer is None or not stated:
        return f"in order: {lines}; no checkpoint says how long the record was"
    _say(f"key {_fingerprint(signer)}")
    return f"in order: {lines}; {len(stated)} checkpoints, the newest covers {covered} records"


def _chain(directory: Path, wanted: set[int]) -> dict[int, tuple[int, str]]:
    """Walk through all lines.

    Returns:
        The digest at each size wanted, and under -1 those of the end: size and digest.
    """
    found: dict[int, tuple[int, str]] = {0: (0, GENESIS)}
    walk = _Walk()
    following = _lines(directory)
    line = next(following, None)
    while line is not None:
        upcoming = next(following, None)
        walk.step(line, upcoming)
        if line.sequence in wanted:
            found[line.sequence] = (line.sequence, walk.digest)
        line = upcoming
    found[-1] = (walk.sequence, walk.digest)
    return found


class _Walk:
    """Where the walk through the lines is."""

    def __init__(self) -> None:
        self.sequence = 0
        self.digest = GENESIS
        self._before = ""
        """Digest of the line before the last one."""
        self._chained = False
        self._unchained = hashlib.sha256()

    def step(self, line: Line, upcoming: Line | None) -> None:
        """Check one line; the one behind it tells which of two was changed."""
        if line.sequence != self.sequence + 1:
            raise Bad(
                f"bad record {self.sequence + 1}: missing, {line.path.name} begins with "
                f"{line.sequence}"
            )
        where = f"bad record {line.sequence} in {line.path.name}"
        entry = _entry(line)
        named = entry.get("prev")
        digest = hashlib.sha256(line.data).hexdigest()
        if named == self._before and digest != self.digest:
            raise Bad(f"bad record {self.sequence}: it was inserted; the next does not follow it")
        if entry.get("seq") != line.sequence:
            raise Bad(f"{where}: it says that it is record {entry.get('seq')}")
        if named is None and self._chained:
            raise Bad(f"{where}: it names no record before it")
        if named is not None:
            if named != self.digest:
                raise Bad(self._broken(line, digest, upcoming))
            if not self._chained and self.sequence and not self._seals(entry):
                raise Bad(f"{where}: the records before it are not those that were sealed")
            self._chained = True
        if not self._chained:
            self._unchained.update(line.data + b"\n")
        self.sequence, self._before, self.digest = line.sequence, self.digest, digest

    def _seals(self, entry: dict[str, Any]) -> bool:
        return (
            entry.get("action") == "record.sealed"
            and entry.get("entries") == self.sequence
            and entry.get("digest") == self._unchained.hexdigest()
        )

    def _broken(self, line: Line, digest: str, upcoming: Line | None) -> str:
        """Say which of two neighbours is bad: this line, when the next one disowns it too."""
        if upcoming is not None and _named_before(upcoming) != digest:
            return (
                f"bad record {line.sequence} in {line.path.name}: it does not follow the record "
                "before it, nor does the next follow it"
            )
        return f"bad record {self.sequence}: it is not the one that the next was written behind"


def _named_before(line: Line) -> object:
    try:
        entry = json.loads(line.data)
    except (ValueError, RecursionError):
        return None
    return entry.get("prev") if isinstance(entry, dict) else None


def _entry(line: Line) -> dict[str, Any]:
    """Return the entry of a line in canonical form."""
    where = f"bad record {line.sequence} in {line.path.name}"
    try:
        entry = json.loads(line.data)
        written = json.dumps(entry, sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        raise Bad(f"{where}: it is no JSON") from None
    if not isinstance(entry, dict) or written.encode() != line.data:
        raise Bad(f"{where}: it is not in the form in which it was written")
    return entry


def _lines(directory: Path) -> Iterator[Line]:
    """Yield the lines of all files in their order.

    Raises:
        Bad: the last one has no end, or a line is too long.
    """
    try:
        paths = sorted(path for path in directory.iterdir() if _FILE.fullmatch(path.name))
    except OSError as error:
        raise Bad(f"{directory} cannot be read: {error.strerror}") from None
    if not paths:
        raise Bad(f"there is no record in {directory}: bad record 1: missing")
    for path in paths:
        sequence = int(path.stem.removeprefix("record-"))
        with path.open("rb") as file:
            while data := file.readline(_LINE_BYTES_MAX + 1):
                if not data.endswith(b"\n"):
                    raise Bad(
                        f"bad record {sequence} in {path.name}: it has no end; it was cut off, or "
                        "a crash or a write under way left it: start the platform, which cuts off "
                        "what was never acknowledged, and verify again"
                    )
                yield Line(sequence, data[:-1], path)
                sequence += 1


def _stated(directory: Path, files: Sequence[Path], registry: Path | None) -> list[Checkpoint]:
    own = directory / _CHECKPOINTS_FILE
    registry = registry or directory.parent / "registry.sqlite"
    found = [c for path in ([own] if own.exists() else []) for c in _of_file(path)]
    for path in files:
        found += _of_file(path)
    if registry.exists():
        found += _of_registry(registry)
    return found


def _of_file(path: Path) -> Iterator[Checkpoint]:
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise Bad(f"checkpoints {path} cannot be read: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        where = f"{path.name}, line {number}"
        try:
            entry = json.loads(line)
            yield Checkpoint(
                int(entry["size"]), entry["head"], int(entry["at"]), entry["signature"], where
            )
        except (ValueError, KeyError, TypeError):
            if number == len(lines):  # without its end: a crash tore it before it was of use
                return
            raise Bad(f"bad checkpoint in {where}: it cannot be read") from None


def _of_registry(path: Path) -> list[Checkpoint]:
    """Read the newest checkpoints out of the registry without changing it."""
    # A write-ahead log that is there has to be read too; without one nobody has the file open.
    how = "mode=ro" if path.with_name(path.name + "-wal").exists() else "mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)) as registry:
            rows = registry.execute("SELECT size, head, at, signature FROM record_checkpoint")
            return [Checkpoint(s, h, at, sig, path.name) for s, h, at, sig in rows]
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):  # of a version before checkpoints
            return []
        raise Bad(f"the checkpoints in {path} cannot be read: {error}") from None
    except sqlite3.DatabaseError as error:
        raise Bad(f"the checkpoints in {path} cannot be read: {error}") from None


def _check(
    checkpoint: Checkpoint,
    signer: Ed25519PublicKey | None,
    size: int,
    digests: dict[int, tuple[int, str]],
) -> None:
    """Check a checkpoint's signature, then the record against it."""
    if signer is None:
        raise Bad(f"there are checkpoints but no key {_KEY_FILE}; give the one you keep by --key")
    statement = f"borough record\n{checkpoint.size}\n{checkpoint.head}\n{checkpoint.at}\n"
    try:
        signer.verify(base64.b64decode(checkpoint.signature, validate=True), statement.encode())
    except (InvalidSignature, ValueError, TypeError):
        raise Bad(
            f"bad checkpoint at record {checkpoint.size} ({checkpoint.where}): it is not signed "
            f"with the key {_fingerprint(signer)}"
        ) from None
    if checkpoint.size > size:
        raise Bad(
            f"bad record {size + 1}: missing; a checkpoint ({checkpoint.where}) says that there "
            f"were {checkpoint.size}, the record ends with {size}"
        )
    if digests[checkpoint.size][1] != checkpoint.head:
        raise Bad(
            f"bad record {checkpoint.size}: it is not the one that a checkpoint "
            f"({checkpoint.where}) was signed for; the record was written anew"
        )


def _key(path: Path) -> Ed25519PublicKey | None:
    try:
        key = load_pem_public_key(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Bad(f"the key {path} cannot be read: {error}") from None
    if not isinstance(key, Ed25519PublicKey):
        raise Bad(f"the key {path} is no Ed25519 key")
    return key


def _fingerprint(key: Ed25519PublicKey) -> str:
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:32]


def _say(text: str) -> None:
    print(text)


if __name__ == "__main__":
    sys.exit(main())
