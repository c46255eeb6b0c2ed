"""Trees over entries, the proofs from them, masks of secrets, and outages."""

from __future__ import annotations

import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from borough.audit_verify import _climbed
from security.aaa.chain import EMPTY, Head, canonical, digest_of, lines_of, own_line
from security.aaa.checkpoints import ChainCheckpoint, Signer
from security.aaa.masking import Mask
from security.aaa.merkle import leaf, path, root
from security.aaa.outage import OUTAGE_TOLD_S, Outage
from security.aaa.proofs import NotProvable, proof_of, written
from security.limits import PROOF_BYTES_MAX

LEAVES = [
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Of the first 1, 2, … of them. Source: test vectors of Certificate Transparency's own log."""


@pytest.mark.parametrize("size", range(1, 9))
def test_trees_are_those_of_certificate_transparency(size: int) -> None:
    assert root([leaf(bytes.fromhex(text)) for text in LEAVES[:size]]).hex() == ROOTS[size - 1]


def test_every_leaf_of_every_tree_is_proved_and_no_other_place_is() -> None:
    for size in range(1, 35):
        leaves = [leaf(str(n).encode()) for n in range(size)]
        top = root(leaves)
        for index in range(size):
            way = path(leaves, index)
            assert _climbed(leaves[index], index, size, way) == top
            for other in {index - 1, index + 1, size, -1}:
                assert other == index or _climbed(leaves[index], other, size, way) != top
            if way:
                assert _climbed(leaves[index], index, size, way[:-1]) is None


def chain(count: int, text: str = "") -> list[tuple[int, bytes]]:
    own, lines = EMPTY, []
    for n in range(count):
        _, line = lines_of({"kind": "access", "text": text}, 1_000 + n, EMPTY, 3, own)
        own = Head(own.size + 1, digest_of(line))
        lines.append((own.size, line))
    return lines


def sealed(lines: list[tuple[int, bytes]]) -> ChainCheckpoint:
    signer = Signer(Ed25519PrivateKey.from_private_bytes(b"k" * 32))
    number, last = lines[-1]
    return signer.sign_chain(3, Head(number, digest_of(last)), [leaf(d) for _, d in lines], 5_000)


def test_a_proof_holds_its_entry_where_there_is_room() -> None:
    lines = chain(20)
    proof = proof_of(sealed(lines), 7, lines)
    assert proof["record"] == json.loads(lines[6][1])
    assert (proof["chain"], proof["cseq"], len(proof["path"])) == (3, 7, 5)
    long = chain(20, "x" * 3_000)
    short = proof_of(sealed(long), 7, long)
    assert "record" not in short
    assert len(written(proof)) <= PROOF_BYTES_MAX and len(written(short)) <= PROOF_BYTES_MAX


def test_a_proof_stays_small_in_a_tree_of_a_million() -> None:
    digest, number = hashlib.sha256(b"").hexdigest(), 2**53
    checkpoint = ChainCheckpoint(number, number, number, digest, digest, number, "A" * 88)
    proof = proof_of(checkpoint, number, [(number, b"{}")])
    proof.pop("record", None)
    proof["path"] = [digest] * 20
    assert len(written(proof)) <= PROOF_BYTES_MAX


def test_without_all_entries_there_is_no_proof() -> None:
    lines = chain(5)
    checkpoint = sealed(lines)
    with pytest.raises(NotProvable, match="records 1 to 5"):
        proof_of(checkpoint, 2, lines[1:])


def test_a_line_is_the_same_in_its_own_chain_wherever_it_stands() -> None:
    whole, own = lines_of({"a": 1}, 5, Head(7, "f" * 64), 3, Head(2, "e" * 64))
    assert own_line(json.loads(whole)) == own
    assert json.loads(whole) == json.loads(own) | {"seq": 8, "prev": "f" * 64}
    assert canonical(json.loads(whole)) + b"\n" == whole


def test_a_mask_is_the_same_for_the_same_secret_and_key() -> None:
    mask, other = Mask(b"a" * 32), Mask(b"b" * 32)
    assert mask("bor_secret") == mask("bor_secret")
    assert len({mask("bor_secret"), mask("bor_secreT"), other("bor_secret")}) == 3
    assert mask("x").startswith("hmac:") and "x" not in mask("x").removeprefix("hmac:")
    assert mask("\ud800")  # what no encoding knows is masked too


def test_an_outage_is_told_of_for_a_while_after_its_end() -> None:
    now = [0]
    outage = Outage(lambda: now[0])
    assert (outage.failing, outage.recent) == (False, False)
    outage.failed()
    assert (outage.failing, outage.recent) == (True, True)
    outage.ended()
    now[0] = round(OUTAGE_TOLD_S * 1_000) - 1
    assert (outage.failing, outage.recent) == (False, True)
    now[0] += 1
    assert (outage.failing, outage.recent) == (False, False)
