"""Verifies a record offline: a program of its own that imports nothing of the platform.

Python and the package `cryptography` are all it needs, so that it can be copied to, and read on,
another machine::

    python audit_verify.py DIRECTORY [--checkpoints FILE]… [--registry FILE] [--key FILE]
    python audit_verify.py --export FILE --key FILE
    python audit_verify.py --proof FILE --key FILE [--record FILE]

It takes no lock and writes nothing. The last line says what was found and, when something is
wrong, names the first bad record; the exit code is then 1.

What is proved: no line was changed, inserted, taken out or moved (each names the SHA-256 of the
line before, among all lines and among those of its project), and nothing is missing at the end up
to the newest signed checkpoint. An export holds lines of one project and the proof that the last
of them is in a signed checkpoint; so a proof of a single record does by itself. Who holds the
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


class ChainCheckpoint(NamedTuple):
    """A signed statement about one chain, with a tree over its entries from ``first`` on."""

    chain: int
    first: int
    size: int
    head: str
    root: str
    at: int
    signature: str
    where: str
    """For the message."""

    @property
    def statement(self) -> bytes:
        """What is signed."""
        return (
            f"borough chain\n{self.chain}\n{self.first}\n{self.size}\n{self.head}\n"
            f"{self.root}\n{self.at}\n"
        ).encode()


class Line(NamedTuple):
    """One line with its place."""

    sequence: int
    data: bytes
    """Without its end."""
    path: Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify what the command line names; return the exit code."""
    parser = argparse.ArgumentParser(prog="borough audit verify", description=__doc__)
    parser.add_argument(
        "directory", type=Path, nargs="?", help="the record: the folder audit of a home"
    )
    parser.add_argument(
        "--checkpoints", type=Path, action="append", default=[], help="further checkpoints"
    )
    parser.add_argument("--registry", type=Path, help="registry.sqlite, which holds the newest")
    parser.add_argument("--key", type=Path, help="public key in PEM, kept from an earlier day")
    parser.add_argument("--proof", type=Path, help="the proof of one record, as the API gave it")
    parser.add_argument("--export", type=Path, help="lines of one chain, as the API exported them")
    parser.add_argument("--record", type=Path, help="with --proof: a file with the record's line")
    chosen = parser.parse_args(arguments)
    if chosen.directory is None and (chosen.key is None or not (chosen.proof or chosen.export)):
        parser.error("name the record's DIRECTORY, or --proof or --export with --key")
    key = chosen.key or chosen.directory / _KEY_FILE
    try:
        if chosen.proof:
            told = verify_proof(chosen.proof, key, chosen.record)
        elif chosen.export:
            told = verify_export(chosen.export, key)
        else:
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
    stated, chains = _stated(directory, checkpoints, registry)
    for one in chains:
        _check_signed(one, signer)
    trees = _Trees(chains)
    digests = _chain(directory, {checkpoint.size for checkpoint in stated}, trees)
    size, head = digests.pop(-1)
    for checkpoint in sorted(stated):
        _check(checkpoint, signer, size, digests)
    trees.end()
    covered = max((checkpoint.size for checkpoint in stated), default=0)
    lines = f"{size} records, head {head[:16]}"
    if signer is None or not stated:
        return f"in order: {lines}; no checkpoint says how long the record was"
    _say(f"key {_fingerprint(signer)}")
    return (
        f"in order: {lines}; {len(trees.chains)} chains; {len(stated) + len(chains)} checkpoints, "
        f"the newest covers {covered} records"
    )


def verify_proof(path: Path, key: Path, record: Path | None) -> str:
    """Return what a proof shows; raises Bad."""
    proof = _document(path)
    try:
        chain, number = int(proof["chain"]), int(proof["cseq"])
        leaf, way = bytes.fromhex(proof["leaf"]), [bytes.fromhex(one) for one in proof["path"]]
        stated = _chain_checkpoint(proof["checkpoint"], path.name)
    except (KeyError, TypeError, ValueError):
        raise Bad(f"{path.name} is no proof of a record") from None
    where = f"bad record {number} of chain {chain}"
    _check_signed(stated, _needed(key))
    if (stated.chain, stated.first <= number <= stated.size) != (chain, True):
        raise Bad(f"{where}: the checkpoint of its proof does not speak of it")
    root = _climbed(leaf, number - stated.first, stated.size - stated.first + 1, way)
    if root is None or root.hex() != stated.root:
        raise Bad(f"{where}: it is not in the tree of its checkpoint")
    shown = "its line was not given"
    entry = proof.get("record") if record is None else _line_with(record, leaf, where)
    if entry is not None:
        if _leaf(_own(entry)) != leaf or (entry["chain"], entry["cseq"]) != (chain, number):
            raise Bad(f"{where}: its line is not the one that was proved")
        shown = "its line is the one that was written"
    return f"in order: record {number} of chain {chain} was signed for at {stated.at}; {shown}"


def verify_export(path: Path, key: Path) -> str:
    """Return what an export shows; raises Bad."""
    lines = path.read_bytes().split(b"\n")
    if lines.pop():
        raise Bad(f"{path.name} is cut off: its last line has no end")
    try:
        head = json.loads(lines[0])["export"]
        chain, number, count = int(head["chain"]), int(head["first"]), int(head["count"])
    except (IndexError, KeyError, TypeError, ValueError):
        raise Bad(f"{path.name} is no export of a record") from None
    link: object = None
    data = b""
    for data in lines[1 : 1 + count]:
        where = f"bad record {number} of chain {chain}"
        entry = _canonical(data, where)
        if entry.get("proof") is not None or entry.get("cseq") != number:
            raise Bad(f"{where}: missing")
        if entry.get("chain") != chain:
            raise Bad(f"{where}: it is of another chain")
        if link is not None and entry.get("link") != link:
            raise Bad(f"bad record {number - 1} of chain {chain}: the next does not follow it")
        link, number = hashlib.sha256(data).hexdigest(), number + 1
    if count == 0:
        return f"in order: no record of chain {chain} in this export"
    try:
        proof = json.loads(lines[1 + count])["proof"]
        stated = _chain_checkpoint(proof["checkpoint"], path.name)
        way = [bytes.fromhex(one) for one in proof["path"]]
    except (IndexError, KeyError, TypeError, ValueError):
        raise Bad(f"bad record {number} of chain {chain}: missing, or the export's proof") from None
    _check_signed(stated, _needed(key))
    last = number - 1
    root = _climbed(_leaf(data), last - stated.first, stated.size - stated.first + 1, way)
    if stated.chain != chain or root is None or root.hex() != stated.root:
        raise Bad(f"bad record {last} of chain {chain}: it is not the one that was signed for")
    first = last - count + 1
    return f"in order: records {first} to {last} of chain {chain}, signed for at {stated.at}"


def _chain(directory: Path, wanted: set[int], trees: _Trees) -> dict[int, tuple[int, str]]:
    """Walk through all lines.

    Returns:
        The digest at each size wanted, and under -1 those of the end: size and digest.
    """
    found: dict[int, tuple[int, str]] = {0: (0, GENESIS)}
    walk = _Walk(trees)
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


class _Trees:
    """The chains of projects, each beside what was signed for it."""

    def __init__(self, stated: Sequence[ChainCheckpoint]) -> None:
        self.chains: dict[int, tuple[int, str, int]] = {}
        """By chain: number of its last entry, its digest, and its place among all lines."""
        self._beginning: dict[tuple[int, int], list[ChainCheckpoint]] = {}
        for one in stated:
            self._beginning.setdefault((one.chain, one.first), []).append(one)
        self._growing: dict[int, list[tuple[ChainCheckpoint, list[bytes]]]] = {}

    def take(self, entry: dict[str, Any], line: Line) -> None:
        """Check the entry's place in its chain, and what ends with it."""
        where = f"bad record {line.sequence} in {line.path.name}"
        chain, number = entry["chain"], entry.get("cseq")
        last, digest, _ = self.chains.get(chain, (0, GENESIS, 0))
        if number != last + 1 or entry.get("link") != digest:
            raise Bad(f"{where}: it does not follow record {last} of chain {chain}")
        own = _own(entry)
        self.chains[chain] = (number, hashlib.sha256(own).hexdigest(), line.sequence)
        growing = self._growing.setdefault(chain, [])
        growing += [(one, []) for one in self._beginning.pop((chain, number), [])]
        for one, leaves in list(growing):
            leaves.append(_leaf(own))
            if one.size == number:
                growing.remove((one, leaves))
                if (self.chains[chain][1], _root(leaves).hex()) != (one.head, one.root):
                    raise Bad(
                        f"{where}: it is not the one that a checkpoint of chain {chain} "
                        f"({one.where}) was signed for"
                    )

    def end(self) -> None:
        """Make sure that every chain is as long as was signed for; raises Bad."""
        open_ = [one for growing in self._growing.values() for one, _ in growing]
        for one in [*open_, *(one for many in self._beginning.values() for one in many)]:
            last, _, place = self.chains.get(one.chain, (0, "", 0))
            raise Bad(
                f"bad record {place + 1}: record {last + 1} of chain {one.chain} is missing; "
                f"a checkpoint ({one.where}) says that there were {one.size}"
            )


class _Walk:
    """Where the walk through the lines is."""

    def __init__(self, trees: _Trees) -> None:
        self._trees = trees
        self.sequence = 0
        self.digest = GENESIS
        self._before = ""
        """Digest of the line before the last one."""
        self._chained = False
        self._unchained = hashlib.sha256()
        self._several = False
        """True from the first line on that is of a project's chain, or the platform's."""

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
        if isinstance(entry.get("chain"), int):
            self._several = True
            self._trees.take(entry, line)
        elif self._several:
            raise Bad(f"{where}: it is of no chain")
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
    return _canonical(line.data, f"bad record {line.sequence} in {line.path.name}")


def _canonical(data: bytes, where: str) -> dict[str, Any]:
    try:
        entry = json.loads(data)
        written = json.dumps(entry, sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        raise Bad(f"{where}: it is no JSON") from None
    if not isinstance(entry, dict) or written.encode() != data:
        raise Bad(f"{where}: it is not in the form in which it was written")
    return entry


def _own(entry: dict[str, Any]) -> bytes:
    """Return a line as its own chain has it."""
    own = {key: value for key, value in entry.items() if key not in ("seq", "prev")}
    return json.dumps(own, sort_keys=True, separators=(",", ":")).encode()


def _leaf(own: bytes) -> bytes:
    return hashlib.sha256(b"\0" + own).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def _root(leaves: Sequence[bytes]) -> bytes:
    """Return the root of a tree. Source: RFC 9162, section 2.1.1."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    return _node(_root(leaves[:half]), _root(leaves[half:]))


def _climbed(leaf: bytes, index: int, size: int, way: Sequence[bytes]) -> bytes | None:
    """Return the root that a way leads to, None for a way that fits no such tree."""
    sides = []
    while size > 1:
        half = 1 << ((size - 1).bit_length() - 1)
        left = index < half
        sides.append(left)
        index, size = (index, half) if left else (index - half, size - half)
    if index != 0 or len(way) != len(sides):
        return None
    for other, left in zip(way, reversed(sides), strict=True):
        leaf = _node(leaf, other) if left else _node(other, leaf)
    return leaf


def _document(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise Bad(f"{path.name} cannot be read: {error}") from None
    return found if isinstance(found, dict) else {}


def _line_with(path: Path, leaf: bytes, where: str) -> dict[str, Any]:
    """Return the line of a file whose leaf this is."""
    for data in path.read_bytes().splitlines():
        try:
            entry = json.loads(data)
        except ValueError:
            continue
        if isinstance(entry, dict) and _leaf(_own(entry)) == leaf:
            return entry
    raise Bad(f"{where}: {path.name} does not hold the line that was proved")


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


def _stated(
    directory: Path, files: Sequence[Path], registry: Path | None
) -> tuple[list[Checkpoint], list[ChainCheckpoint]]:
    own = directory / _CHECKPOINTS_FILE
    registry = registry or directory.parent / "registry.sqlite"
    found = [c for path in ([own] if own.exists() else []) for c in _of_file(path)]
    for path in files:
        found += _of_file(path)
    if registry.exists():
        found += _of_registry(registry)
    whole = [one for one in found if isinstance(one, Checkpoint)]
    return whole, [one for one in found if isinstance(one, ChainCheckpoint)]


def _of_file(path: Path) -> Iterator[Checkpoint | ChainCheckpoint]:
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
            if "chain" in entry:
                yield _chain_checkpoint(entry, where)
                continue
            yield Checkpoint(
                int(entry["size"]), entry["head"], int(entry["at"]), entry["signature"], where
            )
        except (ValueError, KeyError, TypeError):
            if number == len(lines):  # without its end: a crash tore it before it was of use
                return
            raise Bad(f"bad checkpoint in {where}: it cannot be read") from None


def _chain_checkpoint(entry: dict[str, Any], where: str) -> ChainCheckpoint:
    """Return a chain's checkpoint; raises KeyError, TypeError or ValueError."""
    numbers = [int(entry[name]) for name in ("chain", "first", "size")]
    if not 0 < numbers[1] <= numbers[2]:
        raise ValueError("it covers no record")
    return ChainCheckpoint(
        numbers[0],
        numbers[1],
        numbers[2],
        str(entry["head"]),
        str(entry["root"]),
        int(entry["at"]),
        str(entry["signature"]),
        where,
    )


def _of_registry(path: Path) -> list[Checkpoint | ChainCheckpoint]:
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
    signer = _given(signer)
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


def _check_signed(checkpoint: ChainCheckpoint, signer: Ed25519PublicKey | None) -> None:
    signer = _given(signer)
    try:
        signer.verify(base64.b64decode(checkpoint.signature, validate=True), checkpoint.statement)
    except (InvalidSignature, ValueError):
        raise Bad(
            f"bad checkpoint at record {checkpoint.size} of chain {checkpoint.chain} "
            f"({checkpoint.where}): it is not signed with the key {_fingerprint(signer)}"
        ) from None


def _given(signer: Ed25519PublicKey | None) -> Ed25519PublicKey:
    if signer is None:
        raise Bad(f"there are checkpoints but no key {_KEY_FILE}; give the one you keep by --key")
    return signer


def _needed(path: Path) -> Ed25519PublicKey:
    signer = _key(path)
    if signer is None:
        raise Bad(f"the key {path} is not there; give the one you keep by --key")
    return signer


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
