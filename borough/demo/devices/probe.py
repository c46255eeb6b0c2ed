"""Latency as a user feels it: from a device's publish to the first answer that shows the value."""

from __future__ import annotations

import queue
import ssl
import threading
import time
from collections import deque

import httpx

from borough.demo.limits import PROBE_S_MAX, PROBES_MAX

_ASK_S = 0.004
"""Pause between two questions; the resolution of the measurement."""


class Probe:
    """Asks ``GET /data`` again and again for one sample at a time, in a thread of its own."""

    def __init__(self, http: str, token: str, authority: str | None) -> None:
        self._questions: queue.Queue[tuple[str, int, float] | None] = queue.Queue(maxsize=1)
        self._taken: deque[float] = deque(maxlen=PROBES_MAX)
        self.missed = 0
        """Samples that no answer showed in time."""
        verify = ssl.create_default_context(cafile=authority)
        self._client = httpx.Client(
            base_url=f"{http}/api/v1", headers={"Authorization": f"Bearer {token}"}, verify=verify
        )
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probe", daemon=True)
        self._thread.start()

    def published(self, address: str, time_ms: int) -> None:
        """Time this sample, unless an earlier one is still being timed."""
        try:
            self._questions.put_nowait((address, time_ms, time.perf_counter()))
        except queue.Full:
            return

    def take(self) -> list[float]:
        """Return the latencies measured since the last call, in milliseconds."""
        return [self._taken.popleft() for _ in range(len(self._taken))]

    def close(self) -> None:
        """End the thread; waits for a question under way."""
        self._ended.set()
        self._thread.join(PROBE_S_MAX)
        self._client.close()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                question = self._questions.get(timeout=0.1)
            except queue.Empty:
                continue
            if question is not None:
                self._ask(*question)

    def _ask(self, address: str, time_ms: int, since: float) -> None:
        while not self._ended.is_set() and time.perf_counter() - since < PROBE_S_MAX:
            try:
                answer = self._client.get(f"/data/{address}")
                shown = answer.json()["timestamp"] if answer.is_success else None
            except (httpx.TransportError, ValueError, KeyError):
                shown = None
            if shown is not None and round(shown * 1_000) >= time_ms:
                self._taken.append((time.perf_counter() - since) * 1_000)
                return
            self._ended.wait(_ASK_S)
        if not self._ended.is_set():
            self.missed += 1
