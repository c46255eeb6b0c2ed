"""Latency as a user feels it: from a device's publish to the first answer that shows the value."""

from __future__ import annotations

import http.client
import json
import queue
import ssl
import threading
import time
from collections import deque
from urllib.parse import urlsplit

from borough.demo.limits import PROBE_S_MAX, PROBES_MAX

_ASK_S = 0.004
"""Pause between two questions; the resolution of the measurement."""


class Probe:
    """Asks ``GET /data`` again and again for one sample at a time, in a thread of its own.

    Args:
        base: address of the API, such as ``http://127.0.0.1:8080``.
        token: bearer token.
        authority: PEM file to trust for https; None for the system's.
    """

    def __init__(self, base: str, token: str, authority: str | None) -> None:
        self._questions: queue.Queue[tuple[str, int, float]] = queue.Queue(maxsize=1)
        self._taken: deque[float] = deque(maxlen=PROBES_MAX)
        self.missed = 0
        """Samples that no answer showed in time."""
        self._headers = {"Authorization": f"Bearer {token}"}
        host = urlsplit(base).netloc
        self._connection = (
            http.client.HTTPSConnection(
                host, timeout=PROBE_S_MAX, context=ssl.create_default_context(cafile=authority)
            )
            if base.startswith("https")
            else http.client.HTTPConnection(host, timeout=PROBE_S_MAX)
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
        self._thread.join(2 * PROBE_S_MAX)
        self._connection.close()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                question = self._questions.get(timeout=0.1)
            except queue.Empty:
                continue
            self._time(*question)

    def _time(self, address: str, time_ms: int, since: float) -> None:
        while not self._ended.is_set() and time.perf_counter() - since < PROBE_S_MAX:
            shown = self._shown(address)
            if shown is not None and shown >= time_ms:
                self._taken.append((time.perf_counter() - since) * 1_000)
                return
            self._ended.wait(_ASK_S)
        if not self._ended.is_set():
            self.missed += 1

    def _shown(self, address: str) -> int | None:
        """Return the time of the newest sample in milliseconds, None when there is no answer."""
        try:
            self._connection.request("GET", f"/api/v1/data/{address}", headers=self._headers)
            answer = self._connection.getresponse()
            body = answer.read()
            stated = json.loads(body)["timestamp"] if answer.status == http.client.OK else None
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            # Closed: the next question opens another connection.
            self._connection.close()
            return None
        return None if stated is None else round(stated * 1_000)
