"""What the routes of people and projects act on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ciaas.management.quotas.messages import MessageMeter
from ciaas.management.quotas.storage import StorageMeter
from security.aaa.invitations import Invitations
from security.aaa.people_ports import LifeStore
from security.aaa.quotas import QuerySeconds, Quota, Quotas
from security.aaa.sessions import Sessions
from security.aaa.totp import SecondFactor


class Counts(Protocol):
    """Tells what projects have."""

    def __call__(self) -> Mapping[int, tuple[int, int]]:
        """Return each project's endpoints and points."""
        ...


@dataclass(frozen=True, slots=True)
class Tenancy:
    """Who may make projects."""

    mode: Literal["private", "public"]
    creation: Literal["operators", "users"]
    per_user: int
    """Projects that one user may own before no more can be made."""
    creating: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True)
class Allowance:
    """Quotas, and what is used of them."""

    quotas: Quotas
    messages: MessageMeter
    storage: StorageMeter
    queries: QuerySeconds
    counts: Counts
    owners: Callable[[ArrayLike], NDArray[np.int64]]
    """Returns the project of each point by its number, a negative number for nobody's."""
    changed: Callable[[], None]
    """Called after a quota was set."""

    def used(self, project: int) -> Mapping[Quota, float]:
        """Return what a project uses of each quota; messages count only where there is one."""
        endpoints, points = self.counts().get(project, (0, 0))
        return {
            Quota.ENDPOINTS: endpoints,
            Quota.POINTS: points,
            Quota.MESSAGES: self.messages.rate(project),
            Quota.STORAGE: self.storage.used(project),
            Quota.QUERIES: self.queries.spent(project),
        }

    def admit_write(self, projects: Iterable[int]) -> None:
        """Make sure that an app's samples may be taken; raises OverQuota."""
        for project in projects:
            self.storage.check(project)
            self.messages.take(project)

    def spending(self, points: Sequence[int]) -> Callable[[], AbstractContextManager[None]]:
        """Return what makes a block whose time counts as spent on these points' projects.

        Raises:
            OverQuota: one of the projects has had its seconds of this hour.
        """
        projects = [one for one in np.unique(self.owners(points)).tolist() if one >= 0]
        for project in projects:
            spent, wait_s = self.queries.spent(project), self.queries.retry_after_s(project)
            bound = self.quotas.bound(project, Quota.QUERIES)
            if bound is not None and spent >= bound:
                self.quotas.check(project, Quota.QUERIES, int(spent) + 1, wait_s)
        return lambda: self._spend(projects)

    @contextmanager
    def _spend(self, projects: Sequence[int]) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            took = (time.monotonic() - began) / max(1, len(projects))
            for project in projects:
                self.queries.spend(project, took)


@dataclass(frozen=True, slots=True)
class People:
    """Credentials and sessions of people; how they come; what their projects may have."""

    factor: SecondFactor
    sessions: Sessions
    lives: LifeStore
    invitations: Invitations
    tenancy: Tenancy
    allowance: Allowance
