"""Codes of time and recovery codes: asked for, taken once, and sealed at rest."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from ciaas.storage.registry import Registry
from security.aaa.accounts import Accounts
from security.aaa.errors import (
    NotAuthenticated,
    NotPossible,
    SecondFactorMissing,
    SecondFactorNeeded,
    Throttled,
)
from security.aaa.passwords import Passwords
from security.aaa.totp import ADMINISTRATORS, SecondFactor
from security.encryption.keyring import KeyRing
from security.limits import (
    CODE_DRIFT_STEPS,
    CODE_FAILURES_FREE,
    CODE_STEP_S,
    RECOVERY_CODES,
    SIGN_IN_FAILURES_FREE,
)
from security.ports import User
from tests.security.aaa.moved_clock import MovedClock

PASSWORD = "correct horse battery"


@pytest.fixture
def reached() -> set[tuple[int, int]]:
    """User and project of those who may know something there."""
    return set()


@pytest.fixture
def factor(
    tmp_path: Path, registry: Registry, clock: MovedClock, reached: set[tuple[int, int]]
) -> SecondFactor:
    keys = KeyRing.create(tmp_path / "keys.json")
    seal = keys.envelope("second factors")
    return SecondFactor(
        registry.factors, seal, clock.now_ms, lambda user, project: (user, project) in reached
    )


@pytest.fixture
def accounts(
    registry: Registry, clock: MovedClock, passwords: Passwords, factor: SecondFactor
) -> Accounts:
    return Accounts(registry.accounts, clock.now_ms, registry.version, passwords, factor=factor)


@pytest.fixture
def anna(accounts: Accounts) -> User:
    return accounts.add_user("anna", PASSWORD)


@pytest.fixture
def code(factor: SecondFactor, anna: User, clock: MovedClock) -> Callable[[int], str]:
    """Anna's device, set up: the code so many steps from now."""
    secret = factor.enrol(anna).secret
    device = pyotp.TOTP(secret)
    factor.confirm(anna.id, device.at(clock.now_ms() // 1_000))
    clock.advance(10 * CODE_STEP_S)
    return lambda steps: device.at(clock.now_ms() // 1_000 + steps * CODE_STEP_S)


def test_the_address_of_the_secret_is_what_devices_read(factor: SecondFactor, anna: User) -> None:
    found = factor.enrol(anna)
    parts = urlsplit(found.uri)
    assert (parts.scheme, parts.netloc, parts.path) == ("otpauth", "totp", "/Borough:anna")
    assert parse_qs(parts.query) == {"secret": [found.secret], "issuer": ["Borough"]}


def test_it_counts_once_a_code_was_seen(
    factor: SecondFactor, accounts: Accounts, anna: User, clock: MovedClock
) -> None:
    secret = factor.enrol(anna).secret
    assert accounts.sign_in("anna", PASSWORD).amr == ("pwd",)
    with pytest.raises(SecondFactorNeeded):
        factor.confirm(anna.id, "000000")
    codes = factor.confirm(anna.id, pyotp.TOTP(secret).at(clock.now_ms() // 1_000))
    assert len(codes) == len(set(codes)) == RECOVERY_CODES
    with pytest.raises(NotPossible):
        factor.enrol(anna)
    with pytest.raises(NotPossible):
        factor.confirm(anna.id, "000000")


def test_signing_in_needs_the_code_too_and_says_so(
    accounts: Accounts, anna: User, code: Callable[[int], str]
) -> None:
    with pytest.raises(SecondFactorNeeded, match="code"):
        accounts.sign_in("anna", PASSWORD)
    with pytest.raises(NotAuthenticated, match="name or the password"):
        accounts.sign_in("anna", "wrong, but long enough", code=code(0))
    assert accounts.sign_in("anna", PASSWORD, code=code(0)).amr == ("pwd", "otp")


def test_a_code_is_taken_once_and_none_before_it(
    factor: SecondFactor, anna: User, code: Callable[[int], str]
) -> None:
    factor.check(anna.id, code(0))
    for steps in (0, -CODE_DRIFT_STEPS):
        with pytest.raises(SecondFactorNeeded):
            factor.check(anna.id, code(steps))
    factor.check(anna.id, code(CODE_DRIFT_STEPS))


def test_a_clock_may_be_a_step_off_and_no_more(
    factor: SecondFactor, anna: User, code: Callable[[int], str]
) -> None:
    for steps in (-CODE_DRIFT_STEPS - 1, CODE_DRIFT_STEPS + 1):
        with pytest.raises(SecondFactorNeeded):
            factor.check(anna.id, code(steps))
    for steps in range(-CODE_DRIFT_STEPS, CODE_DRIFT_STEPS + 1):
        factor.check(anna.id, code(steps))


def test_a_recovery_code_works_once(
    factor: SecondFactor, accounts: Accounts, anna: User, code: Callable[[int], str]
) -> None:
    first, *others = factor.renew_recovery_codes(anna.id)
    assert accounts.sign_in("anna", PASSWORD, code=first.lower().replace("-", " "))
    with pytest.raises(SecondFactorNeeded):
        accounts.sign_in("anna", PASSWORD, code=first)
    assert factor.recovery_codes(anna.id) == RECOVERY_CODES - 1
    factor.renew_recovery_codes(anna.id)
    with pytest.raises(SecondFactorNeeded):
        accounts.sign_in("anna", PASSWORD, code=others[0])


def test_guessing_codes_is_slow_wherever_it_comes_from(
    accounts: Accounts, anna: User, code: Callable[[int], str]
) -> None:
    known = accounts.sign_in("anna", PASSWORD, code=code(0)).device
    for number in range(CODE_FAILURES_FREE):
        with pytest.raises(SecondFactorNeeded):
            accounts.sign_in("anna", PASSWORD, f"192.0.2.{number}", code="abc")
    with pytest.raises(Throttled):
        accounts.sign_in("anna", PASSWORD, "198.51.100.9", code=code(1))
    assert accounts.sign_in("anna", PASSWORD, "198.51.100.9", code=code(1), device=known)


def test_who_must_have_one_gets_a_token_for_setting_it_up_alone(
    accounts: Accounts, factor: SecondFactor, anna: User, reached: set[tuple[int, int]]
) -> None:
    factor.demand("project:3", asked=True)
    factor.demand(ADMINISTRATORS, asked=True)
    assert accounts.sign_in("anna", PASSWORD).token.scopes
    reached.add((anna.id, 3))
    with pytest.raises(SecondFactorMissing, match="second factor"):
        accounts.sign_in("anna", PASSWORD)
    assert accounts.sign_in("anna", PASSWORD, enrolling=True).token.scopes == frozenset()
    factor.demand("project:3", asked=False)
    assert accounts.sign_in("anna", PASSWORD).token.scopes
    accounts.add_user("root-of-all", PASSWORD, admin=True)
    with pytest.raises(SecondFactorMissing):
        accounts.sign_in("root-of-all", PASSWORD)


def test_removed_it_is_asked_for_no_more(
    accounts: Accounts, factor: SecondFactor, anna: User, code: Callable[[int], str]
) -> None:
    assert factor.remove(anna.id) and not factor.remove(anna.id)
    assert factor.recovery_codes(anna.id) == 0
    assert accounts.sign_in("anna", PASSWORD).amr == ("pwd",)
    with pytest.raises(NotPossible):
        factor.renew_recovery_codes(anna.id)
    with pytest.raises(SecondFactorNeeded):
        factor.check(anna.id, code(0))


def test_proving_oneself_again_is_slowed_down_too(
    accounts: Accounts, anna: User, code: Callable[[int], str]
) -> None:
    with pytest.raises(SecondFactorNeeded):
        accounts.prove(anna.id, PASSWORD, "192.0.2.1")
    accounts.prove(anna.id, PASSWORD, "192.0.2.1", code(0))
    for _ in range(SIGN_IN_FAILURES_FREE):
        with pytest.raises(NotAuthenticated):
            accounts.prove(anna.id, "wrong, but long enough", "192.0.2.1")
    with pytest.raises(Throttled):
        accounts.prove(anna.id, PASSWORD, "192.0.2.1", code(1))


def test_addresses_of_one_network_prove_a_password_as_one(accounts: Accounts, anna: User) -> None:
    for last in range(SIGN_IN_FAILURES_FREE):
        with pytest.raises(NotAuthenticated):
            accounts.prove(anna.id, "wrong, but long enough", f"2001:db8::{last:x}")
    with pytest.raises(Throttled):
        accounts.prove(anna.id, "wrong, but long enough", "2001:db8::ffff")


def test_neither_secret_nor_codes_lie_in_clear(
    tmp_path: Path, factor: SecondFactor, anna: User, clock: MovedClock
) -> None:
    secret = factor.enrol(anna).secret
    codes = factor.confirm(anna.id, pyotp.TOTP(secret).at(clock.now_ms() // 1_000))
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert len(files) > 1_000
    for text in (secret, *codes, *(code.replace("-", "") for code in codes)):
        assert os.fsencode(text) not in files
