"""A record of a version before there were chains of projects: it stays as it is, and provable."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from borough.audit_verify import Bad, verify
from borough.roles.sealing import Sealing
from ciaas.storage.accesses import AccessIndex
from ciaas.storage.record import RecordFile
from ciaas.storage.registry import migrate, open_registry
from security.aaa.accesses import Asked
from security.aaa.chain import GENESIS, canonical, digest_of
from security.aaa.checkpoints import Signer

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
OLD = 6


def old_record(audit: Path) -> list[bytes]:
    """Write what the earlier version wrote: lines with ``seq`` and ``prev``, and a checkpoint."""
    audit.mkdir()
    previous, lines = GENESIS, list[bytes]()
    for seq in range(1, OLD + 1):
        entry = {"kind": "access", "who": "anna", "at": 1_000 + seq, "seq": seq, "prev": previous}
        lines.append(canonical(entry) + b"\n")
        previous = digest_of(lines[-1])
    (audit / "record-000000000001.jsonl").write_bytes(b"".join(lines))
    statement = f"borough record\n{OLD}\n{previous}\n9\n".encode()
    checkpoint = {
        "at": 9,
        "head": previous,
        "signature": base64.b64encode(KEY.sign(statement)).decode(),
        "size": OLD,
    }
    (audit / "checkpoints.jsonl").write_text(json.dumps(checkpoint) + "\n")
    (audit / "checkpoint.pub").write_bytes(Signer(KEY).public_pem)
    return lines


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    """An old record that the present version has gone on with, over two starts."""
    audit = tmp_path / "audit"
    old_record(audit)
    migrate(tmp_path / "registry.sqlite")
    for start in range(2):
        with (
            open_registry(tmp_path / "registry.sqlite") as registry,
            RecordFile(audit, lambda: 2_000) as record,
        ):
            sealing = Sealing(record, Signer(KEY), registry.checkpoints, audit, lambda: 2_500)
            for chain in (0, 4, 4):
                record.append({"kind": "access", "who": f"start-{start}", "chain": chain})
            sealing.look(last=True)
    return audit


def test_it_goes_on_and_all_of_it_is_in_order(audit: Path) -> None:
    assert verify(audit, (), None, None).startswith(f"in order: {OLD + 6} records")
    lines = (audit / "record-000000000001.jsonl").read_bytes().splitlines()
    assert b"".join(line + b"\n" for line in lines[:OLD]) == b"".join(
        old_record(audit.parent / "again")
    )
    numbers = [(entry["chain"], entry["cseq"]) for entry in map(json.loads, lines[OLD:])]
    assert numbers == [(0, 1), (4, 1), (4, 2), (0, 2), (4, 3), (4, 4)]


@pytest.mark.parametrize("line", range(OLD + 6))
def test_a_change_of_an_old_or_a_new_line_is_named(audit: Path, line: int) -> None:
    path = audit / "record-000000000001.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[line] = lines[line].replace(b'"kind":"access"', b'"kind":"accesT"')
    path.write_bytes(b"".join(lines))
    with pytest.raises(Bad) as bad:
        verify(audit, (), None, None)
    found = re.search(r"bad record (\d+)", str(bad.value))
    assert found and int(found[1]) == line + 1


def test_old_lines_are_found_as_before(audit: Path, tmp_path: Path) -> None:
    with RecordFile(audit, lambda: 3_000) as record:
        index = AccessIndex(tmp_path / "accesses.sqlite", record)
        assert len(index.find(Asked(100, subject="anna"))) == OLD
        index.close()


def test_without_what_was_kept_beside_it_the_chains_go_on_right(audit: Path) -> None:
    for damage in (b"", b"{", b'{"position":[99,1,5],"whole":[99,"x"],"heads":[]}'):
        (audit / "chains.json").write_bytes(damage)
        with RecordFile(audit, lambda: 4_000) as record:
            record.append({"chain": 4})
    (audit / "chains.json").unlink()
    with RecordFile(audit, lambda: 4_000) as record:
        record.append({"chain": 4})
    assert verify(audit, (), None, None).startswith("in order")
