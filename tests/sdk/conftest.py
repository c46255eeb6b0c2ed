"""The client against the real application over real stores."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from borough_client import Client
from tests.cpaas.conftest import (
    NO_TLS,
    SECRET,
    House,
    authority,
    ground,
    house,
    servers_end,
    shared_house,
)

__all__ = ["authority", "ground", "house", "servers_end", "shared_house"]


@pytest.fixture
def url(shared_house: House) -> str:
    return shared_house.base_url.removesuffix("/api/v1")


@pytest.fixture
def city(url: str) -> Iterator[Client]:
    with Client(url, SECRET, ca=NO_TLS) as client:
        yield client
