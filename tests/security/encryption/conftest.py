"""One authority for all tests here: making one costs some tenths of a second."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from security.encryption.authority import Authority

PASSPHRASE = b"a passphrase that only tests use"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture(scope="session")
def authority_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("authority")
    Authority.create(directory, PASSPHRASE, now_ms)
    return directory


@pytest.fixture(scope="session")
def passphrase() -> bytes:
    return PASSPHRASE


@pytest.fixture(scope="session")
def authority(authority_directory: Path) -> Authority:
    return Authority.open(authority_directory, PASSPHRASE, now_ms)
