"""Sign-ins at the provider's own pages: who is there, since when, and how that was proved.

Each is a sign-in as every other: it ends with the password, it is listed, and it can be revoked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from security.aaa.accounts import Accounts
from security.aaa.errors import NotAuthenticated, UnknownToken
from security.aaa.oidc.ports import AuthorisationStore, SignedIn
from security.aaa.tokens import IssuedToken
from security.ports import User


@dataclass(frozen=True, slots=True)
class Session:
    """A person in front of a browser."""

    user: User
    token: int
    """Number of the sign-in."""
    authenticated_at: int
    """Milliseconds since 1970 UTC."""
    amr: tuple[str, ...]


class Sessions:
    """Begins, finds and ends sign-ins; from any thread."""

    def __init__(
        self, accounts: Accounts, store: AuthorisationStore, clock_ms: Callable[[], int]
    ) -> None:
        self._accounts, self._store, self._clock_ms = accounts, store, clock_ms

    def begin(self, issued: IssuedToken, before: Session | None = None) -> None:
        """Note when and how the person of a fresh sign-in proved who it is.

        The sign-in that the browser had before ends. What rests on it goes on with the new one
        when it is the same person, so that signing out still ends all of it; else it ends too.
        """
        self._store.note_sign_in(issued.token.id, SignedIn(self._clock_ms(), issued.amr))
        if before is None:
            return
        if before.user.id == issued.token.user:
            self._store.hand_over(before.token, issued.token.id)
        self.end(before)

    def current(self, text: str | None) -> Session | None:
        """Return the session that a cookie stands for, None when it is over."""
        if text is None:
            return None
        try:
            principal = self._accounts.authenticate(text)
        except NotAuthenticated:
            return None
        noted = self._store.signed_in(principal.token)
        # A token that was not issued at these pages, or to an application, is no session here.
        if noted is None or principal.application is not None:
            return None
        return Session(principal.user, principal.token, noted.at, noted.amr)

    def end(self, session: Session) -> None:
        """End a session, with all that rests on it."""
        try:
            self._accounts.revoke(session.user.id, session.token)
        except UnknownToken:  # another tab was faster
            return
