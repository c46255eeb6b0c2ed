"""A ring opens by what it was locked with, and by nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from security.encryption.keyring import KeyRing, KeyRingError
from security.encryption.unlocking import Cost, Method, Unlock, UnlockingError
from security.limits import PASSPHRASE_CHARS_MAX, PASSPHRASE_CHARS_MIN

PASSPHRASE = "a passphrase that only tests use"
CHEAP = Cost(8, 1, 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.mark.parametrize("method", [Method.PASSPHRASE, Method.ENVIRONMENT])
def test_a_locked_ring_opens_by_its_passphrase_alone(path: Path, method: Method) -> None:
    ring = KeyRing.create(path)
    text = ring.envelope("webhooks").seal(b"secret", "1")
    ring.lock_with(Unlock.by_passphrase(method, CHEAP), PASSPHRASE)
    assert (
        PASSPHRASE not in path.read_text() and "key" not in json.loads(path.read_text())["unlock"]
    )
    opened = KeyRing.open(path, lambda unlock: unlock.key_of(PASSPHRASE))
    assert opened.method is method and opened.cli == ring.cli
    assert opened.envelope("webhooks").open(text, "1") == b"secret"
    wrong = PASSPHRASE + "!"
    with pytest.raises(
        KeyRingError, match=r"not the passphrase that opens .*; try again"
    ) as refused:
        KeyRing.open(path, lambda unlock: unlock.key_of(wrong))
    assert wrong not in str(refused.value)
    with pytest.raises(KeyRingError, match=f"opens by {method}, and nobody gave it"):
        KeyRing.open(path)


def test_a_child_opens_it_with_the_key_and_learns_of_rotations(path: Path) -> None:
    watch = KeyRing.create(path)
    watch.lock_with(Unlock.by_passphrase(Method.PASSPHRASE, CHEAP), PASSPHRASE)
    core, field = (KeyRing.open(path, lambda _: watch.unlock_key) for _ in range(2))
    core.rotate()
    text = core.envelope("webhooks").seal(b"secret", "1")
    assert field.envelope("webhooks").open(text, "1") == b"secret"


def test_changing_the_method_back_leaves_nothing_of_the_passphrase(path: Path) -> None:
    ring = KeyRing.create(path)
    ring.lock_with(Unlock.by_passphrase(Method.PASSPHRASE, CHEAP), PASSPHRASE)
    ring.lock_with(Unlock.by_file())
    assert KeyRing.open(path).method is Method.FILE
    assert "salt" not in json.loads(path.read_text())["unlock"]


def test_two_salts_give_two_keys() -> None:
    one, other = (Unlock.by_passphrase(Method.PASSPHRASE, CHEAP) for _ in range(2))
    assert one.key_of(PASSPHRASE) != other.key_of(PASSPHRASE)
    assert one.key_of(PASSPHRASE) == one.key_of(PASSPHRASE)
    assert len(one.key_of(PASSPHRASE)) == 32


@pytest.mark.parametrize(
    ("passphrase", "told"),
    [
        ("x" * (PASSPHRASE_CHARS_MIN - 1), "12 to 256 characters"),
        ("x" * (PASSPHRASE_CHARS_MAX + 1), "12 to 256 characters"),
        ("two lines\nof passphrase", "one line of printable"),
    ],
)
def test_what_can_be_no_passphrase_is_refused(path: Path, passphrase: str, told: str) -> None:
    ring = KeyRing.create(path)
    before = path.read_bytes()
    with pytest.raises(UnlockingError, match=told):
        ring.lock_with(Unlock.by_passphrase(Method.PASSPHRASE, CHEAP), passphrase)
    assert path.read_bytes() == before


@pytest.mark.parametrize("salt", ["", "!", "AAAA"])
def test_a_file_that_does_not_say_how_the_passphrase_is_used_is_refused(
    path: Path, salt: str
) -> None:
    ring = KeyRing.create(path)
    ring.lock_with(Unlock.by_passphrase(Method.PASSPHRASE, CHEAP), PASSPHRASE)
    document = json.loads(path.read_text())
    document["unlock"]["salt"] = salt
    path.write_text(json.dumps(document))
    with pytest.raises(KeyRingError, match="does not say how its passphrase is used"):
        KeyRing.open(path, lambda unlock: unlock.key_of(PASSPHRASE))
