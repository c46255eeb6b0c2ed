"""Sealed secrets open with the same key at the same place, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from security.encryption.keyring import KeyRing
from security.encryption.sealing import Sealing, SealingError

KEY = bytes(range(32))


def test_what_was_sealed_opens_at_its_place() -> None:
    text = Sealing(KEY).seal(b"secret \x00 bytes", "row 7")
    assert Sealing(KEY).open(text, "row 7") == b"secret \x00 bytes"
    assert "secret" not in text


def test_the_same_secret_is_never_sealed_alike() -> None:
    sealing = Sealing(KEY)
    assert sealing.seal(b"a", "x") != sealing.seal(b"a", "x")


@pytest.mark.parametrize("change", ["key", "place", "damage", "short", "no base64", "empty"])
def test_it_opens_with_nothing_else(change: str) -> None:
    text = Sealing(KEY).seal(b"secret", "row 7")
    sealing, place = Sealing(KEY), "row 7"
    match change:
        case "key":
            sealing = Sealing(bytes(32))
        case "place":
            place = "row 8"
        case "damage":
            text = text[:-6] + ("A" if text[-6] != "A" else "B") + text[-5:]
        case "short":
            text = text[:10]
        case "no base64":
            text = "v1.ä"
        case "empty":
            text = ""
    with pytest.raises(SealingError, match="key file"):
        sealing.open(text, place)


def test_it_shows_no_key() -> None:
    assert repr(Sealing(KEY)) == "<Sealing>"


def test_keys_for_two_purposes_differ_and_last_as_long_as_the_key_file(tmp_path: Path) -> None:
    keys = KeyRing.create(tmp_path / "keys.json")
    again = KeyRing.open(tmp_path / "keys.json")
    assert keys.derived("webhooks") == again.derived("webhooks")
    assert len(keys.derived("webhooks")) == 32
    assert keys.derived("webhooks") != keys.derived("adapters")
    assert keys.derived("webhooks") != KeyRing.create(tmp_path / "other.json").derived("webhooks")
