"""Who a grant is for: strings with their kind in front, and what one caller stands for at once."""

from __future__ import annotations

import re
from typing import NamedTuple, TypeAlias

from security.limits import CLAIM_CHARS_MAX, PURPOSE_CHARS_MAX, SUBJECT_CHARS_MAX

_USER, _GROUP, _APP, _CLAIM = "user", "group", "app", "claim"
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_KIND = re.compile(r"[a-z][a-z0-9-]{0,31}")
_PURPOSE = re.compile(r"[a-z0-9][a-z0-9._-]*")


class Party(NamedTuple):
    """One caller: everything in whose name it may be granted something."""

    user: int | None
    """Number of the user; None for who has no account here, such as a federated caller."""
    subjects: frozenset[str] = frozenset()
    """Beside the user and the user's groups: ``app:<uuid>``, ``claim:<issuer>#<claim>=<value>``."""
    purpose: str | None = None
    """What the request is for, as it says; grants for another purpose do not count."""


Who: TypeAlias = int | Party
"""A user by number, or a caller with all that it stands for."""


def user_subject(number: int) -> str:
    """Return the subject of a user."""
    return f"{_USER}:{number}"


def group_subject(number: int) -> str:
    """Return the subject of a group."""
    return f"{_GROUP}:{number}"


def app_subject(uuid: str) -> str:
    """Return the subject of an application."""
    return f"{_APP}:{uuid}"


def claim_subject(issuer: str, claim: str, value: str) -> str:
    """Return the subject of everybody of whom an issuer says this."""
    return f"{_CLAIM}:{issuer}#{claim}={value}"


def own_subjects(name: str) -> frozenset[str]:
    """Return the subjects that a user is by its name: an application's is ``app:<uuid>``."""
    return frozenset({name}) if name.startswith(f"{_APP}:") else frozenset()


def number_of(subject: str) -> tuple[str, int] | None:
    """Return kind and number of a user or a group, None for any other subject."""
    kind, _, rest = subject.partition(":")
    return (kind, int(rest)) if kind in (_USER, _GROUP) else None


def check_subject(text: str) -> str:
    """Return the text when it is a subject that is written as it is kept: no user and no group.

    Raises:
        ValueError: it is none; the message says how one is written.
    """
    kind, colon, rest = text.partition(":")
    if not colon or not _KIND.fullmatch(kind) or not rest:
        raise ValueError("a subject is <kind>:<name>, such as app:<uuid> or user:<name>")
    if len(text) > SUBJECT_CHARS_MAX or not text.isprintable():
        raise ValueError(f"a subject has at most {SUBJECT_CHARS_MAX} printable characters")
    if kind == _APP and not _UUID.fullmatch(rest):
        raise ValueError("an application is app:<uuid>, the UUID in small letters")
    if kind == _CLAIM:
        issuer, hash_, said = rest.partition("#")
        claim, equals, value = said.partition("=")
        if not (issuer and hash_ and claim and equals and value):
            raise ValueError("a federated claim is claim:<issuer>#<claim>=<value>")
        if max(len(claim), len(value)) > CLAIM_CHARS_MAX:
            raise ValueError(f"name and value of a claim have at most {CLAIM_CHARS_MAX} characters")
    return text


def check_purpose(text: str) -> str:
    """Return the text when it can name a purpose.

    Raises:
        ValueError: it cannot; the message says how one is written.
    """
    if len(text) > PURPOSE_CHARS_MAX or not _PURPOSE.fullmatch(text):
        raise ValueError(
            f"a purpose has 1 to {PURPOSE_CHARS_MAX} small letters, digits or any of . _ -, and "
            "begins with a letter or digit, such as road-maintenance"
        )
    return text
