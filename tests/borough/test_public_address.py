"""The address by which others know the platform: what it may be, and what it is without one."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from borough.settings import Listen, Settings


@pytest.mark.parametrize(
    ("given", "issuer"),
    [
        ("", "http://127.0.0.1:8081"),
        ("https://city.example", "https://city.example"),
        ("https://city.example/", "https://city.example"),
        ("http://localhost:8080", "http://localhost:8080"),
    ],
)
def test_tokens_name_the_address_that_others_know(given: str, issuer: str) -> None:
    assert Settings(http=Listen("127.0.0.1", 8081), public_url=given).issuer == issuer


@pytest.mark.parametrize(
    "given",
    [
        "city.example",
        "http://city.example",
        "https://",
        "https://city.example/platform",
        "https://city.example/?a=1",
        "https://city.example/#a",
    ],
)
def test_an_address_that_others_cannot_trust_is_refused(given: str) -> None:
    with pytest.raises(ValidationError, match="no address of https"):
        Settings(public_url=given)
