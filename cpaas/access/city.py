"""What the routes act on: the parts of the platform, handed over by the composition root."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from ciaas.kernel.address import EndpointId
from ciaas.kernel.catalogue import Catalogue
from ciaas.kernel.sample import Frame
from ciaas.management.events.desk import EventDesk
from ciaas.management.provisioning import Provisioning
from ciaas.ports import Clock, Commit, HistoryStore, Receipt, RegistryStore
from cpaas.access.pages.folder import PageFolder
from security.aaa.accounts import Accounts
from security.aaa.rights import Rights
from security.ports import GrantStore, Record


class Writer(Protocol):
    """The door of the uplink for an app's own samples."""

    def __call__(self, frame: Frame, receipt: Receipt | None) -> Future[Commit]:
        """Hand over samples; the future holds their commit. Raises Busy."""
        ...


class Presence(Protocol):
    """Who is connected now."""

    def online(self, uuid: EndpointId) -> bool:
        """Return True while the endpoint's device is connected or its adapter reads it."""
        ...

    def disconnect(self, uuid: EndpointId) -> None:
        """End the device's connection; returns at once."""
        ...


class Connections(Protocol):
    """Adapters' connection documents."""

    def put(self, project: int, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """Check and store a document; returns its revision and endpoints. Raises ValueError."""
        ...


@dataclass(frozen=True, slots=True)
class City:
    """Everything the HTTP API reaches."""

    clock: Clock
    registry: RegistryStore
    catalogue: Catalogue
    history: HistoryStore
    write: Writer
    presence: Presence
    connections: Connections
    provisioning: Provisioning
    accounts: Accounts
    grants: GrantStore
    rights: Rights
    record: Record
    ready: Callable[[], str | None]
    """Returns None when the platform is ready, else what it is waiting for."""
    status: Callable[[], Mapping[str, Any]]
    """Counters and roles, for administrators."""
    future_ms: int
    """A sample further ahead of its arrival is refused."""
    refresh_rights: Callable[[], None]
    """Makes a change of grants or users hold in this process at once."""
    pages: PageFolder
    """The web console, once it is built."""
    events: EventDesk
    """Live feeds, subscriptions and alarms."""
