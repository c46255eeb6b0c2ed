"""The verifier against everything that can be done to a record by who has the disk."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from borough import audit_verify
from borough.audit_verify import Bad, verify
from borough.roles.sealing import CHECKPOINTS_FILE, FILE_ENTRIES, Sealing
from ciaas.storage import record as record_module
from ciaas.storage.record import RecordFile
from ciaas.storage.registry import migrate, open_registry
from security.aaa.chain import Head, canonical, digest_of, own_line
from security.aaa.checkpoints import Signer

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
ENTRIES = 12
LINES_PER_FILE = 5
CHAINS = (0, 3, 3, 7)
"""Of the entries, in turn: the platform's and those of two projects."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record over several files with checkpoints in both places."""
    home = tmp_path_factory.mktemp("home")
    migrate(home / "registry.sqlite")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(record_module, "RECORD_FILE_BYTES_MAX", 230 * LINES_PER_FILE)
        with (
            open_registry(home / "registry.sqlite") as registry,
            RecordFile(home / "audit", lambda: 1_000) as record,
        ):
            sealing = Sealing(record, Signer(KEY), registry.checkpoints, home / "audit", lambda: 5)
            sealing.begin()
            for number in range(ENTRIES):
                record.append({"kind": "access", "n": 100 + number, "chain": CHAINS[number % 4]})
                if number in (3, 7):
                    sealing.look(last=True)
            sealing.look()
    assert len(list((home / "audit").glob("record-*"))) > 2
    return home


def copied(home: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(home, to)
    return to / "audit"


def lines_of(audit: Path) -> list[bytes]:
    return [
        line
        for path in sorted(audit.glob("record-*"))
        for line in path.read_bytes().splitlines(keepends=True)
    ]


def write(audit: Path, lines: list[bytes]) -> None:
    """Write lines back as one file each LINES_PER_FILE, named as the platform names them."""
    for path in audit.glob("record-*"):
        path.unlink()
    for first in range(0, len(lines), LINES_PER_FILE):
        path = audit / f"record-{first + 1:012d}.jsonl"
        path.write_bytes(b"".join(lines[first : first + LINES_PER_FILE]))


def first_bad(audit: Path) -> int:
    """Return the record that the verifier names."""
    with pytest.raises(Bad) as bad:
        verify(audit, (), None, None)
    found = re.search(r"bad (?:record|checkpoint at record) (\d+)", str(bad.value))
    assert found, bad.value
    return int(found[1])


def test_an_untouched_record_is_in_order(home: Path) -> None:
    told = verify(home / "audit", (), None, None)
    assert told.startswith(f"in order: {ENTRIES} records")
    assert told.endswith(f"the newest covers {ENTRIES} records")


numbers = st.integers(0, ENTRIES - 1)


@st.composite
def tamperings(draw: st.DrawFn) -> tuple[str, Callable[[list[bytes]], list[bytes]], int]:
    """What is done, how, and which record is the first bad one."""
    kind = draw(st.sampled_from(["flip", "delete", "insert", "repeat", "swap", "truncate"]))
    at = draw(numbers)
    if kind == "flip":
        where, bit = draw(st.integers(0, 10_000)), draw(st.integers(0, 7))

        def flip(lines: list[bytes]) -> list[bytes]:
            line = bytearray(lines[at])
            line[where % (len(line) - 1)] ^= 1 << bit
            return [*lines[:at], bytes(line), *lines[at + 1 :]]

        return kind, flip, at + 1
    if kind == "insert":

        def insert(lines: list[bytes]) -> list[bytes]:
            forged = canonical(json.loads(lines[at]) | {"n": 999}) + b"\n"
            return [*lines[:at], forged, *lines[at:]]

        return kind, insert, at + 1
    if kind == "swap":
        other = draw(numbers.filter(lambda number: number != at))
        low, high = sorted((at, other))

        def swap(lines: list[bytes]) -> list[bytes]:
            lines = list(lines)
            lines[low], lines[high] = lines[high], lines[low]
            return lines

        return kind, swap, low + 1
    simple: dict[str, tuple[Callable[[list[bytes]], list[bytes]], int]] = {
        "delete": (lambda lines: lines[:at] + lines[at + 1 :], at + 1),
        "repeat": (lambda lines: [*lines[: at + 1], *lines[at:]], at + 2),
        "truncate": (lambda lines: lines[:at], at + 1),
    }
    return kind, *simple[kind]


@given(tamperings())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_the_first_bad_record_is_named(
    home: Path,
    tmp_path: Path,
    tampering: tuple[str, Callable[[list[bytes]], list[bytes]], int],
) -> None:
    kind, tamper, expected = tampering
    audit = copied(home, tmp_path / "home")
    write(audit, tamper(lines_of(audit)))
    found = first_bad(audit)
    # A line end that was flipped joins two lines; a flip in a link is told from one in the line
    # before by the line behind, which the last record does not have.
    assert found == expected or (kind == "flip" and expected == ENTRIES and found == expected - 1)


def test_a_record_cut_within_a_line_is_named(home: Path, tmp_path: Path) -> None:
    audit = copied(home, tmp_path / "home")
    lines = lines_of(audit)
    write(audit, [*lines[:8], lines[8][:-7]])
    assert first_bad(audit) == 9


def test_a_record_written_anew_from_some_entry_on_is_named_by_the_next_checkpoint(
    home: Path, tmp_path: Path
) -> None:
    audit = copied(home, tmp_path / "home")
    lines = lines_of(audit)
    previous, heads = json.loads(lines[5])["prev"], dict[int, Head]()
    for number in range(5):
        entry = json.loads(lines[number])
        heads[entry["chain"]] = Head(entry["cseq"], digest_of(own_line(entry)))
    for number in range(5, ENTRIES):
        entry = json.loads(lines[number])
        head = heads.get(entry["chain"], Head(0, "0" * 64))
        forged = entry | {"n": 0, "prev": previous, "link": head.digest}
        lines[number] = canonical(forged) + b"\n"
        previous = digest_of(lines[number])
        heads[entry["chain"]] = Head(entry["cseq"], digest_of(own_line(forged)))
    write(audit, lines)
    # The checkpoints at 8 speak of three chains; the first of their last records is the 6th or
    # later, and only what they were signed for tells that it was written anew.
    assert 6 <= first_bad(audit) <= 8


def test_the_second_place_tells_what_the_file_of_checkpoints_no_longer_says(
    home: Path, tmp_path: Path
) -> None:
    audit = copied(home, tmp_path / "home")
    write(audit, lines_of(audit)[:-1])
    (audit / CHECKPOINTS_FILE).unlink()
    assert first_bad(audit) == ENTRIES


def test_checkpoints_kept_elsewhere_tell_what_both_places_no_longer_say(
    home: Path, tmp_path: Path
) -> None:
    audit = copied(home, tmp_path / "home")
    kept = tmp_path / "kept.jsonl"
    kept.write_bytes((audit / CHECKPOINTS_FILE).read_bytes())
    write(audit, lines_of(audit)[:2])
    (audit / CHECKPOINTS_FILE).unlink()
    (audit.parent / "registry.sqlite").unlink()
    assert verify(audit, (), None, None).endswith("no checkpoint says how long the record was")
    with pytest.raises(Bad, match="bad record 3: missing"):
        verify(audit, (kept,), None, None)


def test_a_checkpoint_of_another_key_is_bad(home: Path, tmp_path: Path) -> None:
    audit = copied(home, tmp_path / "home")
    forged = Signer(Ed25519PrivateKey.generate())
    (tmp_path / "kept.pub").write_bytes(Signer(KEY).public_pem)
    (audit / "checkpoint.pub").write_bytes(forged.public_pem)
    with pytest.raises(Bad, match="is not signed with the key"):
        verify(audit, (), None, None)
    assert verify(home / "audit", (), None, tmp_path / "kept.pub").startswith("in order")
    (audit / "checkpoint.pub").unlink()
    with pytest.raises(Bad, match="no key"):
        verify(audit, (), None, None)


def test_old_lines_are_held_by_the_seal(tmp_path: Path) -> None:
    audit = tmp_path / "audit"
    audit.mkdir()
    path = audit / "record-000000000001.jsonl"
    path.write_bytes(b'{"at":1,"n":1,"seq":1}\n{"at":2,"n":2,"seq":2}\n')
    with RecordFile(audit, lambda: 3) as record:
        record.append({"n": 3})
    assert verify(audit, (), None, None).startswith("in order: 4 records")
    path.write_bytes(path.read_bytes().replace(b'"n":1', b'"n":7', 1))
    with pytest.raises(Bad, match=r"bad record 3 .* not those that were sealed"):
        verify(audit, (), None, None)


def test_the_file_of_checkpoints_goes_on_behind_a_torn_line(home: Path, tmp_path: Path) -> None:
    audit = copied(home, tmp_path / "home")
    with (audit / CHECKPOINTS_FILE).open("ab") as file:
        file.write(b'{"at":5,"he')
    with (
        open_registry(tmp_path / "home" / "registry.sqlite") as registry,
        RecordFile(audit, lambda: 1_000) as record,
    ):
        sealing = Sealing(record, Signer(KEY), registry.checkpoints, audit, lambda: 5)
        assert verify(audit, (), None, None).startswith("in order")
        record.append_all([{"n": n} for n in range(FILE_ENTRIES)])
        sealing.look()
    stated = [json.loads(line) for line in (audit / CHECKPOINTS_FILE).read_bytes().splitlines()]
    whole = [checkpoint["size"] for checkpoint in stated if "chain" not in checkpoint]
    assert whole == [4, 8, ENTRIES + FILE_ENTRIES]
    assert verify(audit, (), None, None).startswith("in order")


def test_the_registry_keeps_the_newest_checkpoints_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ciaas.storage.registry.security import checkpoints as module

    monkeypatch.setattr(module, "CHECKPOINTS_KEPT", 3)
    migrate(tmp_path / "registry.sqlite")
    with open_registry(tmp_path / "registry.sqlite") as registry:
        version = registry.version()
        for size in range(1, 6):
            registry.checkpoints.put_checkpoint(Signer(KEY).sign(size, "0" * 64, size))
        assert [c.size for c in registry.checkpoints.checkpoints()] == [3, 4, 5]
        assert registry.version() == version


def test_the_program_imports_nothing_of_ours() -> None:
    source = Path(audit_verify.__file__).read_text()
    roots = {
        ((node.module or "") if isinstance(node, ast.ImportFrom) else alias.name).split(".")[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert roots <= sys.stdlib_module_names | {"cryptography"}


@pytest.mark.parametrize("damaged", [False, True])
def test_it_runs_by_itself_and_its_last_line_and_exit_code_say_it(
    home: Path, tmp_path: Path, damaged: bool
) -> None:
    audit = copied(home, tmp_path / "home")
    if damaged:
        write(audit, lines_of(audit)[:-1])
    program = tmp_path / "verify.py"
    shutil.copy(audit_verify.__file__, program)
    done = subprocess.run(
        [sys.executable, "-I", str(program), str(audit)], capture_output=True, text=True
    )
    last = done.stdout.splitlines()[-1]
    if damaged:
        assert (done.returncode, f"bad record {ENTRIES}" in last) == (1, True)
    else:
        assert (done.returncode, last.startswith("in order")) == (0, True)
