"""A command under way, and which rung comes next for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ciaas.kernel.downlink.command import FOLLOWS, UNDER_WAY, Command, Rung, Step
from ciaas.kernel.downlink.ports import Answer
from ciaas.kernel.downlink.wanted import same
from ciaas.kernel.model import Constraint, Value
from ciaas.kernel.sample import Frame, Kind, Verdict
from ciaas.limits import COMMAND_SENDS_MAX, COMMAND_STEPS_MAX, COMMAND_VERIFY_S

GREETING_MS = 1_000
"""From a device's ``@online`` until its subscription holds, by all we know: it subscribes after its
greeting, and what is published in between is lost to it."""
_STEPS_LEFT = 4


@dataclass(slots=True)
class Flight:
    """One open command in memory. Times are milliseconds since 1970 UTC."""

    command: Command
    constraint: Constraint
    stamped: bool
    """The device is told the command's stamp: it confirms with it, and ignores a repetition."""
    overlay: Mapping[str, Any]
    due: int = 0
    """When it may be sent."""
    verify_by: int = 0
    """Until when a confirmation is waited for."""
    repeat_at: int | None = None
    """When a stamped command under way is sent once more; None when it is not."""
    away: bool = False
    """The device could not be reached when it was looked for last."""
    waits_for: str = ""
    """Why it is not sent yet."""
    attempts: int = 0
    answers: list[Answer] = field(default_factory=list)
    """What the courier told since it was last sent."""
    confirmed: bool = False
    """Seen with the value wanted, not yet recorded."""
    contradicted: Value = None
    """Seen with another value under the same stamp, not yet recorded."""

    @property
    def under_way(self) -> bool:
        """Sent, its end not known."""
        return self.command.state in UNDER_WAY

    @property
    def verify_ms(self) -> int:
        """How long a confirmation may take."""
        return round(float(self.overlay.get("verify_within_s", COMMAND_VERIFY_S)) * 1_000)

    @property
    def wakes(self) -> int:
        """When something is to be done at the latest."""
        if not self.under_way:
            return min(self.command.expires_at, self.due)
        return self.verify_by if self.repeat_at is None else min(self.verify_by, self.repeat_at)

    def look_at(self, frame: Frame) -> None:
        """Take in what was recorded of the point; rows of other points are passed over."""
        since = self.command.sent_at
        if since is None:
            return
        for row in range(len(frame)):
            if frame.point[row] != self.command.point or frame.verdict[row] == Verdict.BAD:
                continue
            observed = int(frame.observed[row])
            found = value_of(int(frame.kind[row]), float(frame.num[row]), frame.txt[row])
            if found is None:
                continue
            equal = same(self.command.value, found, self.overlay)
            if self.stamped and observed == self.command.stamp:
                self.confirmed, self.contradicted = equal, None if equal else found
            elif not self.stamped and observed > since and equal:
                self.confirmed = True

    def ended(self, now: int, online: bool) -> Step | None:
        """Return the step of a command under way, None while it has to wait."""
        state = self.command.state
        if self.confirmed:
            return Step(Rung.VERIFIED, now, "device", "it reports the value")
        if self.contradicted is not None:
            why = f"it reports {self.contradicted!r:.80} instead"
            return Step(Rung.REJECTED, now, "device", why)
        for answer in self.answers:
            if answer.rung in FOLLOWS[state] and answer.rung is not Rung.SENT:
                return Step(answer.rung, now, answer.who, answer.why)
        cramped = len(self.command.steps) >= COMMAND_STEPS_MAX - _STEPS_LEFT
        if self.repeat_at is not None and now >= self.repeat_at and not cramped:
            return Step(Rung.SENT, now, "core", "again: the device has just come online")
        if now < self.verify_by:
            return None
        return self._overdue(now, online, cramped)

    def _overdue(self, now: int, online: bool, cramped: bool) -> Step:
        within = now < self.command.expires_at and not cramped
        waits = self.stamped and self.constraint is Constraint.PARAMETER and not online
        if waits and within and self.command.state is Rung.SENT:
            return Step(Rung.QUEUED, now, "core", "the device is away; again when it is back")
        if self.overlay.get("idempotent") is True and within:
            if self.command.sends < COMMAND_SENDS_MAX:
                return Step(Rung.SENT, now, "core", "again: the point is idempotent")
        said = "accepted, but " if self.command.state is Rung.ACCEPTED else ""
        last = next((answer.why for answer in reversed(self.answers) if answer.why), "")
        why = f"{said}not confirmed within {self.verify_ms / 1_000:g} s"
        return Step(Rung.UNKNOWN, now, "core", f"{why}: {last}" if last else why)

    def overtaken(self, now: int) -> Step:
        """Return the end of a command whose time to be sent is over."""
        gone = any(step.rung is Rung.SENT for step in self.command.steps)
        if gone and self.stamped:
            return Step(Rung.UNKNOWN, now, "core", "sent, and never confirmed within its time")
        why = f"not sent in time: {self.waits_for}" if self.waits_for else "not sent in time"
        return Step(Rung.EXPIRED, now, "core", why)


def value_of(kind: int, num: float, txt: str | None) -> Value:
    """Return the value of one sample's columns, None when it has none."""
    if kind == Kind.TEXT:
        return txt
    if kind == Kind.NULL or num != num:
        return None
    if kind == Kind.BOOLEAN:
        return bool(num)
    return int(num) if kind == Kind.INTEGER else num
