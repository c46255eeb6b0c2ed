"""How a device is doing: counted while it is polled, given out as a snapshot."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from ciaas.kernel.address import EndpointId, PointAddress
from ciaas.limits import LATENCIES_KEPT_MAX


class State(StrEnum):
    """What the runtime is doing with a device."""

    DISABLED = "disabled"
    """Not polled: switched off, or its driver is missing."""
    STARTING = "starting"
    """Not yet read for the first time."""
    ONLINE = "online"
    DEGRADED = "degraded"
    """It answers, but not for every point."""
    BACKOFF = "backoff"
    """It does not answer; tried again after growing waits."""
    AUTH_FAILED = "auth-failed"
    """It refused our credentials; not tried again until its configuration changes."""
    OFFLINE = "offline"
    """Its own gateway says that it is away."""
    QUARANTINED = "quarantined"
    """It answers, and has none of the addresses of its profile."""


@dataclass(frozen=True, slots=True)
class DeviceHealth:
    """One device at one moment. Latencies are None before the first request."""

    connection: str
    device: str
    endpoint: EndpointId
    state: State
    last_error: str
    """Empty while all is well."""
    attempts: int
    """Requests sent."""
    ok: int
    """Requests answered with readings."""
    errors: Mapping[str, int]
    """Failed requests by the name of the error; ``bug`` counts those no protocol knows."""
    p50_ms: float | None
    p95_ms: float | None
    late_p95_ms: float | None
    """How far behind its grid polling starts."""
    skipped: int
    """Turns left out because the one before took too long, or the device did not answer."""
    last_good: int | None
    """Milliseconds since 1970 UTC of the newest reading; None before the first."""
    quarantined: tuple[PointAddress, ...]
    stale: tuple[PointAddress, ...]
    """Points without a good reading for longer than their profile allows."""


@dataclass(slots=True)
class Tally:
    """Running counts of one device."""

    attempts: int = 0
    ok: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    latencies_s: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES_KEPT_MAX))
    lateness_s: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES_KEPT_MAX))


def quantile_ms(seconds: deque[float], share: float) -> float | None:
    """Return a quantile in milliseconds, None of nothing."""
    return float(np.quantile(seconds, share)) * 1_000 if seconds else None
