"""Two installations have nothing in common that opens one of them; nothing opens a fresh one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from borough.clock import MachineClock
from borough.home import Home
from borough.roles.first_start import first_steps
from borough.roles.up import open_authority
from borough.wiring import create_keys
from ciaas.storage.registry import migrate, open_registry
from security.aaa.accounts import Accounts
from security.aaa.errors import NotAuthenticated
from security.aaa.passwords import Passwords

COMMON = ("", "admin", "password", "borough", "cloudio", "root", "guest", "12345678", "changeme")
CLOCK = MachineClock()


@dataclass
class Fresh:
    """An installation right after its first start."""

    home: Home
    code: str
    accounts: Accounts

    def secrets(self) -> set[str]:
        """Return every secret text of its key file, and what its authorities are known by."""
        found: set[str] = set()

        def gather(part: object) -> None:
            if isinstance(part, dict):
                for value in part.values():
                    gather(value)
            elif isinstance(part, list):
                for value in part:
                    gather(value)
            elif isinstance(part, str) and len(part) >= 20:
                found.add(part)

        gather(json.loads(self.home.keys.read_text()))
        clients = (self.home.authority / "clients.pem").read_bytes()
        for certificate in x509.load_pem_x509_certificates(clients):
            found |= {str(certificate.serial_number), certificate.subject.rfc4514_string()}
        return found


@pytest.fixture
def started(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[list[Fresh]]:
    with ExitStack() as stack:
        yield [first_start(tmp_path / name, capsys, stack) for name in ("one", "other")]


def first_start(folder: Path, capsys: pytest.CaptureFixture[str], stack: ExitStack) -> Fresh:
    """Do what a first start does, but for the processes."""
    home = Home(folder)
    home.prepare()
    keys = create_keys(home)
    open_authority(home, keys)
    migrate(home.registry)
    registry = stack.enter_context(open_registry(home.registry, clock=CLOCK))
    cheap = Passwords(time_cost=1, memory_kib=8, lanes=1)
    accounts = Accounts(registry.accounts, CLOCK.now_ms, lambda: 0, cheap)
    first_steps(registry, accounts, "city", keys.cli)
    return Fresh(home, capsys.readouterr().out.strip().rpartition(": ")[2], accounts)


def test_two_first_starts_have_no_secret_in_common(started: list[Fresh]) -> None:
    one, other = started
    assert len(one.secrets()) >= 10
    assert not one.secrets() & other.secrets()
    assert one.code != other.code and len(one.code) >= 16


def test_no_name_and_password_opens_a_fresh_one(started: list[Fresh]) -> None:
    fresh, other = started
    assert all(user.password_hash is None for user in fresh.accounts.users())
    for number, word in enumerate(COMMON):
        with pytest.raises(NotAuthenticated):
            fresh.accounts.authenticate(word)
        for name in ("admin", "borough", *(user.name for user in fresh.accounts.users())):
            with pytest.raises(NotAuthenticated):
                fresh.accounts.sign_in(name, word, f"192.0.2.{number}")
    with pytest.raises(NotAuthenticated):
        fresh.accounts.set_up(other.code, "mallory", "a long and fine password")
    assert fresh.accounts.set_up(fresh.code, "anna", "a long and fine password")
