"""One open registry: city resources, accounts, grants and certificates over one file."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from ciaas.ports import Clock
from ciaas.storage.registry.commands.store import Commands
from ciaas.storage.registry.database import Database
from ciaas.storage.registry.dependability.states import States
from ciaas.storage.registry.directory.journal import Journal
from ciaas.storage.registry.enrolment.store import Enrolments
from ciaas.storage.registry.events.alarms import Alarms
from ciaas.storage.registry.events.subscriptions import Subscriptions
from ciaas.storage.registry.keys.store import NamedKeys
from ciaas.storage.registry.keys.subjects import DataSubjects
from ciaas.storage.registry.mashups.store import Mashups
from ciaas.storage.registry.migration import check
from ciaas.storage.registry.oidc.applications import Applications
from ciaas.storage.registry.oidc.authorisations import Authorisations
from ciaas.storage.registry.oidc.keys import SigningKeys
from ciaas.storage.registry.oidc.requests import Requests
from ciaas.storage.registry.oidc.services import Services
from ciaas.storage.registry.people.factors import Factors
from ciaas.storage.registry.people.invitations import Invitations
from ciaas.storage.registry.people.quotas import Quotas
from ciaas.storage.registry.people.sessions import Sessions
from ciaas.storage.registry.processing.jobs import Jobs
from ciaas.storage.registry.processing.objects import Objects
from ciaas.storage.registry.resources.changes import ChangeLog
from ciaas.storage.registry.resources.connections import Connections
from ciaas.storage.registry.resources.endpoints import Endpoints
from ciaas.storage.registry.resources.overlays import Overlays
from ciaas.storage.registry.resources.points import Points
from ciaas.storage.registry.resources.projects import Projects
from ciaas.storage.registry.resources.sources import Sources
from ciaas.storage.registry.security.accounts import Accounts
from ciaas.storage.registry.security.certificates import Certificates
from ciaas.storage.registry.security.checkpoints import Checkpoints
from ciaas.storage.registry.security.grants import Grants
from ciaas.storage.registry.security.groups import Groups
from ciaas.storage.registry.security.permits import Permits
from ciaas.storage.registry.security.sealed import sealed_rows
from ciaas.storage.registry.security.sets import Sets


class Resources(ChangeLog, Projects, Endpoints, Points, Overlays, Connections, Sources):
    """`ciaas.ports.RegistryStore`: each parent has the methods of one noun."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock


class Registry:
    """The parts of one open registry; any thread may use them.

    Each change raises the version by one and is durable (synced to the disk) when its method
    returns. A refusal is a `RegistryError` that says what to do.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self.resources = Resources(database, clock)
        self.journal = Journal(database)
        self.accounts = Accounts(database, clock)
        self.grants = Grants(database)
        self.groups = Groups(database)
        self.permits = Permits(database)
        self.sets = Sets(database, clock)
        self.checkpoints = Checkpoints(database)
        self.certificates = Certificates(database, clock)
        self.alarms = Alarms(database)
        self.subscriptions = Subscriptions(database)
        self.states = States(database)
        self.objects = Objects(database)
        self.jobs = Jobs(database)
        self.commands = Commands(database)
        self.mashups = Mashups(database, clock)
        self.keys = NamedKeys(database)
        self.subjects = DataSubjects(database)
        self.sealed = sealed_rows(database)
        self.applications = Applications(database)
        self.authorisations = Authorisations(database)
        self.authorisation_requests = Requests(database, self.authorisations)
        self.signing_keys = SigningKeys(database)
        self.services = Services(database)
        self.factors = Factors(database)
        self.sessions = Sessions(database, clock)
        self.invitations = Invitations(database, clock)
        self.quotas = Quotas(database)
        self.enrolments = Enrolments(database)

    def version(self) -> int:
        """Return the number of the last change, of whatever kind."""
        return self._database.version()

    def on_change(self, listener: Callable[[int], None]) -> None:
        """Have each new version announced after its commit, by the thread that changed.

        Two threads may announce out of order; the listener must not raise.
        """
        self._database.on_change(listener)

    def close(self) -> None:
        """Close the file; call it when no other thread uses the registry any more."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_registry(path: Path, read_only: bool = False, *, clock: Clock | None = None) -> Registry:
    """Open a registry that `migrate` has made or brought up to date.

    Args:
        path: The SQLite file; one process at most may have it open for changes.
        read_only: Every change is refused; for roles that follow what another process writes.
        clock: Stamps creation and tells what has expired; None takes the machine's.

    Raises:
        Unusable: there is no registry at this path, it is damaged, or of another version.
    """
    check(path)
    return Registry(Database(path, read_only=read_only), clock or _MachineClock())


class _MachineClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000
