"""What authentication may answer instead of a yes.

AccountError
├── NotAuthenticated
├── Throttled
├── RuleBroken
├── SetUpClosed
└── UnknownUser
"""

from __future__ import annotations


class AccountError(Exception):
    """Refused; the message tells the caller what to do next and holds no secret."""


class NotAuthenticated(AccountError):
    """The name, password, token or set-up code is not right; it is never said which part."""


class Throttled(AccountError):
    """Too many attempts; nothing was checked."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"too many attempts; try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class RuleBroken(AccountError):
    """A name, password, label, scope or life breaks a rule, which the message states."""


class SetUpClosed(AccountError):
    """Somebody can sign in already, so no set-up code is accepted."""


class UnknownUser(AccountError):
    """No user has this number."""


class UnknownToken(AccountError):
    """The user has no such token in force."""
