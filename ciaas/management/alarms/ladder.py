"""How an alarm goes from one state to the next. Nothing here reads a clock or a store."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from ciaas.interoperability.alarm import Declaration
from ciaas.limits import ALARM_FLAP_MS, ALARM_FLAPS_TOLD, ALARM_TELL_MS
from ciaas.management.alarms.ports import Alarm, JsonValue, State, Step


class Cause(NamedTuple):
    """The sample that changes an alarm."""

    point: int
    observed: int
    """Milliseconds since 1970 UTC."""
    commit: int
    value: JsonValue


class Outcome(NamedTuple):
    """An alarm after a change; no step while it goes on and off too fast to be told of."""

    alarm: Alarm
    step: Step | None


def raised(
    last: Alarm | None, declared: Declaration, cause: Cause, now: int, fresh_id: str
) -> Outcome:
    """Return the alarm that a sample raises.

    The same alarm as before when that is still open, or was closed a short while ago: an alarm
    that goes on and off is one alarm with a count. Who acknowledged it once need not again.
    """
    same = last is not None and (
        last.open or cause.observed - (last.cleared_at or 0) <= ALARM_FLAP_MS
    )
    if last is None or not same:
        first = Alarm(
            id=fresh_id,
            point=cause.point,
            severity=declared.severity,
            text=declared.text,
            state=State.RAISED,
            value=cause.value,
            raised_at=cause.observed,
            commit=cause.commit,
            count=1,
            told_at=now,
        )
        return Outcome(first, Step(first, "raised", cause.observed, cause.commit))
    again = replace(
        last,
        severity=declared.severity,
        text=declared.text,
        state=State.RAISED if last.acknowledged_at is None else State.ACKNOWLEDGED,
        value=cause.value,
        commit=cause.commit,
        count=last.count + 1,
        cleared_at=None,
    )
    return _told(again, "raised", cause.observed, now)


def cleared(alarm: Alarm, observed: int, commit: int, now: int, why: str = "") -> Outcome:
    """Return the alarm after a sample, or the end of its declaration, clears it."""
    after = replace(alarm, state=State.CLEARED, cleared_at=observed, commit=commit)
    return _told(after, "cleared", observed, now, why)


def acknowledged(alarm: Alarm, who: str, why: str, commit: int, now: int) -> Outcome:
    """Return the alarm after somebody has seen it; it is not yet acknowledged."""
    assert alarm.acknowledged_at is None
    state = State.CLEARED if alarm.state is State.CLEARED else State.ACKNOWLEDGED
    seen = replace(
        alarm, state=state, acknowledged_at=now, acknowledged_by=who, told_at=now, untold=False
    )
    return Outcome(seen, Step(seen, "acknowledged", now, commit, who, why))


def settled(alarm: Alarm, now: int) -> Outcome | None:
    """Return the step that was not told, once the alarm has rested; None while it is too soon."""
    if not alarm.untold or now - alarm.told_at < ALARM_TELL_MS:
        return None
    rested = replace(alarm, told_at=now, untold=False)
    if rested.state is State.CLEARED:
        kind, at = "cleared", rested.cleared_at or now
    else:
        kind, at = "raised", rested.raised_at
    return Outcome(rested, Step(rested, kind, at, rested.commit, why=_FLAPS))


_FLAPS = "it went on and off"


def _told(alarm: Alarm, kind: str, at: int, now: int, why: str = "") -> Outcome:
    if alarm.count > ALARM_FLAPS_TOLD and now - alarm.told_at < ALARM_TELL_MS:
        return Outcome(replace(alarm, untold=True), None)
    told = replace(alarm, told_at=now, untold=False)
    return Outcome(told, Step(told, kind, at, told.commit, why=why))
