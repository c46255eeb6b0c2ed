"""Accounts: users, their passwords and tokens, and the one-time code of the first start."""

from __future__ import annotations

import base64
import hmac
import re
import secrets
import threading
import unicodedata
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol

from security.aaa.errors import (
    NotAuthenticated,
    RuleBroken,
    SetUpClosed,
    UnknownToken,
    UnknownUser,
)
from security.aaa.passwords import Passwords
from security.aaa.throttle import Throttle
from security.aaa.tokens import (
    IssuedToken,
    Principal,
    Scope,
    digest,
    is_token,
    known_scopes,
    new_token,
)
from security.limits import (
    PRINCIPALS_CACHED_MAX,
    SIGN_IN_LIFE_S,
    SIGN_INS_PER_USER_MAX,
    TOKEN_LABEL_CHARS_MAX,
    TOKEN_LIFE_S_MAX,
    TOKENS_ISSUED_PER_USER_MAX,
    USER_NAME_CHARS_MAX,
)
from security.ports import AccountStore, Taken, Token, User

_NAME = re.compile(r"[\w.@+-]+")
_SIGN_IN = "sign-in"


class Accounts:
    """Who is this? Methods may be called from any thread.

    Args:
        store: Keeps users and tokens durably.
        clock_ms: Milliseconds since 1970 UTC.
        version: The registry's version, cheap to ask; what is remembered of tokens is dropped when
            it changes.
        passwords: Given by tests that cannot spend the costs of production.
        issued: Knows the tokens of applications; None when there are none.
    """

    def __init__(
        self,
        store: AccountStore,
        clock_ms: Callable[[], int],
        version: Callable[[], int],
        passwords: Passwords | None = None,
        issued: IssuedToApplications | None = None,
    ) -> None:
        self._store = store
        self._clock_ms = clock_ms
        self._version = version
        self._passwords = passwords or Passwords()
        self._issued = issued
        self._throttle = Throttle(clock_ms)
        self._remembered = _Remembered(version(), {})
        self._changing = threading.Lock()

    # -- the first start ---------------------------------------------------------------------

    def set_up_code(self) -> str | None:
        """Return a new one-time code, which voids every earlier one; None once it is not needed.

        It is needed as long as nobody has a password: an automation that was given a token does
        not close the door to the first person.
        """
        with self._changing:
            if self._someone_can_sign_in():
                if self._store.set_up_digest() is not None:
                    self._store.put_set_up_digest(None)
                return None
            text = base64.b32encode(secrets.token_bytes(10)).decode()
            self._store.put_set_up_digest(digest(text))
            return "-".join(text[start : start + 4] for start in range(0, len(text), 4))

    def awaits_set_up(self) -> bool:
        """Return True as long as nobody has a password: the first person is still to come."""
        return not self._someone_can_sign_in()

    def set_up(self, code: str, name: str, password: str) -> tuple[User, IssuedToken]:
        """Make the first administrator and sign in; the code is used up.

        Raises:
            SetUpClosed: somebody has a password already.
            NotAuthenticated: the code is not the one printed last.
            RuleBroken: the name or the password; the code stays good.
        """
        given = digest(re.sub(r"[\s-]", "", code).upper())
        with self._changing:
            if self._someone_can_sign_in():
                raise SetUpClosed("set-up is done; sign in, or ask an administrator for an account")
            expected = self._store.set_up_digest()
            if expected is None or not hmac.compare_digest(expected, given):
                raise NotAuthenticated("this is not the set-up code that was printed last")
            user = self._add_user(name, password, admin=True)
            self._store.put_set_up_digest(None)
            return user, self._issue_sign_in(user)

    # -- users -------------------------------------------------------------------------------

    def users(self) -> Sequence[User]:
        """Return every user, disabled ones too."""
        return self._store.users()

    def add_user(self, name: str, password: str | None, *, admin: bool = False) -> User:
        """Add a user; without a password it works by tokens alone.

        Raises:
            RuleBroken: the name is bad or taken, or the password breaks the rules.
        """
        with self._changing:
            return self._add_user(name, password, admin)

    def change_password(self, user: int, password: str) -> User:
        """Set another password and end every sign-in; tokens issued by name go on.

        Raises:
            UnknownUser, RuleBroken: as they say.
        """
        self._existing(user)
        password_hash = self._passwords.hash(password)
        with self._changing:
            changed = self._store.change_user(user, password_hash=password_hash)
            for token in self._sign_ins(user):
                self._store.revoke_token(token.id)
            self._forget()
            return changed

    def disable(self, user: int) -> User:
        """Shut a user out at once, with all tokens.

        Raises:
            UnknownUser: no such user.
            RuleBroken: it is the last administrator who is not disabled.
        """
        with self._changing:
            self._existing(user)
            in_charge = {one.id for one in self._store.users() if one.admin and not one.disabled}
            if in_charge == {user}:
                raise RuleBroken("the last administrator cannot be disabled; add another one first")
            changed = self._store.change_user(user, disabled=True)
            self._forget()
            return changed

    def enable(self, user: int) -> User:
        """Let a disabled user in again; tokens that were not revoked work again.

        Raises:
            UnknownUser: no such user.
        """
        with self._changing:
            self._existing(user)
            return self._store.change_user(user, disabled=False)

    # -- signing in and tokens ---------------------------------------------------------------

    def sign_in(self, name: str, password: str, source: str = "") -> IssuedToken:
        """Return a token of all scopes for some hours.

        Attempts are throttled per name and source, so that guessing from one place shuts nobody
        out elsewhere; who is signed in already never notices.

        Args:
            name: As the user was added.
            password: In clear.
            source: Where the attempt comes from, an address in general.

        Raises:
            NotAuthenticated: unknown name, wrong password, disabled: all in the same time.
            Throttled: too many failures or too many sign-ins at once.
        """
        name = _normal(name)[: USER_NAME_CHARS_MAX + 1]
        key = (name, source)
        self._throttle.attempt(key)
        user = self._store.user(name) if _is_name(name) else None
        stored = None if user is None else user.password_hash
        right = self._passwords.verify(stored, password)
        if user is None or stored is None or not right or user.disabled:
            raise NotAuthenticated("the name or the password is not right")
        self._throttle.succeed(key)
        with self._changing:
            if self._store.user_by_id(user.id) != user:
                raise NotAuthenticated("the account was changed meanwhile; sign in again")
            if self._passwords.is_outdated(stored):
                self._store.change_user(user.id, password_hash=self._passwords.hash(password))
            return self._issue_sign_in(user)

    def issue_token(
        self, user: int, label: str, scopes: Collection[Scope], expires_in_s: int | None
    ) -> IssuedToken:
        """Return a new token of the user. Whoever asks should hold those scopes.

        Args:
            user: Whose it is.
            label: What it is for, to be told from others.
            scopes: At least one.
            expires_in_s: None never expires.

        Raises:
            UnknownUser: no such user.
            RuleBroken: label, scopes or life are bad, the user is disabled or has too many tokens.
        """
        if not (0 < len(label) <= TOKEN_LABEL_CHARS_MAX and label.isprintable()):
            raise RuleBroken(f"a label has 1 to {TOKEN_LABEL_CHARS_MAX} printable characters")
        if label == _SIGN_IN:
            raise RuleBroken(f"the label '{_SIGN_IN}' is kept for sign-ins; choose another")
        if not scopes:
            raise RuleBroken(f"name at least one scope of {', '.join(Scope)}")
        if expires_in_s is not None and not 0 < expires_in_s <= TOKEN_LIFE_S_MAX:
            raise RuleBroken(f"a token lives 1 to {TOKEN_LIFE_S_MAX} seconds, or without end")
        with self._changing:
            owner = self._existing(user)
            if owner.disabled:
                raise RuleBroken("the user is disabled; enable the user first")
            if Scope.ADMIN in scopes and not owner.admin:
                raise RuleBroken("the scope admin is for administrators")
            issued = [token for token in self.tokens(user) if token.label != _SIGN_IN]
            if len(issued) >= TOKENS_ISSUED_PER_USER_MAX:
                raise RuleBroken(
                    f"{len(issued)} tokens are in force; revoke one that is not needed"
                )
            return self._issue(user, label, scopes, expires_in_s)

    def authenticate(self, text: str) -> Principal:
        """Return who the bearer of the token is.

        Raises:
            NotAuthenticated: unknown, expired, revoked, or the user is disabled.
        """
        issued = None if is_token(text) else self._issued
        if not is_token(text) and (issued is None or not issued.has_form(text)):
            raise NotAuthenticated("this is no token of ours; sign in to get one")
        key = digest(text)
        version = self._version()
        remembered = self._remembered
        if remembered.version != version:
            remembered = self._remembered = _Remembered(version, {})
        proof = remembered.proofs.get(key)
        if proof is None:
            proof = self._prove(key) if issued is None else _Proof(*issued.prove(text))
            if len(remembered.proofs) >= PRINCIPALS_CACHED_MAX:
                remembered.proofs.clear()
            # A revocation meanwhile has put another cache in place; this one is then nobody's.
            remembered.proofs[key] = proof
        if proof.expires_at is not None and self._clock_ms() >= proof.expires_at:
            raise NotAuthenticated("the token has expired; sign in again")
        return proof.principal

    def remembers(self, text: str) -> bool:
        """Tell whether `authenticate` answers from memory at present, without a signature."""
        remembered = self._remembered
        return remembered.version == self._version() and digest(text) in remembered.proofs

    @property
    def remembered(self) -> int:
        """How many tokens are remembered at present, at most PRINCIPALS_CACHED_MAX."""
        return len(self._remembered.proofs)

    def tokens(self, user: int) -> Sequence[Token]:
        """Return the user's tokens in force, oldest first."""
        now_ms = self._clock_ms()
        return [
            token
            for token in sorted(self._store.tokens(user), key=lambda token: token.id)
            if not token.revoked and (token.expires_at is None or now_ms < token.expires_at)
        ]

    def revoke(self, user: int, token: int) -> None:
        """End a token of the user at once.

        Raises:
            UnknownToken: the user has no such token in force.
        """
        with self._changing:
            if token not in {one.id for one in self.tokens(user)}:
                raise UnknownToken(f"the user has no token {token} in force")
            self._store.revoke_token(token)
            self._forget()

    # -- private -----------------------------------------------------------------------------

    def _someone_can_sign_in(self) -> bool:
        return any(user.password_hash is not None for user in self._store.users())

    def _add_user(self, name: str, password: str | None, admin: bool) -> User:
        name = _normal(name)
        if not _is_name(name):
            raise RuleBroken(
                f"a user name has 1 to {USER_NAME_CHARS_MAX} letters, digits or any of . _ @ + -"
            )
        password_hash = None if password is None else self._passwords.hash(password)
        try:
            return self._store.add_user(name, password_hash, admin)
        except Taken:
            raise RuleBroken(f"the name '{name}' is taken; choose another") from None

    def _existing(self, user: int) -> User:
        found = self._store.user_by_id(user)
        if found is None:
            raise UnknownUser(f"there is no user {user}")
        return found

    def _issue_sign_in(self, user: User) -> IssuedToken:
        scopes = set(Scope) if user.admin else set(Scope) - {Scope.ADMIN}
        earlier = self._sign_ins(user.id)
        if len(earlier) >= SIGN_INS_PER_USER_MAX:
            self._store.revoke_token(earlier[0].id)
            self._forget()
        return self._issue(user.id, _SIGN_IN, scopes, SIGN_IN_LIFE_S)

    def _sign_ins(self, user: int) -> Sequence[Token]:
        return [token for token in self.tokens(user) if token.label == _SIGN_IN]

    def _issue(
        self, user: int, label: str, scopes: Collection[Scope], expires_in_s: int | None
    ) -> IssuedToken:
        expires_at = None if expires_in_s is None else self._clock_ms() + expires_in_s * 1_000
        text = new_token()
        names = frozenset(scope.value for scope in scopes)
        return IssuedToken(
            text, self._store.add_token(user, digest(text), label, names, expires_at)
        )

    def _prove(self, key: str) -> _Proof:
        token = self._store.token(key)
        user = None if token is None else self._store.user_by_id(token.user)
        if token is None or user is None or token.revoked or user.disabled:
            raise NotAuthenticated("the token is unknown or was revoked; sign in again")
        principal = Principal(user, known_scopes(token.scopes), token.id)
        return _Proof(principal, token.expires_at)

    def _forget(self) -> None:
        self._remembered = _Remembered(self._version(), {})


class IssuedToApplications(Protocol):
    """Tokens that applications present, with which they act for users or for themselves."""

    def has_form(self, text: str) -> bool:
        """Tell whether a text could be such a token."""
        ...

    def prove(self, text: str) -> tuple[Principal, int]:
        """Return who acts, and until when (milliseconds). Raises NotAuthenticated."""
        ...


class _Proof(NamedTuple):
    principal: Principal
    expires_at: int | None


class _Remembered(NamedTuple):
    """What tokens proved at one version of the registry, by digest."""

    version: int
    proofs: dict[str, _Proof]


def _normal(name: str) -> str:
    return unicodedata.normalize("NFKC", name)


def _is_name(name: str) -> bool:
    return len(name) <= USER_NAME_CHARS_MAX and _NAME.fullmatch(name) is not None
