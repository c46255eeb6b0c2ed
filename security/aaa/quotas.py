"""Quotas: how much each project may have, by default and by what operators set for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from enum import StrEnum

from security.aaa.errors import OverQuota, RuleBroken
from security.aaa.people_ports import QuotaStore
from security.limits import QUERY_WINDOW_MINUTES, QUOTA_MAX


class Quota(StrEnum):
    """What there is a quota of."""

    ENDPOINTS = "endpoints"
    """That exist; deleted ones do not count."""
    POINTS = "points"
    """Of those endpoints; removed ones do not count."""
    MESSAGES = "messages_per_s"
    """Of devices, and of apps: a request of observations is one."""
    STORAGE = "storage_bytes"
    """Of samples in history, as `ciaas.management.quotas.storage` counts them."""
    QUERIES = "query_s_per_hour"
    """Seconds that queries over the project's points take."""


class Quotas:
    """Knows each project's quotas, in memory; from any thread, in the process that changes them.

    Args:
        store: Keeps what operators set.
        defaults: Returns the quotas of a project, by its name, for which nothing was set.
        name_of: Returns the name of a project.
    """

    def __init__(
        self,
        store: QuotaStore,
        defaults: Callable[[str], Mapping[str, int]],
        name_of: Callable[[int], str],
    ) -> None:
        self._store, self._defaults, self._name_of = store, defaults, name_of
        self._own = dict(store.quotas())
        self._known: dict[tuple[int, Quota], int | None] = {}

    def bound(self, project: int, quota: Quota) -> int | None:
        """Return how much a project may have; None for as much as it likes."""
        key = (project, quota)
        if key not in self._known:
            found = self._own.get(project, {}).get(quota)
            if found is None:
                found = self._defaults(self._name_of(project)).get(quota)
            self._known[key] = None if found == QUOTA_MAX else found
        return self._known[key]

    def own(self, project: int) -> Mapping[str, int]:
        """Return what was set for a project by itself."""
        return self._own.get(project, {})

    def put(self, project: int, quota: Quota, bound: int | None) -> None:
        """Set a quota for one project; None returns to the default, QUOTA_MAX is no bound.

        Raises:
            RuleBroken: the bound is none.
        """
        if bound is not None and not 0 <= bound <= QUOTA_MAX:
            raise RuleBroken(f"a quota is 0 to {QUOTA_MAX:,}, which stands for no bound")
        self._store.put_quota(project, quota.value, bound)
        self._own = dict(self._store.quotas())
        self._known = {}

    def check(
        self, project: int, quota: Quota, used: int, retry_after_s: int | None = None
    ) -> None:
        """Make sure that a project may have so much; raises OverQuota."""
        bound = self.bound(project, quota)
        if bound is not None and used > bound:
            raise OverQuota(quota.value, bound, used, retry_after_s)


class QuerySeconds:
    """Seconds that queries took in the last hour, by project; from any thread.

    Args:
        clock_ms: Milliseconds since 1970 UTC.
    """

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self._clock_ms = clock_ms
        self._minutes: dict[int, dict[int, float]] = {}
        self._lock = threading.Lock()

    def spend(self, project: int, seconds: float) -> None:
        """Count what a query took."""
        minute = self._clock_ms() // 60_000
        with self._lock:
            mine = self._minutes.setdefault(project, {})
            mine[minute] = mine.get(minute, 0.0) + seconds
            for past in [one for one in mine if one <= minute - QUERY_WINDOW_MINUTES]:
                del mine[past]

    def spent(self, project: int) -> float:
        """Return the seconds of the last hour."""
        after = self._clock_ms() // 60_000 - QUERY_WINDOW_MINUTES
        with self._lock:
            found = self._minutes.get(project, {}).items()
            return sum(seconds for minute, seconds in found if minute > after)

    def retry_after_s(self, project: int) -> int:
        """Return when the first seconds of the last hour count no more."""
        now_ms = self._clock_ms()
        with self._lock:
            first = min(self._minutes.get(project, {now_ms // 60_000: 0.0}))
        return max(1, (first + QUERY_WINDOW_MINUTES) * 60 - now_ms // 1_000)
