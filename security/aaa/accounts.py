"""Accounts: users, their passwords and tokens, and the one-time code of the first start."""

from __future__ import annotations

import base64
import hmac
import re
import secrets
import threading
import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

from security.aaa.errors import (
    NotAuthenticated,
    RuleBroken,
    SecondFactorMissing,
    SecondFactorNeeded,
    SetUpClosed,
    UnknownToken,
    UnknownUser,
)
from security.aaa.guessable import refuse_guessable
from security.aaa.known_devices import KnownDevices
from security.aaa.passwords import Passwords
from security.aaa.throttle import Attempt, SignInThrottle, network_of
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
        factor: Second factors; None when nobody has one.
        devices: Knows devices that somebody signed in at; None for none, until core ends.
        names: What passwords are not made of beside common words: names of projects.
    """

    def __init__(
        self,
        store: AccountStore,
        clock_ms: Callable[[], int],
        version: Callable[[], int],
        passwords: Passwords | None = None,
        issued: IssuedToApplications | None = None,
        factor: AsksForCode | None = None,
        devices: KnownDevices | None = None,
        names: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._store = store
        self._clock_ms = clock_ms
        self._version = version
        self._passwords = passwords or Passwords()
        self._issued = issued
        self._factor = factor
        self._devices = devices or KnownDevices(secrets.token_bytes(32), clock_ms)
        self._names = names
        self._throttle = SignInThrottle(clock_ms)
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

    def numbered(self, user: int) -> User | None:
        """Return the user of a number, None for one who is disabled or not there."""
        found = self._store.user_by_id(user)
        return None if found is None or found.disabled else found

    def change_password(self, user: int, password: str, but: int | None = None) -> User:
        """Set another password and end every sign-in; the caller sees to other sessions.

        Args:
            user: Whose it is.
            password: In clear.
            but: Number of a sign-in that goes on.

        Raises:
            UnknownUser, RuleBroken: as they say.
        """
        refuse_guessable(password, [self._existing(user).name, *self._names()])
        password_hash = self._passwords.hash(password)
        with self._changing:
            changed = self._store.change_user(user, password_hash=password_hash)
            for token in self._sign_ins(user):
                if token.id != but:
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
            self.refuse_last_administrator(user)
            changed = self._store.change_user(user, disabled=True)
            self._forget()
            return changed

    def enable(self, user: int) -> User:
        """Let a disabled user in again; sessions that ended meanwhile stay ended.

        Raises:
            UnknownUser: no such user.
        """
        with self._changing:
            self._existing(user)
            return self._store.change_user(user, disabled=False)

    def refuse_last_administrator(self, user: int) -> None:
        """Make sure that somebody stays in charge without this user.

        Raises:
            UnknownUser: no such user.
            RuleBroken: it is the last administrator who is not disabled.
        """
        self._existing(user)
        in_charge = {one.id for one in self._store.users() if one.admin and not one.disabled}
        if in_charge == {user}:
            raise RuleBroken("the last administrator has to stay; add another one first")

    # -- signing in and tokens ---------------------------------------------------------------

    def sign_in(
        self,
        name: str,
        password: str,
        source: str = "",
        *,
        code: str | None = None,
        device: str | None = None,
        enrolling: bool = False,
    ) -> IssuedToken:
        """Return a token of all scopes for some hours.

        Failures are counted by name and address and by address, so that guessing from one place
        shuts nobody out elsewhere; a device that is known is counted by itself. Who is signed in
        already never notices.

        Args:
            name: As the user was added.
            password: In clear.
            source: Where the attempt comes from, an address in general.
            code: Of the second factor, or a recovery code.
            device: The proof that an earlier sign-in at this device gave.
            enrolling: Give who has to set up a second factor first a token without any scope.

        Raises:
            NotAuthenticated: unknown name, wrong password, disabled: all in the same time.
            SecondFactorNeeded: the password is right; the code is missing or wrong.
            SecondFactorMissing: a second factor has to be set up, and ``enrolling`` is not set.
            Throttled: too many failures or too many sign-ins at once.
        """
        name = _normal(name)[: USER_NAME_CHARS_MAX + 1]
        user = self._store.user(name) if _is_name(name) else None
        attempt = Attempt(name, source, self._devices.recognise(device, user))
        self._throttle.attempt(attempt)
        stored = None if user is None else user.password_hash
        right = self._passwords.verify(stored, password, known=attempt.device is not None)
        if user is None or stored is None or not right or user.disabled:
            raise NotAuthenticated("the name or the password is not right")
        coded = self._check_code(user, attempt, code, enrolling=enrolling)
        self._throttle.succeed(attempt)
        with self._changing:
            if self._store.user_by_id(user.id) != user:
                raise NotAuthenticated("the account was changed meanwhile; sign in again")
            if self._passwords.is_outdated(stored):
                user = self._store.change_user(
                    user.id, password_hash=self._passwords.hash(password)
                )
            issued = self._issue_sign_in(user, nothing=coded is None)
        amr = ("pwd", "otp") if coded else ("pwd",)
        return replace(issued, amr=amr, device=self._devices.proof(user))

    def knows(self, name: str, device: str | None) -> bool:
        """Tell whether somebody of this name signed in at a device before."""
        user = self._store.user(_normal(name)) if device and _is_name(_normal(name)) else None
        return self._devices.recognise(device, user) is not None

    def prove(self, user: int, password: str, source: str, code: str | None = None) -> None:
        """Make sure that who is signed in is who it says, before something weighty.

        Raises:
            NotAuthenticated, SecondFactorNeeded, Throttled: as `sign_in`.
        """
        found = self._existing(user)
        attempt = Attempt(found.name, f"user:{user}:{network_of(source)}")
        self._throttle.attempt(attempt)
        if not self._passwords.verify(found.password_hash, password):
            raise NotAuthenticated("the password is not right")
        self._check_code(found, attempt, code, enrolling=True)
        self._throttle.succeed(attempt)

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

    def is_sign_in(self, token: Token) -> bool:
        """Tell whether a token came of a sign-in, and was not issued by name."""
        return token.label == _SIGN_IN

    # -- private -----------------------------------------------------------------------------

    def _someone_can_sign_in(self) -> bool:
        return any(user.password_hash is not None for user in self._store.users())

    def _add_user(self, name: str, password: str | None, admin: bool) -> User:
        name = _normal(name)
        if not _is_name(name):
            raise RuleBroken(
                f"a user name has 1 to {USER_NAME_CHARS_MAX} letters, digits or any of . _ @ + -"
            )
        if password is not None:
            refuse_guessable(password, [name, *self._names()])
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

    def _check_code(
        self, user: User, attempt: Attempt, code: str | None, *, enrolling: bool
    ) -> bool | None:
        """Return whether a code was asked for and right; None when one has to be set up first."""
        if self._factor is None:
            return False
        if self._factor.confirmed(user.id):
            if code is None:
                raise SecondFactorNeeded("now the code of your second factor, too")
            self._throttle.attempt_code(attempt)
            self._factor.check(user.id, code)
            return True
        if not self._factor.demanded(user):
            return False
        if not enrolling:
            raise SecondFactorMissing(
                "you have to set up a second factor first: sign in by POST /api/v1/login and "
                "enrol by POST /api/v1/account/second-factor"
            )
        return None

    def _issue_sign_in(self, user: User, *, nothing: bool = False) -> IssuedToken:
        scopes = set(Scope) if user.admin else set(Scope) - {Scope.ADMIN}
        scopes = set() if nothing else scopes
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


class AsksForCode(Protocol):
    """Second factors, as `security.aaa.totp.SecondFactor` has them."""

    def confirmed(self, user: int) -> bool:
        """Tell whether the user has one."""
        ...

    def demanded(self, user: User) -> bool:
        """Tell whether the user must have one."""
        ...

    def check(self, user: int, code: str) -> None:
        """Use up a code. Raises SecondFactorNeeded."""
        ...


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
