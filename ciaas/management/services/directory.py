"""Who may know a service, and which of its scopes somebody holds."""

from __future__ import annotations

from collections.abc import Sequence

from ciaas.management.services.ports import Service, ServiceStore
from security.aaa.levels import Level
from security.aaa.oidc.errors import UnknownService
from security.aaa.oidc.ports import Application
from security.aaa.rights import Rights
from security.aaa.subjects import Who
from security.aaa.tokens import Principal, Scope
from security.ports import User

_PREFIX = "urn:uuid:"
_OF_PLATFORM = {
    Level.READ: Scope.READ,
    Level.WRITE: Scope.WRITE,
    Level.CONFIGURE: Scope.CONFIGURE,
}
"""Scope of the platform that a token needs before a service's scope of this level comes of it."""


class Services:
    """Services as somebody may know them; rights are asked each time. From any thread."""

    def __init__(self, store: ServiceStore, rights: Rights) -> None:
        self.store, self._rights = store, rights

    def seen(self, who: Who) -> Sequence[Service]:
        """Return the services that somebody may know, oldest first."""
        return [service for service in self.store.services() if self.knows(who, service)]

    def find(self, who: Who, uuid: str) -> Service:
        """Return a service that somebody may know; raises UnknownService."""
        found = self.store.service(uuid)
        if found is None or not self.knows(who, found):
            raise UnknownService("no service of that name is visible")
        return found

    def knows(self, who: Who, service: Service) -> bool:
        """Tell whether a user may know the service: by a right on it, or on one of its scopes."""
        return self._rights.under(who, service.path, Level.ACCESS)

    def scopes_of(self, who: Who, service: Service) -> frozenset[str]:
        """Return the scopes that somebody holds."""
        level = self._rights.level
        return frozenset(
            scope
            for scope, need in service.scopes.items()
            if level(who, (*service.path, scope)) >= need
        )

    # -- what the provider asks

    def held(self, user: User, audience: str) -> frozenset[str]:
        """Return the scopes that a user was granted; raises UnknownService."""
        who = Principal(user, frozenset(), 0).party()
        return self.scopes_of(who, self.find(who, audience.removeprefix(_PREFIX)))

    def within(self, audience: str, scopes: frozenset[str]) -> frozenset[str]:
        """Return the scopes that are no more than these of the platform; raises UnknownService."""
        found = self.store.service(audience.removeprefix(_PREFIX))
        if found is None or audience != found.audience:
            raise UnknownService("no service of that name is visible")
        return frozenset(
            scope for scope, need in found.scopes.items() if _OF_PLATFORM[need].value in scopes
        )

    def answers_for(self, application: Application, audience: str) -> bool:
        """Tell whether the service of this audience is the application's."""
        found = self.store.service(audience.removeprefix(_PREFIX))
        return found is not None and found.application == application.id
