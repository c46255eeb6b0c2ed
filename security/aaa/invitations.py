"""Invitations: a person makes an account with a token that is good once and not for long."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence

from security.aaa.accounts import Accounts
from security.aaa.errors import NotAuthenticated, RuleBroken, UnknownToken
from security.aaa.levels import Level
from security.aaa.people_ports import Invitation, InvitationStore
from security.aaa.tokens import digest
from security.limits import (
    INVITATION_LIFE_S,
    INVITATION_LIFE_S_MAX,
    INVITATION_NOTE_CHARS_MAX,
)
from security.ports import Grant, GrantStore, User


class Invitations:
    """Gives invitations out and takes them; from any thread.

    Args:
        store: Keeps them.
        accounts: Where people are added.
        grants: Where their first grant goes.
        clock_ms: Milliseconds since 1970 UTC.
        may: Tells whether an inviter may still give what an invitation promises.
    """

    def __init__(
        self,
        store: InvitationStore,
        accounts: Accounts,
        grants: GrantStore,
        clock_ms: Callable[[], int],
        may: Callable[[User, Invitation], bool],
    ) -> None:
        self._store, self._accounts, self._grants = store, accounts, grants
        self._clock_ms, self._may = clock_ms, may
        self._accepting = threading.Lock()

    def invite(
        self,
        inviter: User,
        note: str,
        *,
        admin: bool = False,
        project: int | None = None,
        level: Level | None = None,
        life_s: int = INVITATION_LIFE_S,
    ) -> tuple[str, Invitation]:
        """Return a token, shown this once, and the invitation that it stands for.

        Raises:
            RuleBroken: the note or the life is bad, or a project and a level do not come together.
        """
        if not (0 < len(note) <= INVITATION_NOTE_CHARS_MAX and note.isprintable()):
            raise RuleBroken(
                f"say in 1 to {INVITATION_NOTE_CHARS_MAX} printable characters whom you invite"
            )
        if not 0 < life_s <= INVITATION_LIFE_S_MAX:
            raise RuleBroken(f"an invitation lives 1 to {INVITATION_LIFE_S_MAX} seconds")
        if (project is None) != (level is None):
            raise RuleBroken("name a project and the level that the person gets there, or neither")
        now = self._clock_ms()
        text = "bor_invite_" + secrets.token_urlsafe(32)
        wanted = Invitation(0, note, admin, project, level, inviter.id, now, now + life_s * 1_000)
        return text, self._store.invite(wanted, digest(text))

    def pending(self) -> Sequence[Invitation]:
        """Return those that can be accepted, oldest first."""
        return [one for one in self._store.invitations() if self._is_good(one)]

    def accept(self, text: str, name: str, password: str) -> User:
        """Make the account that an invitation is for; the invitation is used up.

        Raises:
            NotAuthenticated: it is unknown, used, withdrawn, over, or its inviter may not any more.
            RuleBroken: the name or the password; the invitation stays good.
        """
        with self._accepting:
            found = self._store.by_token(digest(text))
            inviter = None
            if found is not None and self._is_good(found):
                inviter = self._accounts.numbered(found.inviter)
            if found is None or inviter is None or not self._may(inviter, found):
                raise NotAuthenticated(
                    "this invitation is not good any more; ask who invited you for another"
                )
            user = self._accounts.add_user(name, password, admin=found.admin)
            self._store.accept(found.id, user.id)
            if found.project is not None and found.level is not None:
                self._grants.put_grant(Grant(user.id, (str(found.project),), found.level))
            return user

    def withdraw(self, number: int) -> None:
        """Take an invitation back; raises UnknownToken when it was used or is none."""
        if not self._store.withdraw(number):
            raise UnknownToken(f"there is no invitation {number} that could be taken back")

    def _is_good(self, one: Invitation) -> bool:
        return one.user is None and not one.withdrawn and self._clock_ms() < one.expires_at
