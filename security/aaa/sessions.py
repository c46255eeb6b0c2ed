"""Sessions: what a user is signed in by, wherever that is, and what ends it.

A session is a sign-in, a token issued by name, or what an application was allowed to do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from security.aaa.accounts import Accounts
from security.aaa.errors import UnknownToken
from security.aaa.people_ports import Note, SessionStore, Use
from security.aaa.tokens import Principal
from security.limits import USES_WAITING_MAX
from security.ports import Token

TOKEN, APPLICATION = "token", "application"


class Authorised(Protocol):
    """What a user let an application do."""

    @property
    def id(self) -> int:
        """Its number."""
        ...

    @property
    def application(self) -> int:
        """Number of the application."""
        ...

    @property
    def started_at(self) -> int:
        """Milliseconds since 1970 UTC."""
        ...

    @property
    def expires_at(self) -> int | None:
        """Milliseconds since 1970 UTC; None never ends by itself."""
        ...


class Authorisations(Protocol):
    """What users let applications do."""

    def of_user(self, account: int, now: int) -> Sequence[Authorised]:
        """Return what a user authorised and is in force."""
        ...

    def revoke(self, number: int) -> None:
        """End one."""
        ...


@dataclass(frozen=True, slots=True)
class Session:
    """One of a user's sessions."""

    id: str
    """``token:<number>`` or ``application:<number>``."""
    kind: str
    """``browser``, ``sign-in``, ``token`` or ``application``."""
    label: str
    """What a token is for; number of the application."""
    created_at: int | None
    """Milliseconds since 1970 UTC; None when an earlier version issued it."""
    created_from: str
    last_used_at: int | None
    last_used_from: str
    expires_at: int | None
    scopes: frozenset[str]


class Sessions:
    """Lists and ends sessions, and knows their last use.

    Uses are gathered in memory and written by `flush`, which somebody calls now and then: a crash
    costs the uses since, and no request waits for a disk.
    """

    def __init__(
        self,
        accounts: Accounts,
        authorisations: Authorisations,
        store: SessionStore,
        clock_ms: Callable[[], int],
    ) -> None:
        self._accounts, self._authorisations = accounts, authorisations
        self._store, self._clock_ms = store, clock_ms
        self._uses: dict[str, Use] = {}
        self._users: dict[int, int] = {}
        self._lock = threading.Lock()

    def began(self, token: Token, kind: str, source: str) -> None:
        """Note where a token comes from."""
        self._store.began(f"{TOKEN}:{token.id}", kind, Use(self._clock_ms(), source))

    def used(self, principal: Principal, source: str) -> None:
        """Note that a request came; costs no disk."""
        now_ms = self._clock_ms()
        with self._lock:
            if len(self._uses) < USES_WAITING_MAX or session_of(principal) in self._uses:
                self._uses[session_of(principal)] = Use(now_ms, source)
                self._users[principal.user.id] = now_ms

    def flush(self) -> None:
        """Write what was gathered."""
        with self._lock:
            uses, self._uses = self._uses, {}
            users, self._users = self._users, {}
        if uses:
            self._store.used(uses, users)

    def of(self, user: int) -> Sequence[Session]:
        """Return a user's sessions in force, oldest first."""
        tokens = self._accounts.tokens(user)
        allowed = self._authorisations.of_user(user, self._clock_ms())
        names = [f"{TOKEN}:{one.id}" for one in tokens]
        names += [f"{APPLICATION}:{one.id}" for one in allowed]
        notes = self._store.notes(names)
        found = [self._of_token(one, notes) for one in tokens]
        return found + [self._of_application(one, notes) for one in allowed]

    def end(self, user: int, session: str) -> None:
        """End one of a user's sessions at once.

        Raises:
            UnknownToken: the user has no such session.
        """
        if session not in {one.id for one in self.of(user)}:
            raise UnknownToken(f"the user has no session {session}")
        kind, _, number = session.partition(":")
        if kind == TOKEN:
            self._accounts.revoke(user, int(number))
        else:
            self._authorisations.revoke(int(number))

    def end_all(self, user: int, but: Iterable[str] = (), *, tokens: bool = True) -> int:
        """End a user's sessions, and return how many; those by named tokens only if wanted."""
        kept, ended = frozenset(but), 0
        for session in self.of(user):
            if session.id in kept or (session.kind == TOKEN and not tokens):
                continue
            try:
                self.end(user, session.id)
            except UnknownToken:  # it rested on one that was ended just before
                continue
            ended += 1
        return ended

    def _of_token(self, token: Token, notes: Mapping[str, Note]) -> Session:
        name = f"{TOKEN}:{token.id}"
        kind = "sign-in" if self._accounts.is_sign_in(token) else TOKEN
        return self._session(name, kind, token.label, token.expires_at, token.scopes, notes)

    def _of_application(self, one: Authorised, notes: Mapping[str, Note]) -> Session:
        name = f"{APPLICATION}:{one.id}"
        found = self._session(
            name, APPLICATION, str(one.application), one.expires_at, frozenset(), notes
        )
        return Session(
            found.id, found.kind, found.label, one.started_at, found.created_from,
            found.last_used_at, found.last_used_from, found.expires_at, found.scopes,
        )  # fmt: skip

    def _session(
        self,
        name: str,
        kind: str,
        label: str,
        expires_at: int | None,
        scopes: frozenset[str],
        notes: Mapping[str, Note],
    ) -> Session:
        note = notes.get(name)
        last = self._uses.get(name) or (None if note is None else note.last)
        return Session(
            id=name,
            kind=kind if note is None else note.kind,
            label=label,
            created_at=None if note is None else note.began.at,
            created_from="" if note is None else note.began.source,
            last_used_at=None if last is None else last.at,
            last_used_from="" if last is None else last.source,
            expires_at=expires_at,
            scopes=scopes,
        )


def session_of(principal: Principal) -> str:
    """Return the session by which somebody acts."""
    kind = TOKEN if principal.application is None else APPLICATION
    return f"{kind}:{principal.token}"
