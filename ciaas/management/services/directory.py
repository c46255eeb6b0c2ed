"""Who may know a service, and which of its scopes somebody holds."""

from __future__ import annotations

from collections.abc import Sequence

from ciaas.management.services.ports import Service, ServiceStore
from security.aaa.levels import Level
from security.aaa.oidc.errors import UnknownService
from security.aaa.oidc.ports import Application
from security.aaa.rights import Rights
from security.aaa.tokens import Scope
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

    def seen(self, user: int) -> Sequence[Service]:
        """Return the services that a user may know, oldest first."""
        return [service for service in self.store.services() if self.knows(user, service)]

    def find(self, user: int, uuid: str) -> Service:
        """Return a service that a user may know; raises UnknownService."""
        found = self.store.service(uuid)
        if found is None or not self.knows(user, found):
            raise UnknownService("no service of that name is visible")
        return found

    def knows(self, user: int, service: Service) -> bool:
        """Tell whether a user may know the service: by a right on it, or on one of its scopes."""
        return self._rights.under(user, service.path, Level.ACCESS)

    def scopes_of(self, user: int, service: Service) -> frozenset[str]:
        """Return the scopes that a user holds."""
        level = self._rights.level
        return frozenset(
            scope
            for scope, need in service.scopes.items()
            if level(user, (*service.path, scope)) >= need
        )

    # -- what the provider asks

    def held(self, user: User, audience: str) -> frozenset[str]:
        """Return the scopes that a user was granted; raises UnknownService."""
        return self.scopes_of(user.id, self.find(user.id, audience.removeprefix(_PREFIX)))

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
