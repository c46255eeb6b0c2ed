"""Guessing is slow from where it comes, and never keeps the owner of an account out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ciaas.storage.registry import Registry
from security.aaa.accounts import Accounts
from security.aaa.errors import NotAuthenticated, Throttled
from security.aaa.known_devices import KnownDevices
from security.aaa.throttle import Attempt, SignInThrottle, network_of
from security.limits import (
    CODE_FAILURES_FREE,
    DEVICE_PROOF_CHARS_MAX,
    DEVICE_PROOF_LIFE_S,
    SIGN_IN_FAILURES_FREE,
    SOURCE_FAILURES_FREE,
)
from security.ports import User
from tests.security.aaa.moved_clock import MovedClock

ANNA = User(7, "anna", "hash", admin=False)
PASSWORD = "correct horse battery"


@pytest.fixture
def throttle(clock: MovedClock) -> SignInThrottle:
    return SignInThrottle(clock.now_ms)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["anna", "bert", "nobody"]),
            st.ip_addresses(v=4).map(str).filter(lambda address: address != "192.0.2.1"),
            st.integers(0, 100),
        ),
        max_size=200,
    )
)
def test_whatever_others_try_from_elsewhere_the_owner_comes_in_at_once(
    attempts: list[tuple[str, str, int]],
) -> None:
    clock = MovedClock()
    throttle = SignInThrottle(clock.now_ms)
    for name, source, repeats in attempts:
        for _ in range(repeats):
            try:
                throttle.attempt(Attempt(name, source))
            except Throttled:
                clock.advance(0.1)
    throttle.attempt(Attempt("anna", "192.0.2.1"))


def test_a_known_device_comes_in_from_the_very_address_that_is_kept_waiting(
    throttle: SignInThrottle,
) -> None:
    for _ in range(SIGN_IN_FAILURES_FREE):
        throttle.attempt(Attempt("anna", "192.0.2.1"))
    with pytest.raises(Throttled) as refused:
        throttle.attempt(Attempt("anna", "192.0.2.1"))
    assert refused.value.reason == "account and source"
    throttle.attempt(Attempt("anna", "192.0.2.1", "7.x"))


def test_a_stolen_proof_makes_guessing_no_faster(throttle: SignInThrottle) -> None:
    for number in range(SIGN_IN_FAILURES_FREE):
        throttle.attempt(Attempt("anna", f"192.0.2.{number}", "7.x"))
    with pytest.raises(Throttled, match="try again in 1 s"):
        throttle.attempt(Attempt("anna", "198.51.100.1", "7.x"))


def test_trying_one_password_on_many_names_is_slow_from_one_address(
    throttle: SignInThrottle, clock: MovedClock
) -> None:
    for number in range(SOURCE_FAILURES_FREE):
        throttle.attempt(Attempt(f"user{number}", "2001:db8::1"))
    for source in ("2001:db8::1", "2001:db8::2:3"):
        with pytest.raises(Throttled) as refused:
            throttle.attempt(Attempt("anna", source))
        assert refused.value.reason == "source"
    throttle.attempt(Attempt("anna", "2001:db8:0:1::1"))
    clock.advance(1)
    throttle.attempt(Attempt("anna", "2001:db8::1"))


def test_who_comes_in_takes_back_the_own_attempt_and_no_other(throttle: SignInThrottle) -> None:
    for number in range(SOURCE_FAILURES_FREE - 1):
        throttle.attempt(Attempt(f"user{number}", "192.0.2.1"))
    for _ in range(10):
        throttle.attempt(Attempt("mallory", "192.0.2.1"))
        throttle.succeed(Attempt("mallory", "192.0.2.1"))
    throttle.attempt(Attempt("anna", "192.0.2.1"))
    with pytest.raises(Throttled):
        throttle.attempt(Attempt("bert", "192.0.2.1"))


def test_codes_behind_a_right_password_are_counted_by_account(throttle: SignInThrottle) -> None:
    for number in range(CODE_FAILURES_FREE):
        throttle.attempt_code(Attempt("anna", f"192.0.2.{number}"))
    with pytest.raises(Throttled) as refused:
        throttle.attempt_code(Attempt("anna", "198.51.100.1"))
    assert refused.value.reason == "codes"
    throttle.attempt_code(Attempt("anna", "198.51.100.1", "7.x"))


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::/64"),
        ("", ""),
        ("no address", "no address"),
    ],
)
def test_an_address_is_counted_as_its_customer(address: str, network: str) -> None:
    assert network_of(address) == network


def test_a_proof_is_for_one_user_one_password_and_some_time(clock: MovedClock) -> None:
    devices = KnownDevices(b"k" * 32, clock.now_ms)
    proof = devices.proof(ANNA)
    assert (known := devices.recognise(proof, ANNA)) is not None and known.startswith("7.")
    assert devices.recognise(proof, replace(ANNA, id=8)) is None
    assert devices.recognise(proof, replace(ANNA, password_hash="another")) is None
    assert KnownDevices(b"x" * 32, clock.now_ms).recognise(proof, ANNA) is None
    assert devices.recognise(None, ANNA) is devices.recognise(proof, None) is None
    for wrong in ("", "a.b", "x" * (DEVICE_PROOF_CHARS_MAX + 1), proof[:-1], f"9{proof}", "é.1.ü"):
        assert devices.recognise(wrong, ANNA) is None
    clock.advance(DEVICE_PROOF_LIFE_S + 1)
    assert devices.recognise(proof, ANNA) is None


def test_no_two_proofs_share_a_count(clock: MovedClock) -> None:
    devices = KnownDevices(b"k" * 32, clock.now_ms)
    assert devices.recognise(devices.proof(ANNA), ANNA) != devices.recognise(
        devices.proof(ANNA), ANNA
    )


def test_a_known_device_signs_in_while_its_address_is_kept_waiting(
    new_accounts: Callable[[], Accounts], registry: Registry
) -> None:
    accounts = new_accounts()
    accounts.add_user("anna", PASSWORD)
    device = accounts.sign_in("anna", PASSWORD, "192.0.2.1").device
    assert accounts.knows("anna", device) and not accounts.knows("anna", "x")
    for _ in range(SIGN_IN_FAILURES_FREE):
        with pytest.raises(NotAuthenticated):
            accounts.sign_in("anna", "wrong, but long enough", "192.0.2.1")
    with pytest.raises(Throttled):
        accounts.sign_in("anna", PASSWORD, "192.0.2.1")
    assert accounts.sign_in("anna", PASSWORD, "192.0.2.1", device=device)
    assert accounts.sign_in("anna", PASSWORD, "192.0.2.2")
