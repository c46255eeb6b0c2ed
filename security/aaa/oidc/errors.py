"""What the provider refuses beside what Authlib says by OAuth's own words."""

from __future__ import annotations

from security.aaa.errors import AccountError


class BadToken(Exception):
    """A signed token that is not accepted; the message says why and holds nothing of it."""


class UnknownApplication(AccountError):
    """There is no such application."""


class UnknownService(Exception):
    """There is no such service, or none that the user may know."""
