"""Applications: identities of their own, with what they may ask for and their secrets."""

from __future__ import annotations

import hmac
import secrets
import uuid as uuids
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from security.aaa.errors import RuleBroken
from security.aaa.oidc.errors import UnknownApplication
from security.aaa.oidc.ports import Application, ApplicationStore, Secret
from security.aaa.oidc.redirects import check_redirect
from security.aaa.oidc.scopes import SENTENCES
from security.aaa.tokens import digest
from security.limits import (
    APPLICATION_NAME_CHARS_MAX,
    REDIRECT_URIS_MAX,
    SECRET_OVERLAP_S_MAX,
    USE_NOTED_EACH_S,
)

CODE = "authorization_code"
REFRESH = "refresh_token"
CREDENTIALS = "client_credentials"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
GRANTS = (CODE, REFRESH, CREDENTIALS, DEVICE, EXCHANGE)
NEED_SECRET = frozenset({CREDENTIALS, EXCHANGE})
ALGORITHMS = ("ES256", "RS256")
"""Of ID tokens; the second for libraries that know no other."""


class Applications:
    """Registers applications and proves them. Methods may be called from any thread.

    Args:
        store: Keeps them durably.
        clock_ms: Milliseconds since 1970 UTC.
    """

    def __init__(self, store: ApplicationStore, clock_ms: Callable[[], int]) -> None:
        self._store, self._clock_ms = store, clock_ms

    def create(self, wanted: Application) -> tuple[Application, str | None]:
        """Register an application.

        Returns:
            It, and its secret, which cannot be had again; None when it keeps none.

        Raises:
            RuleBroken: something of it breaks a rule, which the message states.
        """
        check(wanted)
        text = new_secret() if wanted.confidential else None
        fresh = replace(wanted, uuid=str(uuids.uuid4()), created_at=self._clock_ms())
        return self._store.add(fresh, None if text is None else digest(text)), text

    def all(self) -> Sequence[Application]:
        """Return every application, disabled ones too."""
        return self._store.applications()

    def named(self, uuid: str) -> Application:
        """Return the application of a ``client_id``; raises UnknownApplication."""
        found = self._store.application(uuid)
        if found is None:
            raise UnknownApplication("there is no application of that id")
        return found

    def find(self, uuid: str) -> Application | None:
        """Return an application that is not disabled, None when there is none."""
        found = self._store.application(uuid)
        return None if found is None or found.disabled else found

    def numbered(self, number: int) -> Application | None:
        """Return an application by its number, None when it was removed."""
        return self._store.by_number(number)

    def change(self, changed: Application) -> None:
        """Store what was changed of it; raises RuleBroken. Disabled, it is shut out at once."""
        check(changed)
        self._store.change(changed)

    def remove(self, application: Application) -> None:
        """Remove it with its rights and all that it was authorised to do."""
        self._store.remove(application)

    def secrets(self, application: Application) -> Sequence[Secret]:
        """Return its secrets in force, oldest first."""
        return self._store.secrets(application.id, self._clock_ms())

    def rotate(self, application: Application, overlap_s: int) -> str:
        """Return a new secret; the one before is good for so long.

        Raises:
            RuleBroken: it keeps no secret, or the overlap is too long.
        """
        if not application.confidential:
            raise RuleBroken("this application keeps no secret, so there is none to rotate")
        if not 0 <= overlap_s <= SECRET_OVERLAP_S_MAX:
            raise RuleBroken(f"two secrets overlap by 0 to {SECRET_OVERLAP_S_MAX} seconds")
        text, now = new_secret(), self._clock_ms()
        self._store.rotate(application.id, digest(text), now, now + overlap_s * 1_000)
        return text

    def proves(self, application: Application, text: str) -> bool:
        """Tell whether a text is one of its secrets in force, and note that it was used."""
        given = digest(text)
        for secret in self.secrets(application):
            if hmac.compare_digest(secret.digest, given):
                self._note(application, secret)
                return True
        return False

    def used(self, application: Application) -> None:
        """Note that an application without a secret was used."""
        self._note(application, None)

    def _note(self, application: Application, secret: Secret | None) -> None:
        now = self._clock_ms()
        last = application.last_used_at if secret is None else secret.last_used_at
        if last is None or now - last >= USE_NOTED_EACH_S * 1_000:
            self._store.used(application.id, None if secret is None else secret.id, now)


def new_secret() -> str:
    """Return a fresh client secret of 256 random bits."""
    return "bor_secret_" + secrets.token_urlsafe(32)


def check(application: Application) -> None:
    """Make sure that an application keeps the rules; raises RuleBroken."""
    name, grants = application.name, application.grants
    if not (0 < len(name) <= APPLICATION_NAME_CHARS_MAX and name.isprintable() and name.strip()):
        raise RuleBroken(
            f"an application's name has 1 to {APPLICATION_NAME_CHARS_MAX} printable characters"
        )
    _refuse_unknown("grant", grants, GRANTS)
    _refuse_unknown("scope", application.scopes, tuple(SENTENCES))
    if application.id_token_alg not in ALGORITHMS:
        raise RuleBroken(f"ID tokens are signed by one of {', '.join(ALGORITHMS)}")
    for uris in (application.redirect_uris, application.logout_uris):
        if len(uris) > REDIRECT_URIS_MAX:
            raise RuleBroken(f"an application has at most {REDIRECT_URIS_MAX} redirect addresses")
        for uri in uris:
            check_redirect(uri)
    if CODE in grants and not application.redirect_uris:
        raise RuleBroken(f"the grant {CODE} needs at least one address in redirect_uris")
    if not application.confidential and (unfit := sorted(grants & NEED_SECRET)):
        raise RuleBroken(f"{unfit[0]} is for applications that keep a secret")


def _refuse_unknown(kind: str, given: Collection[str], known: Sequence[str]) -> None:
    if not given:
        raise RuleBroken(f"name at least one {kind} of {', '.join(known)}")
    if unknown := sorted(set(given) - set(known)):
        raise RuleBroken(f"{unknown[0]!r:.80} is no {kind}; there are {', '.join(known)}")
