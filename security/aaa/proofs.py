"""The proof that one entry of the record was signed for, small enough to be handed over."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from security.aaa.checkpoints import ChainCheckpoint
from security.aaa.merkle import leaf, path
from security.limits import PROOF_BYTES_MAX


class NotProvable(Exception):
    """The entries that the checkpoint speaks of are not all at hand; the message says why."""


def proof_of(
    checkpoint: ChainCheckpoint, number: int, lines: Sequence[tuple[int, bytes]]
) -> dict[str, Any]:
    """Return the proof that an entry is in the tree of a checkpoint.

    It holds the entry itself where the proof stays within PROOF_BYTES_MAX with it.

    Args:
        checkpoint: Which covers the entry.
        number: Of the entry in its chain.
        lines: All entries of the tree in order, each with its number, as the chain has them.

    Raises:
        NotProvable: some are missing.
    """
    wanted = range(checkpoint.first, checkpoint.size + 1)
    if [one for one, _ in lines] != list(wanted):
        raise NotProvable(
            f"records {checkpoint.first} to {checkpoint.size} are needed for it and not all are "
            "found; verify the record itself"
        )
    index = number - checkpoint.first
    leaves = [leaf(data) for _, data in lines]
    proof = {
        "chain": checkpoint.chain,
        "cseq": number,
        "leaf": leaves[index].hex(),
        "path": [one.hex() for one in path(leaves, index)],
        "checkpoint": asdict(checkpoint),
    }
    whole = proof | {"record": json.loads(lines[index][1])}
    return whole if len(written(whole)) <= PROOF_BYTES_MAX else proof


def written(proof: dict[str, Any]) -> bytes:
    """Return a proof as it is handed over."""
    return json.dumps(proof, sort_keys=True, separators=(",", ":")).encode()
