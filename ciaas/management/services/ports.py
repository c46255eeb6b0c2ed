"""What is known of services, and the store that keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from security.aaa.levels import Level


@dataclass(frozen=True, slots=True)
class Service:
    """An API that an application published."""

    uuid: str
    application: int
    project: int
    name: str
    description: str
    base_url: str
    health_url: str
    """Empty when its health is not looked at."""
    scopes: Mapping[str, Level]
    """What each scope needs: that level on the service, or on its project."""
    release: str
    published_at: int
    id: int = 0

    @property
    def audience(self) -> str:
        """Whom tokens for it name; ours alone to give, so that no other can pass for it."""
        return f"urn:uuid:{self.uuid}"

    @property
    def path(self) -> tuple[str, ...]:
        """Where rights on it are granted; those on a scope lie one level below."""
        return (str(self.project), self.uuid)


@dataclass(frozen=True, slots=True)
class Release:
    """What was published under one version; it never changes."""

    release: str
    openapi: Mapping[str, Any]
    scopes: Mapping[str, Level]
    base_url: str
    published_at: int


class ServiceStore(Protocol):
    """Services and their releases. Changes are durable when a method returns."""

    def publish(self, service: Service, openapi: Mapping[str, Any]) -> Service:
        """Keep a new service, or another release of one that has a number.

        Raises:
            Conflict: the release is known already, or a bound is reached.
        """
        ...

    def service(self, uuid: str) -> Service | None: ...

    def services(self) -> Sequence[Service]:
        """Return all that were not removed, oldest first."""
        ...

    def releases(self, service: int) -> Sequence[Release]:
        """Return them newest first."""
        ...

    def remove(self, service: Service) -> None:
        """Remove it with what was granted on it; its releases stay."""
        ...
