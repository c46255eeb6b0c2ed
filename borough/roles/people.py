"""Credentials of people, and quotas of projects, as core builds them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from borough.settings import Settings
from ciaas.kernel.address import EndpointId
from ciaas.kernel.catalogue import Catalogue
from ciaas.kernel.uplink import Decode, Decoded
from ciaas.management.monitoring.platform_points import PROJECT as PLATFORM_PROJECT
from ciaas.management.quotas.messages import Excess, MessageMeter
from ciaas.management.quotas.storage import StorageMeter
from ciaas.ports import Clock, HistoryStore, Message, RegistryError
from ciaas.storage.registry import Registry
from cpaas.access.people import Allowance, People, Tenancy
from security.aaa.accounts import Accounts
from security.aaa.invitations import Invitations
from security.aaa.known_devices import KnownDevices
from security.aaa.levels import Level
from security.aaa.people_ports import Invitation
from security.aaa.quotas import QuerySeconds, Quota, Quotas
from security.aaa.rights import Rights
from security.aaa.sessions import Sessions
from security.aaa.totp import SecondFactor
from security.encryption.keyring import KeyRing
from security.ports import User

log = logging.getLogger(__name__)

_KEEP_EACH_S = 15.0
_FULL, _RESTS = "over-quota-of-storage", "over-quota-of-messages"


class CityPeople:
    """What accounts need first, then what the API reaches, then what runs beside."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        keys: KeyRing,
        catalogue: Catalogue,
        rights: Rights,
        owners: Callable[[ArrayLike], NDArray[np.int64]],
        clock: Clock,
    ) -> None:
        """Build what accounts and the uplink need.

        Args:
            settings: Mode, and quotas where nothing else was set.
            registry: Keeps everything.
            keys: Seal the secrets of second factors.
            catalogue: Knows whose devices are.
            rights: Asked who belongs to a project.
            owners: Returns the project of each point by its number.
            clock: Of this machine.
        """
        self._settings, self._registry, self._catalogue = settings, registry, catalogue
        self._rights, self._now_ms = rights, clock.now_ms
        self.factor = SecondFactor(
            registry.factors,
            keys.envelope("second factors"),
            clock.now_ms,
            lambda user, project: rights.under(user, (str(project),), Level.ACCESS),
        )
        self.devices = KnownDevices(keys.derived("known devices"), clock.now_ms)
        registry.quotas.defaults = self._defaults
        self.quotas = Quotas(registry.quotas, self._defaults, self._name_of)
        self.messages = MessageMeter(self.quotas, self._project_of, clock.now_ms, self._over)
        self.storage = StorageMeter(self.quotas, registry.quotas, owners)
        self.allowance = Allowance(
            self.quotas,
            self.messages,
            self.storage,
            QuerySeconds(clock.now_ms),
            registry.quotas.counts,
            owners,
            self.changed,
        )
        self._sessions: Sessions | None = None
        self.refuse: Callable[[EndpointId, str, str], None] = lambda uuid, reason, detail: None
        """Ends a device's connection and has it told why; set once there are connections."""
        self.changed()

    def names(self) -> Sequence[str]:
        """Return the names that no password is made of."""
        return [project.name for project in self._registry.resources.projects()]

    def refusal(self, uuid: EndpointId) -> str | None:
        """Return why a device has to stay outside, None when it need not."""
        if self.messages.rests(uuid):
            return _RESTS
        project = self._project_of(uuid)
        return _FULL if project is not None and self.storage.is_full(project) else None

    def counted(self, decode: Decode) -> Decode:
        """Return a decoder that counts what it is given."""

        def decoding(messages: Sequence[Message]) -> Decoded:
            self.messages.count(messages)
            return decode(messages)

        return decoding

    def desk(self, accounts: Accounts) -> People:
        """Return what the API reaches."""
        registry = self._registry
        self._sessions = Sessions(
            accounts, registry.authorisations, registry.sessions, self._now_ms
        )
        return People(
            self.factor,
            self._sessions,
            registry.sessions,
            Invitations(
                registry.invitations, accounts, registry.grants, self._now_ms, self._may_invite
            ),
            Tenancy(
                self._settings.mode,
                self._settings.project_creation,
                self._settings.projects_per_user,
            ),
            self.allowance,
        )

    def changed(self) -> None:
        """Take over that a quota was set."""
        self.messages.active = any(
            self.quotas.bound(project.id, Quota.MESSAGES) is not None
            for project in self._registry.resources.projects()
        )

    async def run(self, history: HistoryStore) -> None:
        """Keep figures and last uses until cancelled; what cannot be kept now is kept later."""
        while True:
            try:
                await asyncio.to_thread(self.keep, history)
            except RegistryError as error:
                log.warning("last uses and figures of quotas are not kept this time: %s", error)
            await asyncio.sleep(_KEEP_EACH_S)

    def keep(self, history: HistoryStore) -> None:
        """Write what was gathered, and end connections of projects that are full."""
        if self._sessions is not None:
            self._sessions.flush()
        self.storage.keep(history)
        full = {
            project.id
            for project in self._registry.resources.projects()
            if self.storage.is_full(project.id)
        }
        for endpoint in self._catalogue.endpoints() if full else ():
            if endpoint.project in full:
                self.refuse(endpoint.uuid, _FULL, "the project's quota of storage is used up")

    # -- private pieces

    def _over(self, excess: Excess) -> None:
        detail = (
            f"{excess.seen:,} messages within the window; {excess.bound:,} a second are allowed"
        )
        for uuid in excess.resting:
            self.refuse(uuid, _RESTS, detail)

    def _project_of(self, uuid: EndpointId) -> int | None:
        endpoint = self._catalogue.endpoint(uuid)
        return None if endpoint is None else endpoint.project

    def _name_of(self, project: int) -> str:
        for known in self._registry.resources.projects():
            if known.id == project:
                return known.name
        return ""

    def _defaults(self, project: str) -> Mapping[str, int]:
        if project == PLATFORM_PROJECT:
            return {}
        return dict(self._set_quotas())

    def _set_quotas(self) -> Iterator[tuple[str, int]]:
        for quota in Quota:
            bound = getattr(self._settings, f"quota_{quota.value}")
            if bound:
                yield quota.value, bound

    def _may_invite(self, inviter: User, invitation: Invitation) -> bool:
        """Tell whether an inviter may still give what an invitation promises."""
        if inviter.admin:
            return True
        if invitation.admin or invitation.project is None:
            return False
        held = self._rights.level(inviter.id, (str(invitation.project),))
        wanted = invitation.level or Level.DENY
        return held.includes(Level.OWN) and held.includes(wanted)
