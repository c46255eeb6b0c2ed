"""Tells the record of each commit: one entry with its number, extent and digest.

It follows commits by number like everybody who follows them, off the uplink's way. How far it is
stands in the record itself: what a crash left out is read from history at the next start and told
then, so that no commit is missing, however late its entry is.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ciaas.limits import COMMITS_RECORDED_EACH_S
from ciaas.management.events.fingerprint import digest_of
from ciaas.management.events.follower import Follower
from ciaas.management.events.hub import Hub, Recent
from ciaas.ports import Commit, HistoryError
from security.ports import Record

log = logging.getLogger(__name__)

Sealed = Callable[[Commit], Commit]
"""Returns a commit as it lies on the disk, where confidential values are under a key."""
COMMIT = "commit"
"""Kind of its entries."""
_AGAIN_S = 1.0


class CommitWitness:
    """Follows commits by a thread of its own and records each.

    Args:
        hub: What it follows.
        record: Where it tells.
        told: Returns the number of the last commit that the record was told of, None when it was
            told of none yet; it may take a while.
        sealed: Of a commit, what the digest is of: so it stays right when a key is erased.
        failed: Told when the thread ends by a fault.
    """

    def __init__(
        self,
        hub: Hub,
        record: Record,
        told: Callable[[], int | None],
        sealed: Sealed,
        failed: Callable[[BaseException], None],
    ) -> None:
        self._hub, self._record, self._told, self._failed = hub, record, told, failed
        self._sealed = sealed
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="witness", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Tell of what was recorded until now, and end."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            follower = Follower(self._hub, self._begin())
            while True:
                last = self._stopping.is_set()  # read first: what comes before the stop is told of
                self._look(follower)
                if last:
                    return
                self._stopping.wait(COMMITS_RECORDED_EACH_S)
        except BaseException as error:
            self._failed(error)
            raise

    def _begin(self) -> int:
        """Return the commit to go on behind.

        A record that was never told of a commit begins with the next one and says so; one of
        another history, such as before a restore, goes on with what this history has.
        """
        newest, told = self._hub.history.last_commit(), self._told()
        if told is not None:
            return min(told, newest)
        while newest and not self._stopping.is_set():
            if self._append([{"kind": COMMIT, "who": "core", "commit": newest, "untold": newest}]):
                break
            self._stopping.wait(_AGAIN_S)
        return newest

    def _look(self, follower: Follower) -> None:
        """Tell of the commits that have come, or go back to where it has to try again."""
        after, commits = follower.after, self._next(follower)
        while commits:
            if not self._append([_entry(self._sealed(recent.commit)) for recent in commits]):
                follower.after = after
                return
            after, commits = follower.after, self._next(follower)

    def _next(self, follower: Follower) -> Sequence[Recent]:
        try:
            return follower.next_blocking(0.0)
        except HistoryError as error:
            log.warning("the record is told of commits later: %s", error)
            return ()

    def _append(self, entries: list[Mapping[str, Any]]) -> bool:
        try:
            self._record.append_all(entries)
        except OSError as error:  # a full disk may have room again; else the next start goes on
            log.warning("the record is told of commits later: %s", error)
            return False
        return True


def _entry(commit: Commit) -> Mapping[str, Any]:
    frame = commit.frame
    entry: dict[str, Any] = {
        "kind": COMMIT,
        "who": "core",
        "commit": commit.number,
        "count": len(frame),
        "digest": digest_of(frame),
    }
    if len(frame):
        entry["observed"] = [int(frame.observed.min()), int(frame.observed.max())]
        entry["received"] = [int(frame.received.min()), int(frame.received.max())]
    return entry
