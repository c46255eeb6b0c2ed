"""What authentication may answer instead of a yes.

AccountError
├── NotAuthenticated
│   ├── SecondFactorNeeded
│   └── SecondFactorMissing
├── Throttled
├── RuleBroken
├── SetUpClosed
├── UnknownUser
├── UnknownToken
├── NotPossible
└── OverQuota
"""

from __future__ import annotations


class AccountError(Exception):
    """Refused; the message tells the caller what to do next and holds no secret."""


class NotAuthenticated(AccountError):
    """The name, password, token or set-up code is not right; it is never said which part."""


class SecondFactorNeeded(NotAuthenticated):
    """The password is right; the code is missing or wrong."""


class SecondFactorMissing(NotAuthenticated):
    """The user must have a second factor and has set up none."""


class Throttled(AccountError):
    """Too many attempts; nothing was checked.

    Args:
        retry_after_s: When it is worth trying again.
        reason: What it was that was attempted too often, in a word for the record.
    """

    def __init__(self, retry_after_s: int, reason: str = "busy") -> None:
        super().__init__(f"too many attempts; try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s
        self.reason = reason


class RuleBroken(AccountError):
    """A name, password, label, scope or life breaks a rule, which the message states."""


class SetUpClosed(AccountError):
    """Somebody can sign in already, so no set-up code is accepted."""


class UnknownUser(AccountError):
    """No user has this number."""


class UnknownToken(AccountError):
    """The user has no such token in force."""


class NotPossible(AccountError):
    """It contradicts what is there already; the message says what to do first."""


class OverQuota(AccountError):
    """A project has used up what it may have.

    Args:
        quota: Its name.
        bound: How much it may have.
        used: How much it has, or would have.
        retry_after_s: When there may be room again; None when time alone makes none.
    """

    def __init__(self, quota: str, bound: int, used: int, retry_after_s: int | None = None) -> None:
        super().__init__(
            f"the project's quota of {quota} is {bound:,} and {used:,} would be in use; "
            "an operator can change it: PUT /api/v1/projects/{name}/quotas"
        )
        self.quota, self.bound, self.used = quota, bound, used
        self.retry_after_s = retry_after_s
