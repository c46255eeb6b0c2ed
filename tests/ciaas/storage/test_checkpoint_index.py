"""Which checkpoint covers an entry: found from the file of checkpoints alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ciaas.storage import checkpoints as module
from ciaas.storage.checkpoints import CheckpointIndex
from security.aaa.chain import Head
from security.aaa.checkpoints import Signer, written
from security.aaa.merkle import leaf

SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(b"k" * 32))


def add(source: Path, chain: int, first: int, size: int) -> None:
    leaves = [leaf(b"x")] * (size - first + 1)
    with source.open("ab") as file:
        file.write(written(SIGNER.sign(size, "0" * 64, 5)))
        file.write(written(SIGNER.sign_chain(chain, Head(size, "0" * 64), leaves, size)))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoints.jsonl"
    for first in range(1, 40, 4):
        add(path, 3, first, first + 3)
        add(path, 7, first, first + 3)
    return path


def test_the_one_whose_tree_has_it_is_found(tmp_path: Path, source: Path) -> None:
    index = CheckpointIndex(tmp_path / "checkpoints.sqlite", source)
    for number in range(1, 41):
        found = index.covering(3, number)
        assert found is not None
        assert found.chain == 3 and found.first <= number <= found.size
    assert index.covering(3, 41) is index.covering(4, 1) is None
    assert (index.covered(3), index.covered(4)) == (40, 0)
    add(source, 3, 41, 50)
    assert index.covered(3) == 50
    index.close()


def test_it_is_read_in_steps_and_made_anew_when_it_does_not_fit(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHECKPOINTS_READ_BYTES", 1_000)
    path = tmp_path / "checkpoints.sqlite"
    index = CheckpointIndex(path, source)
    assert index.covered(7) == 40
    index.close()
    source.write_bytes(b"".join(source.read_bytes().splitlines(keepends=True)[:4]))
    shorter = CheckpointIndex(path, source)
    assert shorter.covered(7) == 4
    shorter.close()
    path.write_bytes(b"no database")
    anew = CheckpointIndex(path, source)
    assert anew.covered(3) == 4
    anew.close()


def test_without_a_file_nothing_is_covered(tmp_path: Path) -> None:
    index = CheckpointIndex(tmp_path / "checkpoints.sqlite", tmp_path / "none.jsonl")
    assert (index.covered(0), index.covering(0, 1)) == (0, None)
    index.close()
