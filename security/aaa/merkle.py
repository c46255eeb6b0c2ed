"""A tree of digests over the entries of a checkpoint, and the proof that one of them is in it.

Source: RFC 9162, section 2.1: leaves and inner nodes are hashed with a byte of their own before
them, so that none can be taken for the other; a tree that is not full is split at the largest power
of two below its size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def leaf(entry: bytes) -> bytes:
    """Return the hash of an entry."""
    return hashlib.sha256(b"\0" + entry).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over hashes of entries, at least one."""
    if len(leaves) == 1:
        return leaves[0]
    half = _half(len(leaves))
    return _node(root(leaves[:half]), root(leaves[half:]))


def path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return what is hashed with a leaf on its way to the root, from the leaf on."""
    if len(leaves) == 1:
        return []
    half = _half(len(leaves))
    if index < half:
        return [*path(leaves[:half], index), root(leaves[half:])]
    return [*path(leaves[half:], index - half), root(leaves[:half])]


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def _half(size: int) -> int:
    return int(1 << ((size - 1).bit_length() - 1))
