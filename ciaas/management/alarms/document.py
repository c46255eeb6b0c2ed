"""Alarms and steps as readers of the API and receivers of webhooks get them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ciaas.management.alarms.ports import Alarm, Step


def alarm_document(alarm: Alarm, address: str) -> dict[str, Any]:
    """Return an alarm as JSON; ``address`` is that of its point."""
    return {
        "id": alarm.id,
        "address": address,
        "severity": alarm.severity,
        "text": alarm.text,
        "state": alarm.state.value,
        "open": alarm.open,
        "value": alarm.value,
        "raised_at": instant(alarm.raised_at),
        "cleared_at": instant(alarm.cleared_at),
        "acknowledged_at": instant(alarm.acknowledged_at),
        "acknowledged_by": alarm.acknowledged_by or None,
        "count": alarm.count,
        "commit": alarm.commit,
    }


def step_document(step: Step, address: str) -> dict[str, Any]:
    """Return a step as JSON, with the alarm as it was afterwards."""
    return {
        "transition": step.kind,
        "at": instant(step.at),
        "who": step.who or None,
        "why": step.why or None,
        "alarm": alarm_document(step.alarm, address),
    }


def instant(moment: int | None) -> str | None:
    """Return milliseconds since 1970 UTC as RFC 3339 text, None as None."""
    if moment is None:
        return None
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
