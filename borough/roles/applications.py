"""The OpenID provider and the services of applications, as core builds them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from ciaas.computing.reach import Reach
from ciaas.limits import SERVICE_CHECKS_AT_ONCE
from ciaas.management.services.directory import Services
from ciaas.management.services.health import ServiceWatch
from ciaas.ports import Clock
from ciaas.storage.registry import Registry
from cpaas.access.oidc import Oidc
from security.aaa.accounts import Accounts
from security.aaa.oidc.applications import Applications
from security.aaa.oidc.provider import Provider
from security.aaa.oidc.sessions import Sessions
from security.aaa.oidc.tokens.access import AccessTokens
from security.aaa.oidc.tokens.identity import IdTokens
from security.aaa.oidc.tokens.signing import SigningKeys
from security.aaa.rights import Rights
from security.encryption.keyring import KeyRing

if TYPE_CHECKING:
    from ciaas.computing.outgoing import Outgoing


class CityApplications:
    """Tokens first, since accounts ask them; the provider over both."""

    def __init__(
        self,
        registry: Registry,
        keys: KeyRing,
        issuer: str,
        version: Callable[[], int],
        clock: Clock,
        outgoing_allow: Iterable[str],
    ) -> None:
        """Build what accounts need.

        Args:
            registry: Keeps everything.
            keys: Seal the signing keys.
            issuer: Address of the provider, without a slash at its end.
            version: The registry's version, cheap to ask.
            clock: Of this machine.
            outgoing_allow: Private networks where services may lie.
        """
        self._registry, self._clock, self._issuer = registry, clock, issuer
        self._keys = SigningKeys(
            registry.signing_keys, keys.envelope("signing keys"), clock.now_ms, version
        )
        self.access = AccessTokens(
            self._keys,
            registry.applications,
            registry.authorisations,
            registry.accounts,
            issuer,
            clock.now_ms,
        )
        reach = Reach.of(outgoing_allow)
        self.watch = ServiceWatch(registry.services, lambda: _outgoing(reach), clock)

    def desk(self, accounts: Accounts, rights: Rights) -> Oidc:
        """Return what the routes act on."""
        registry, now_ms = self._registry, self._clock.now_ms

        def groups_of(user: int) -> Sequence[str]:
            mine = rights.groups_of(user)
            return sorted(group.name for group in registry.groups.groups() if group.id in mine)

        services = Services(registry.services, rights)
        provider = Provider(
            Applications(registry.applications, now_ms),
            registry.authorisations,
            registry.authorisation_requests,
            registry.accounts,
            Sessions(accounts, registry.authorisations, now_ms),
            self.access,
            IdTokens(self._keys, self._issuer, groups_of, now_ms),
            self._keys,
            services,
            now_ms,
        )
        return Oidc(provider, services, self.watch)


def _outgoing(reach: Reach) -> Outgoing:
    from ciaas.computing.outgoing import Outgoing  # for who has services: not at each start

    return Outgoing(reach, connections=SERVICE_CHECKS_AT_ONCE)
