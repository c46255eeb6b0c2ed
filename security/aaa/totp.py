"""The second factor: codes that a person's device computes from time, and recovery codes.

Source: RFC 6238 with 30 s and SHA-1, as every authenticator application speaks it; RFC 4226 for the
code; a code is taken once (RFC 6238, 5.2).
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from security.aaa.errors import NotPossible, SecondFactorNeeded
from security.aaa.people_ports import FactorStore
from security.aaa.tokens import digest
from security.limits import CODE_DRIFT_STEPS, CODE_STEP_S, RECOVERY_CODES
from security.ports import User

_CODE = re.compile(r"\d{6}", re.ASCII)
_SECRET_BYTES = 20
_RECOVERY_BYTES = 10
ADMINISTRATORS = "administrators"
"""Of whom a second factor may be asked, beside projects."""


class Seal(Protocol):
    """Encrypts secrets at rest, as `security.encryption.envelope.Envelope` does."""

    def seal(self, secret: bytes, place: str) -> str:
        """Return the secret as text that may lie on a disk."""
        ...

    def open(self, text: str, place: str) -> bytes:
        """Return what `seal` was given."""
        ...


class Enrolment(NamedTuple):
    """A secret on its way to a person's device; shown once."""

    secret: str
    """Base32."""
    uri: str
    """As authenticator applications take it from a picture."""


class SecondFactor:
    """Enrols and checks second factors; from any thread.

    Args:
        store: Keeps them.
        seal: Of the purpose ``second factors``.
        clock_ms: Milliseconds since 1970 UTC.
        reaches: Tells whether a user may know anything in a project, by its number.
        issuer: Name of the platform as devices show it.
    """

    def __init__(
        self,
        store: FactorStore,
        seal: Seal,
        clock_ms: Callable[[], int],
        reaches: Callable[[int, int], bool],
        issuer: str = "Borough",
    ) -> None:
        self._store, self._seal, self._clock_ms = store, seal, clock_ms
        self._reaches, self._issuer = reaches, issuer

    def confirmed(self, user: int) -> bool:
        """Tell whether the user has one that counts."""
        found = self._store.factor(user)
        return found is not None and found.confirmed

    def demanded(self, user: User) -> bool:
        """Tell whether the user must have one."""
        demands = self._store.demands()
        if user.admin and ADMINISTRATORS in demands:
            return True
        projects = (int(name.partition(":")[2]) for name in demands - {ADMINISTRATORS})
        return any(self._reaches(user.id, project) for project in projects)

    def demands(self) -> frozenset[str]:
        """Return of whom one is asked: ``administrators``, ``project:<number>``."""
        return self._store.demands()

    def demand(self, subject: str, *, asked: bool) -> None:
        """Ask one of the members of a project or of administrators from the next sign-in on."""
        self._store.put_demand(subject, asked=asked)

    def enrol(self, user: User) -> Enrolment:
        """Return a new secret, which counts once `confirm` has seen a code of it.

        Raises:
            NotPossible: the user has a factor that counts.
        """
        if self.confirmed(user.id):
            raise NotPossible("a second factor is set up already; remove it first")
        import pyotp  # for who has a second factor: not at each start

        raw = secrets.token_bytes(_SECRET_BYTES)
        self._store.put_factor(user.id, self._seal.seal(raw, str(user.id)))
        secret = base64.b32encode(raw).decode()
        uri = pyotp.TOTP(secret).provisioning_uri(name=user.name, issuer_name=self._issuer)
        return Enrolment(secret, uri)

    def confirm(self, user: int, code: str) -> Sequence[str]:
        """Make the secret count; returns the recovery codes, shown once.

        Raises:
            NotPossible: nothing waits to be confirmed.
            SecondFactorNeeded: the code is not one of now.
        """
        found = self._store.factor(user)
        if found is None or found.confirmed:
            raise NotPossible("no second factor waits to be confirmed; begin by enrolling one")
        step = self._step_of(user, found.sealed, code, found.last_step)
        if step is None:
            raise SecondFactorNeeded(
                "this is not the code of now; look whether the device's clock is right"
            )
        codes = _recovery_codes()
        self._store.confirm_factor(user, step, [_digest_of(user, code) for code in codes])
        return codes

    def check(self, user: int, code: str) -> None:
        """Use up a code, or a recovery code.

        Raises:
            SecondFactorNeeded: it is neither, or was used before.
        """
        found = self._store.factor(user)
        if found is None or not found.confirmed:
            raise SecondFactorNeeded("no second factor is set up")
        if _CODE.fullmatch(code.replace(" ", "")):
            step = self._step_of(user, found.sealed, code.replace(" ", ""), found.last_step)
            if step is not None and self._store.take_step(user, step):
                return
        elif self._store.take_recovery_code(user, _digest_of(user, code)):
            return
        raise SecondFactorNeeded("the code is not right, or was used before; wait for the next one")

    def renew_recovery_codes(self, user: int) -> Sequence[str]:
        """Return new recovery codes in the place of those before; raises NotPossible."""
        found = self._store.factor(user)
        if found is None or not found.confirmed:
            raise NotPossible("no second factor is set up")
        codes = _recovery_codes()
        self._store.confirm_factor(
            user, found.last_step, [_digest_of(user, code) for code in codes]
        )
        return codes

    def recovery_codes(self, user: int) -> int:
        """Return how many are left."""
        return self._store.recovery_codes(user)

    def remove(self, user: int) -> bool:
        """Remove it with its recovery codes; False when there was none."""
        return self._store.remove_factor(user)

    def _step_of(self, user: int, sealed: str, code: str, last: int) -> int | None:
        """Return the step of time that a code belongs to, None when it is none of these days."""
        import pyotp  # as above

        codes = pyotp.TOTP(base64.b32encode(self._seal.open(sealed, str(user))).decode())
        now = self._clock_ms() // (CODE_STEP_S * 1_000)
        found = None
        for step in range(now - CODE_DRIFT_STEPS, now + CODE_DRIFT_STEPS + 1):
            same = hmac.compare_digest(codes.generate_otp(step).encode(), code.encode())
            if same and step > last:
                found = step
        return found


def _recovery_codes() -> list[str]:
    texts = (
        base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode()
        for _ in range(RECOVERY_CODES)
    )
    return ["-".join(text[start : start + 4] for start in range(0, 16, 4)) for text in texts]


def _digest_of(user: int, code: str) -> str:
    """Return what is kept of a recovery code; 80 random bits need no slow hash."""
    bare = re.sub(r"[\s-]", "", code).upper()
    return digest(f"{user}:{bare}")
