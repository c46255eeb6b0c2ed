"""Passwords: rules, one form per text, bounded work."""

from __future__ import annotations

import threading

import pytest

from security.aaa.errors import RuleBroken, Throttled
from security.aaa.passwords import Passwords
from security.limits import (
    PASSWORD_CHARS_MAX,
    PASSWORD_CHARS_MIN,
    PASSWORD_HASHES_AT_ONCE,
    PASSWORD_HASHES_RESERVED,
)


@pytest.mark.parametrize("length", [PASSWORD_CHARS_MIN, PASSWORD_CHARS_MAX])
def test_lengths_within_the_rule(passwords: Passwords, length: int) -> None:
    stored = passwords.hash("ü" * length)
    assert passwords.verify(stored, "ü" * length)
    assert not passwords.verify(stored, "ü" * length + "x")
    assert not passwords.verify(stored, "ü" * (length - 1))


@pytest.mark.parametrize(
    "password",
    ["", "x" * (PASSWORD_CHARS_MIN - 1), "x" * (PASSWORD_CHARS_MAX + 1), "\ud800" * 20],
)
def test_beyond_the_rule(passwords: Passwords, password: str) -> None:
    with pytest.raises(RuleBroken, match="12 to 128 characters"):
        passwords.hash(password)


def test_keyboards_that_encode_differently_type_the_same_password(passwords: Passwords) -> None:
    assert passwords.verify(passwords.hash("sch\u00f6nes Wetter"), "scho\u0308nes Wetter")


def test_the_same_password_never_gives_the_same_hash(passwords: Passwords) -> None:
    assert passwords.hash("correct horse battery") != passwords.hash("correct horse battery")


@pytest.mark.parametrize("stored", [None, "", "plain text", "$argon2id$broken"])
def test_no_stored_hash_fits_no_password(passwords: Passwords, stored: str | None) -> None:
    assert not passwords.verify(stored, "")
    assert not passwords.verify(stored, "correct horse battery")


def test_hashes_of_other_costs_are_outdated(passwords: Passwords) -> None:
    stored = Passwords(time_cost=2, memory_kib=8, lanes=1).hash("correct horse battery")
    assert passwords.is_outdated(stored)
    assert not passwords.is_outdated(passwords.hash("correct horse battery"))


def test_more_at_once_than_the_bound_are_turned_away() -> None:
    slow = Passwords(time_cost=400, memory_kib=1_024, lanes=1, wait_s=0)
    begun = threading.Barrier(PASSWORD_HASHES_AT_ONCE + 1)
    turned_away = threading.Event()

    def hash_until_somebody_is_turned_away() -> None:
        begun.wait()
        while not turned_away.is_set():
            try:
                slow.hash("correct horse battery")
            except Throttled as refused:
                assert refused.retry_after_s == 1
                turned_away.set()

    threads = [
        threading.Thread(target=hash_until_somebody_is_turned_away)
        for _ in range(PASSWORD_HASHES_AT_ONCE + 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert turned_away.is_set()
    assert slow.verify(slow.hash("correct horse battery"), "correct horse battery")


def test_known_devices_have_a_place_that_strangers_cannot_take() -> None:
    passwords = Passwords(time_cost=1, memory_kib=8, lanes=1, wait_s=0.05)
    stored = passwords.hash("correct horse battery")
    taken = [passwords._places.acquire(blocking=False) for _ in range(PASSWORD_HASHES_AT_ONCE)]
    assert taken == [True] * PASSWORD_HASHES_AT_ONCE
    with pytest.raises(Throttled):
        passwords.verify(stored, "correct horse battery")
    assert passwords.verify(stored, "correct horse battery", known=True)
    reserved = [passwords._reserved.acquire(blocking=False) for _ in range(2)]
    assert reserved.count(True) == PASSWORD_HASHES_RESERVED
