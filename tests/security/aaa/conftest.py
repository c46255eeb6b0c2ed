"""Accounts over the real registry, with passwords that cost next to nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ciaas.storage.registry import Registry, migrate, open_registry
from security.aaa.accounts import Accounts
from security.aaa.passwords import Passwords
from tests.security.aaa.moved_clock import MovedClock


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def registry(tmp_path: Path, clock: MovedClock) -> Iterator[Registry]:
    path = tmp_path / "registry.db"
    migrate(path)
    with open_registry(path, clock=clock) as opened:
        yield opened


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(time_cost=1, memory_kib=8, lanes=1)


@pytest.fixture
def new_accounts(
    registry: Registry, clock: MovedClock, passwords: Passwords
) -> Callable[[], Accounts]:
    """Start the platform: once more at each call, over the same registry."""
    return lambda: Accounts(registry.accounts, clock.now_ms, registry.version, passwords)


@pytest.fixture
def accounts(new_accounts: Callable[[], Accounts]) -> Accounts:
    return new_accounts()
