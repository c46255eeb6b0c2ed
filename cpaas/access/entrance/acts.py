"""Which act a request is, by its verb and where it goes."""

from __future__ import annotations

from collections.abc import Mapping

from security.aaa.acts import Act

LOOKS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Verbs that change nothing."""
_PREFIX = "/api/v1/"

CHANGES: Mapping[str, Act] = {
    "account": Act.LOGIN,
    "alarms": Act.WRITE,
    "applications": Act.ADMINISTRATION,
    "authorisations": Act.LOGIN,
    "connections": Act.ADMINISTRATION,
    "data": Act.COMMAND,
    "data-subjects": Act.ADMINISTRATION,
    "endpoint-groups": Act.GRANT,
    "endpoints": Act.ADMINISTRATION,
    "enrolment-profiles": Act.ADMINISTRATION,
    "enrolments": Act.ADMINISTRATION,
    "grants": Act.GRANT,
    "groups": Act.GRANT,
    "jobs": Act.ADMINISTRATION,
    "invitations": Act.GRANT,
    "keys": Act.ADMINISTRATION,
    "login": Act.LOGIN,
    "mashups": Act.ADMINISTRATION,
    "metadata": Act.ADMINISTRATION,
    "objects": Act.WRITE,
    "observations": Act.WRITE,
    "projects": Act.ADMINISTRATION,
    "provision": Act.ADMINISTRATION,
    "query": Act.READ,
    "search": Act.READ,
    "selections": Act.GRANT,
    "services": Act.ADMINISTRATION,
    "second-factor": Act.ADMINISTRATION,
    "session": Act.LOGIN,
    "sessions": Act.LOGIN,
    "setup": Act.LOGIN,
    "signing-keys": Act.ADMINISTRATION,
    "subscriptions": Act.ADMINISTRATION,
    "tokens": Act.LOGIN,
    "users": Act.ADMINISTRATION,
}
"""Of requests that are no mere look, by what stands first behind the API's prefix."""

ELSEWHERE: Mapping[str, Act] = {"/oauth2/": Act.LOGIN, "/.well-known/est/": Act.ADMINISTRATION}
"""The same outside of it."""


def act_of(verb: str, path: str) -> Act:
    """Return what a request is, or tries to be."""
    if verb in LOOKS:
        # Handing out a certificate, or a sign-in by a page, is more than a look.
        if path.startswith(f"{_PREFIX}provision/"):
            return Act.ADMINISTRATION
        return Act.LOGIN if path.startswith("/oauth2/") else Act.READ
    if path.startswith(_PREFIX):
        if path.endswith("/dry-run"):
            return Act.READ
        if path.endswith("/grants"):
            return Act.GRANT
        first = path.removeprefix(_PREFIX).partition("/")[0]
        return CHANGES.get(first, Act.ADMINISTRATION)
    found = (act for prefix, act in ELSEWHERE.items() if path.startswith(prefix))
    return next(found, Act.ADMINISTRATION)
