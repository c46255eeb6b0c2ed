"""What the routes act on: the parts of the platform, handed over by the composition root."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from ciaas.kernel.address import EndpointId
from ciaas.kernel.catalogue import Catalogue
from ciaas.kernel.downlink.downlink import Downlink
from ciaas.kernel.sample import Frame
from ciaas.management.directory.desk import DirectoryDesk
from ciaas.management.enrolment.batches import Batches
from ciaas.management.events.desk import EventDesk
from ciaas.management.provisioning import Provisioning
from ciaas.ports import Clock, Commit, HistoryStore, Receipt, RegistryStore
from cpaas.access.assurance import Assurance
from cpaas.access.entitlements import Entitlements
from cpaas.access.keys import Keys
from cpaas.access.oidc import Oidc
from cpaas.access.pages.folder import PageFolder
from cpaas.access.people import People
from cpaas.composition.workshop import Workshop
from cpaas.processing.processing import Processing
from security.aaa.accounts import Accounts
from security.aaa.rights import Rights
from security.ports import GrantStore, Record, StateStore


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
class Observation:
    """What is observed of how the platform and the city's resources do."""

    states: StateStore
    metrics: Callable[[], bytes]
    """Returns OpenMetrics text."""


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
    entitlements: Entitlements
    """Grants under conditions; selections and endpoint groups."""
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
    commands: Downlink
    """Sets points of devices."""
    processing: Processing
    """Structured queries, objects and jobs."""
    events: EventDesk
    """Live feeds, subscriptions and alarms."""
    mashups: Workshop
    directory: DirectoryDesk
    """Search, and what is no endpoint yet."""
    assurance: Assurance
    """Groups, the log of accesses, checkpoints of the record, copies."""
    oidc: Oidc
    """Applications, the provider that they sign in by, and their services."""
    people: People
    """Second factors, sessions, invitations, quotas."""
    keys: Keys
    """The key ring, and keys that applications use."""
    enrolment: Batches
    """Sheets of devices."""
    observation: Observation
    """States of resources, and figures for a monitoring system."""
