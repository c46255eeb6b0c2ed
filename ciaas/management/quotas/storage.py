"""Bytes of samples that each project has in history.

A sample counts SAMPLE_BYTES and the length of its text: what it takes before compression, so that
the figure does not depend on when segments are merged.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ciaas.kernel.sample import Frame, Kind
from ciaas.limits import SAMPLE_BYTES
from ciaas.ports import Commit, HistoryStore
from security.aaa.people_ports import QuotaStore
from security.aaa.quotas import Quota, Quotas


class StorageMeter:
    """Follows commits; what it counted is kept now and then, and made good after a crash.

    Args:
        quotas: How much each project may have.
        store: Keeps the figures with the commit that they reach to.
        owners: Returns the project of each point by its number, a negative one for nobody's.
    """

    def __init__(
        self, quotas: Quotas, store: QuotaStore, owners: Callable[[ArrayLike], NDArray[np.int64]]
    ) -> None:
        self._quotas, self._store, self._owners = quotas, store, owners
        self._commit, kept = store.stored()
        self._kept = self._commit
        self._bytes: dict[int, int] = dict(kept)
        self._behind, self._ending = True, False
        self._lock = threading.Lock()

    def catch_up(self, history: HistoryStore) -> None:
        """Count what was committed since the figures were kept; blocks for as long as that takes.

        Commits that come meanwhile are looked up in history as well. `end` breaks it off.
        """
        while True:
            for commit in history.commits(self._commit):
                if self._ending:
                    return
                with self._lock:
                    self._count(commit)
            with self._lock:
                if history.last_commit() <= self._commit:
                    self._behind = False
                    return

    def committed(self, commit: Commit) -> None:
        """Take a commit into account; the caller gives them in order."""
        with self._lock:
            if not self._behind and commit.number == self._commit + 1:
                self._count(commit)
            elif commit.number > self._commit:
                self._behind = True

    def keep(self, history: HistoryStore) -> None:
        """Write the figures to the store, and count what was missed."""
        if self._behind and not self._ending:
            self.catch_up(history)
        with self._lock:
            commit, figures = self._commit, dict(self._bytes)
        if commit != self._kept:
            self._store.put_stored(commit, figures)
            self._kept = commit

    def end(self) -> None:
        """Count no more of what was missed; the next start goes on from what was kept."""
        self._ending = True

    def used(self, project: int) -> int:
        """Return a project's bytes."""
        with self._lock:
            return self._bytes.get(project, 0)

    def is_full(self, project: int) -> bool:
        """Tell whether a project has as much as it may have."""
        bound = self._quotas.bound(project, Quota.STORAGE)
        return bound is not None and self.used(project) >= bound

    def check(self, project: int) -> None:
        """Make sure that a project may store more; raises OverQuota."""
        self._quotas.check(project, Quota.STORAGE, self.used(project) + 1)

    def _count(self, commit: Commit) -> None:
        if commit.number <= self._commit:
            return
        self._commit = commit.number
        owners = self._owners(commit.frame.point)
        weights = np.full(len(owners), SAMPLE_BYTES, np.int64) + _text_bytes(commit.frame)
        present = owners >= 0
        if present.any():
            sums = np.bincount(owners[present], weights[present])
            for project in np.nonzero(sums)[0].tolist():
                self._bytes[project] = self._bytes.get(project, 0) + int(sums[project])


def _text_bytes(frame: Frame) -> NDArray[np.int64]:
    """Return the length of each sample's text, zero for numbers."""
    sizes = np.zeros(len(frame), np.int64)
    rows = np.nonzero(frame.kind == Kind.TEXT)[0]
    if len(rows):
        sizes[rows] = [len(text) for text in frame.txt[rows]]
    return sizes
