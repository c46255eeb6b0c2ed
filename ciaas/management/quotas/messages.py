"""Messages per second of each project's devices, and which of them have to wait outside.

What the broker acknowledged is stored, always. So the excess is not dropped: devices that sent more
than their project may are disconnected, the heaviest first, and let in again after a rest. What
they have not been acknowledged for they keep, and send then (QoS 1).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ciaas.kernel.address import EndpointId
from ciaas.ports import Message
from security.aaa.quotas import Quota, Quotas
from security.limits import QUOTA_REST_S, QUOTA_WINDOW_S


@dataclass(frozen=True, slots=True)
class Excess:
    """A project went beyond its quota."""

    project: int
    bound: int
    """Messages per second."""
    seen: int
    """Messages of the window so far."""
    resting: Sequence[EndpointId]
    """Devices that have to wait."""


@dataclass(slots=True)
class _Window:
    began_ms: int
    count: int = 0
    by_device: Counter[EndpointId] = field(default_factory=Counter)


class MessageMeter:
    """Counts by project over QUOTA_WINDOW_S; what has no quota costs nothing.

    Args:
        quotas: How much each may send.
        project_of: Returns whose device it is, None for a device of nobody.
        clock_ms: Milliseconds since 1970 UTC.
        over: Told when a project goes beyond its quota, by the thread that counts.
    """

    def __init__(
        self,
        quotas: Quotas,
        project_of: Callable[[EndpointId], int | None],
        clock_ms: Callable[[], int],
        over: Callable[[Excess], None],
    ) -> None:
        self._quotas, self._project_of = quotas, project_of
        self._clock_ms, self._over = clock_ms, over
        self._windows: dict[int, _Window] = {}
        self._resting: dict[EndpointId, int] = {}
        self._lock = threading.Lock()
        self.active = False
        """Whether any project has a quota of messages; set by who changes quotas."""

    def count(self, messages: Sequence[Message]) -> None:
        """Take a batch of devices into account; the work beyond a tally is one step a project."""
        if self.active:
            # A subject is <verb>.<endpoint>.…; one without an endpoint gives its whole.
            tally = Counter([message.subject.split(b".", 2)[:2][-1] for message in messages])
            self.add({EndpointId(name.decode(errors="replace")): n for name, n in tally.items()})

    def add(self, tally: Mapping[EndpointId, int]) -> None:
        """Take so many messages of each device into account."""
        found: list[Excess] = []
        with self._lock:
            for uuid, number in tally.items():
                project = self._project_of(uuid)
                bound = None if project is None else self._quotas.bound(project, Quota.MESSAGES)
                if project is None or bound is None:
                    continue
                window = self._window(project)
                window.count += number
                window.by_device[uuid] += number
                if window.count > bound * QUOTA_WINDOW_S:
                    found.append(self._excess(project, bound, window))
        for excess in found:
            self._over(excess)

    def take(self, project: int) -> None:
        """Count a request of an app, which can be refused before anything is acknowledged.

        Raises:
            OverQuota: the project has sent as much as it may in this window.
        """
        if self._quotas.bound(project, Quota.MESSAGES) is None:
            return
        with self._lock:
            window = self._window(project)
            left_ms = window.began_ms + QUOTA_WINDOW_S * 1_000 - self._clock_ms()
            per_second = -(-(window.count + 1) // QUOTA_WINDOW_S)
            self._quotas.check(project, Quota.MESSAGES, per_second, max(1, -(-left_ms // 1_000)))
            window.count += 1

    def rests(self, uuid: EndpointId) -> bool:
        """Tell whether a device has to wait outside."""
        with self._lock:
            until = self._resting.get(uuid)
            if until is not None and until <= self._clock_ms():
                del self._resting[uuid]
                return False
            return until is not None

    def rate(self, project: int) -> float:
        """Return the messages per second of the present window."""
        with self._lock:
            return self._window(project).count / QUOTA_WINDOW_S

    def _window(self, project: int) -> _Window:
        now_ms = self._clock_ms()
        window = self._windows.get(project)
        if window is None or not 0 <= now_ms - window.began_ms < QUOTA_WINDOW_S * 1_000:
            window = self._windows[project] = _Window(now_ms)
        return window

    def _excess(self, project: int, bound: int, window: _Window) -> Excess:
        """Send the heaviest devices to rest until what the others send is within the quota."""
        seen, left, resting = window.count, window.count, []
        until = self._clock_ms() + QUOTA_REST_S * 1_000
        for uuid, number in window.by_device.most_common():
            if left <= bound * QUOTA_WINDOW_S:
                break
            left -= number
            resting.append(uuid)
            self._resting[uuid] = until
        window.count = left
        for uuid in resting:
            del window.by_device[uuid]
        return Excess(project, bound, seen, resting)
