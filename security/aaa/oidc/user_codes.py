"""Codes that people read from a device and type elsewhere. Source: RFC 8628, section 6.1."""

from __future__ import annotations

import secrets

_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, so that no words come up."""
_LENGTH = 8


def new_user_code() -> str:
    """Return eight letters: one in 25 billion is right, and tries are throttled."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))


def as_typed(code: str) -> str:
    """Return a code as it is shown: in two halves."""
    return f"{code[: _LENGTH // 2]}-{code[_LENGTH // 2 :]}"


def normal(typed: str) -> str:
    """Return what somebody typed without what makes no difference."""
    return "".join(char for char in typed.upper() if char in _LETTERS)[: 2 * _LENGTH]
