"""Sealed secrets open with the same ring at the same place, and nowhere else."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from security.encryption.envelope import Envelope, SealingError, version_of
from security.encryption.keyring import KeyRing


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing.create(tmp_path / "keys.json")


@pytest.fixture
def envelope(ring: KeyRing) -> Envelope:
    return ring.envelope("webhooks")


def of_the_first_release(ring: KeyRing, secret: bytes, place: str) -> str:
    """Return a text as releases before versions sealed it."""
    nonce = bytes(12)
    sealed = AESGCM(ring.derived("webhooks")).encrypt(nonce, secret, place.encode())
    return "v1." + base64.urlsafe_b64encode(nonce + sealed).decode()


def test_what_was_sealed_opens_at_its_place(ring: KeyRing, envelope: Envelope) -> None:
    text = envelope.seal(b"secret \x00 bytes", "row 7")
    assert ring.envelope("webhooks").open(text, "row 7") == b"secret \x00 bytes"
    assert "secret" not in text and version_of(text) == 1


def test_the_same_secret_is_never_sealed_alike(envelope: Envelope) -> None:
    one, other = envelope.seal(b"a", "x"), envelope.seal(b"a", "x")
    assert not set(one.split(".")[2:]) & set(other.split(".")[2:])


@pytest.mark.parametrize(
    "change",
    ["ring", "purpose", "place", "wrapped", "body", "swapped", "short", "version", "no form",
     "no base64", "long number", "empty"],
)  # fmt: skip
def test_it_opens_with_nothing_else(
    ring: KeyRing, envelope: Envelope, tmp_path: Path, change: str
) -> None:
    text, place = envelope.seal(b"secret", "row 7"), "row 7"
    form, version, wrapped, body = text.split(".")
    match change:
        case "ring":
            envelope = KeyRing.create(tmp_path / "other.json").envelope("webhooks")
        case "purpose":
            envelope = ring.envelope("adapter secrets")
        case "place":
            place = "row 8"
        case "wrapped":
            text = ".".join((form, version, damaged(wrapped), body))
        case "body":
            text = ".".join((form, version, wrapped, damaged(body)))
        case "swapped":
            other = envelope.seal(b"other", "row 7").split(".")
            text = ".".join((form, version, wrapped, other[3]))
        case "short":
            text = ".".join((form, version, wrapped[:8], body))
        case "version":
            ring.rotate()
            text = ".".join((form, "2", wrapped, body))
        case "no form":
            text = "v3." + text.removeprefix("v2.")
        case "no base64":
            text = ".".join((form, version, "ä", body))
        case "long number":
            text = ".".join((form, "9" * 5_000, wrapped, body))
        case "empty":
            text = ""
    with pytest.raises(SealingError, match="key file"):
        envelope.open(text, place)


def damaged(letters: str) -> str:
    return letters[:20] + ("A" if letters[20] != "A" else "B") + letters[21:]


def test_a_version_that_the_ring_has_not_is_named(envelope: Envelope) -> None:
    text = envelope.seal(b"secret", "1").replace("v2.1.", "v2.9.", 1)
    with pytest.raises(SealingError, match="version 9 of the key ring, which the key file does"):
        envelope.open(text, "1")


def test_a_text_of_the_first_release_opens_and_is_rewrapped_into_this_form(
    ring: KeyRing, envelope: Envelope
) -> None:
    text = of_the_first_release(ring, b"secret", "1")
    assert version_of(text) == 0
    assert envelope.open(text, "1") == b"secret"
    fresh = envelope.rewrapped(text, "1")
    assert fresh is not None and version_of(fresh) == 1
    assert envelope.open(fresh, "1") == b"secret"
    with pytest.raises(SealingError):
        envelope.open(text, "2")
    with pytest.raises(SealingError):
        envelope.rewrapped(text, "2")


def test_a_rewrap_leaves_the_body_alone_and_what_is_current_already(
    ring: KeyRing, envelope: Envelope
) -> None:
    text = envelope.seal(b"secret", "1")
    assert envelope.rewrapped(text, "1") is None
    ring.rotate()
    fresh = envelope.rewrapped(text, "1")
    assert fresh is not None and version_of(fresh) == 2
    assert fresh.split(".")[3] == text.split(".")[3] and fresh.split(".")[2] != text.split(".")[2]
    ring.forget(1)
    assert envelope.open(fresh, "1") == b"secret"


@pytest.mark.parametrize("place", ["1", "2"])
def test_a_rewrap_tells_of_what_does_not_open(
    ring: KeyRing, envelope: Envelope, place: str
) -> None:
    text = envelope.seal(b"secret", "1")
    ring.rotate()
    form, version, wrapped, body = text.split(".")
    if place == "1":
        text = ".".join((form, version, wrapped, damaged(body)))
    with pytest.raises(SealingError, match="does not open"):
        envelope.rewrapped(text, place)


def test_it_shows_no_key(envelope: Envelope) -> None:
    assert repr(envelope) == "<Envelope webhooks>"
