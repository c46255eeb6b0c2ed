"""Looks at every recorded sample of a point whose overlay declares an alarm."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ciaas.interoperability.alarm import Declaration
from ciaas.kernel.sample import Frame, Verdict
from ciaas.limits import ALARM_FLAP_MS, ALARM_SETTLE_S, ALARMS_OPEN_MAX
from ciaas.management.alarms.ladder import (
    Cause,
    Outcome,
    acknowledged,
    cleared,
    raised,
    settled,
)
from ciaas.management.alarms.ports import Alarm, AlarmStore, Harvest, State
from ciaas.management.alarms.steps import Steps
from ciaas.management.events.follower import Follower
from ciaas.management.events.hub import Hub, Recent
from ciaas.management.events.line import value_of
from ciaas.ports import Clock, HistoryError, Point, RegistryError

log = logging.getLogger(__name__)

_AGAIN_S = 1.0


class AlarmWatch:
    """Follows commits in a thread of its own, from where it stood.

    What some commits change and the number of the last of them are stored in one transaction: a
    process that is killed in between looks at them again and comes to the same. So nothing is
    raised twice, and nothing is missed.

    Args:
        hub: Whose commits are followed.
        store: Keeps alarms.
        overlay: Returns all that is said of a point, by its number.
        clock: Stamps steps.
        failed: Told when the thread ends by a fault; the process has to end.
    """

    def __init__(
        self,
        hub: Hub,
        store: AlarmStore,
        overlay: Callable[[int], Mapping[str, Any]],
        clock: Clock,
        failed: Callable[[BaseException], None],
    ) -> None:
        self._hub, self.store, self._overlay = hub, store, overlay
        self._clock, self._failed = clock, failed
        self._changed: deque[Sequence[Point]] = deque()
        self._declared: dict[int, Declaration] = {}
        self._watched = np.zeros(0, np.bool_)
        """By point: whether an alarm is declared."""
        self._turn = threading.Lock()
        """Held for whatever changes an alarm: the thread here, or who acknowledges one."""
        self._settled_at = 0.0
        self._astray = False
        """True when the store refused: what is in memory may then not be what is stored."""
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.steps = Steps(store)
        self._load()

    def _load(self) -> None:
        position = self.store.position()
        after = self._hub.newest() if position is None else position
        if position is None:
            self.store.store(Harvest(after))
        self._follower = Follower(self._hub, after)
        self._looked = self._stored = after
        """The last commit that was looked at, and the last that the store knows of."""
        self._seen, self._fresh = dict(self.store.seen()), dict[int, int]()
        since = self._clock.now_ms() - ALARM_FLAP_MS
        closed, standing = self.store.closed_since(since, ALARMS_OPEN_MAX), self.store.open()
        self._last = {alarm.point: alarm for alarm in (*reversed(closed), *standing)}
        """By point: its open alarm, or the one closed a short while ago."""
        self._open = {alarm.id for alarm in standing}
        self._astray = False

    @property
    def open(self) -> int:
        """Alarms that are open now."""
        return len(self._open)

    def learn(self, points: Sequence[Point]) -> None:
        """Note points whose overlay may have changed; a listener of the catalogue."""
        self._changed.append(points)

    def start(self) -> None:
        """Begin to follow."""
        self._thread = threading.Thread(target=self._run, name="alarms", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; the hub is closed already, or wakes up within a second."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def acknowledge(self, id_: str, who: str, why: str) -> Alarm:
        """Note that somebody has seen an alarm; a second time changes nothing.

        Raises:
            Missing: there is no such alarm.
            RegistryError: it could not be stored.
        """
        with self._turn:
            alarm = self.store.alarm(id_)
            if alarm.acknowledged_at is not None:
                return alarm
            outcome = acknowledged(alarm, who, why, self._looked, self._clock.now_ms())
            self._place(outcome.alarm)
            self._store([outcome])
            return outcome.alarm

    # -- the thread

    def _run(self) -> None:
        try:
            while not self._stopping.is_set() and not self._hub.closed:
                self._round()
        except BaseException as error:
            self._failed(error)
            raise

    def _round(self) -> None:
        """Look at the next commits; now and then, at what was only counted."""
        try:
            if self._astray:
                with self._turn:
                    self._load()
            commits = self._follower.next_blocking(ALARM_SETTLE_S)
            with self._turn:
                self._learn_changes()
                outcomes = [outcome for commit in commits for outcome in self._look(commit)]
                if commits:
                    self._looked = commits[-1].number
                if time.monotonic() - self._settled_at >= ALARM_SETTLE_S:
                    self._settled_at = time.monotonic()
                    outcomes += self._settle()
                    self._store(outcomes)
                elif outcomes:
                    self._store(outcomes)
        except (HistoryError, RegistryError) as error:
            log.warning("alarms wait for the stores and go on where they were: %s", error)
            self._astray = True
            self._stopping.wait(_AGAIN_S)

    def _store(self, outcomes: Sequence[Outcome]) -> None:
        """Store what was found, with the position up to which it is all; holds the turn."""
        if not outcomes and not self._fresh and self._stored == self._looked:
            return
        try:
            steps = self.store.store(
                Harvest(
                    self._looked,
                    self._fresh,
                    {outcome.alarm.id: outcome.alarm for outcome in outcomes},
                    [outcome.step for outcome in outcomes if outcome.step is not None],
                )
            )
        except RegistryError:
            self._astray = True
            raise
        self._stored, self._fresh = self._looked, {}
        if steps:
            self.steps.add(steps)
            self._hub.nudge()

    def _place(self, alarm: Alarm) -> None:
        self._last[alarm.point] = alarm
        if alarm.open:
            self._open.add(alarm.id)
        else:
            self._open.discard(alarm.id)

    # -- looking

    def _learn_changes(self) -> None:
        """Take over what the catalogue told: declarations that came, changed or went."""
        while self._changed:
            for point in self._changed.popleft():
                self._learn(point)

    def _learn(self, point: Point) -> None:
        document = None if point.removed else self._overlay(point.id).get("alarm")
        try:
            declared = None if document is None else Declaration.parse(document)
        except ValueError as error:
            log.warning("%s raises no alarm: %s", point.address, error)
            declared = None
        if declared is not None:
            self._declared[point.id] = declared
        else:
            self._declared.pop(point.id, None)
        watched = declared is not None
        if watched and point.id >= len(self._watched):
            more = max(point.id + 1, 2 * len(self._watched)) - len(self._watched)
            self._watched = np.concatenate([self._watched, np.zeros(more, np.bool_)])
        if point.id < len(self._watched):
            self._watched[point.id] = watched

    def _look(self, commit: Recent) -> list[Outcome]:
        """Return what one commit changes, in the order of points and times."""
        frame = commit.frame
        inside = frame.point < len(self._watched)
        rows = np.flatnonzero(inside)
        rows = rows[self._watched[frame.point[rows]] & (frame.verdict[rows] != Verdict.BAD)]
        if not len(rows):
            return []
        outcomes = []
        wanted = self._raised(frame, rows)
        for row, point, observed, raise_it in zip(
            rows.tolist(),
            frame.point[rows].tolist(),
            frame.observed[rows].tolist(),
            wanted,
            strict=True,
        ):
            if observed < self._seen.get(point, observed) or raise_it is None:
                continue
            self._seen[point] = self._fresh[point] = observed
            if outcome := self._judge(commit, row, point, observed, raise_it):
                self._place(outcome.alarm)
                outcomes.append(outcome)
        return outcomes

    def _raised(self, frame: Frame, rows: Any) -> Sequence[bool | None]:
        """Return for each row whether its value raises the alarm, None where it says nothing."""
        points = frame.point[rows].tolist()
        outcome = np.full(len(rows), np.nan)
        by_rule: dict[Declaration, list[int]] = {}
        for place, point in enumerate(points):
            by_rule.setdefault(self._declared[point], []).append(place)
        for declared, places in by_rule.items():
            outcome[places] = declared.raised(frame.num[rows[places]])
        return [None if value != value else value != 0 for value in outcome.tolist()]

    def _judge(
        self, commit: Recent, row: int, point: int, observed: int, raise_it: bool
    ) -> Outcome | None:
        last = self._last.get(point)
        stands = last is not None and last.state is not State.CLEARED
        if raise_it == stands:
            return None
        now = self._clock.now_ms()
        if last is not None and stands:
            return cleared(last, observed, commit.number, now)
        if (last is None or not last.open) and self.open >= ALARMS_OPEN_MAX:
            log.error("%d alarms are open; acknowledge some", ALARMS_OPEN_MAX)
            return None
        frame = commit.frame
        value = value_of(frame.kind[row], frame.num[row], frame.txt[row], frame.raw[row])
        cause = Cause(point, observed, commit.number, value)
        return raised(last, self._declared[point], cause, now, str(uuid.uuid4()))

    def _settle(self) -> list[Outcome]:
        """Return what rests now, and the end of alarms that are declared no more."""
        now, outcomes = self._clock.now_ms(), []
        for point, alarm in list(self._last.items()):
            if alarm.state is not State.CLEARED and point not in self._declared:
                outcomes.append(cleared(alarm, now, self._looked, now, "declared no more"))
            elif alarm.untold and (rested := settled(alarm, now)) is not None:
                outcomes.append(rested)
            elif not alarm.open and now - (alarm.cleared_at or 0) > ALARM_FLAP_MS:
                del self._last[point]
        for outcome in outcomes:
            self._place(outcome.alarm)
        return outcomes
