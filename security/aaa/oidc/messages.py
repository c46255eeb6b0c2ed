"""What a browser or an application asks of the provider, and what it is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from security.aaa.oidc.ports import Application
from security.aaa.oidc.sessions import Session
from security.limits import PARAMETER_CHARS_MAX, PARAMETERS_MAX


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: its parameters, and how its sender proves who it is."""

    parameters: Mapping[str, str]
    """None stands twice: `of` refuses such a request."""
    authorization: str = field(default="", repr=False)
    """The header of that name."""
    method: str = "POST"
    session: Session | None = None
    """The person in front of the browser; None for nobody, and where there is no browser."""

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]], **more: Any) -> Asked:
        """Return the request of some parameters; an empty one counts as absent.

        Raises:
            ValueError: one stands twice, or there are too many, or one is too long.
        """
        found: dict[str, str] = {}
        for number, (name, value) in enumerate(pairs, 1):
            if number > PARAMETERS_MAX:
                raise ValueError(f"a request has at most {PARAMETERS_MAX} parameters")
            if name in found:
                raise ValueError("a parameter stands more than once")
            if len(name) + len(value) > PARAMETER_CHARS_MAX:
                raise ValueError(f"a parameter has at most {PARAMETER_CHARS_MAX} characters")
            if value:
                found[name] = value
        return cls(found, **more)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer in OAuth's own words."""

    status: int
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    application: str = ""
    """The ``client_id`` of the application that proved itself, for the record."""

    @property
    def location(self) -> str | None:
        """Where the browser is sent; None when it is not."""
        return self.headers.get("Location")


@dataclass(frozen=True, slots=True)
class Login:
    """The person has to sign in first."""

    application: Application
    redirect_uri: str
    again: bool
    """True when somebody is signed in, and has to prove it anew."""


@dataclass(frozen=True, slots=True)
class Consent:
    """The person has to say whether the application may."""

    application: Application
    redirect_uri: str
    scopes: Sequence[str]
    session: Session


@dataclass(frozen=True, slots=True)
class Mistake:
    """A request that cannot be answered to the application: the person is told."""

    detail: str
