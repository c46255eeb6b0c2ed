"""Clients of the HTTP API who ask at a steady pace, as open pages do, each on its connection."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from borough.bench.rig.child import BenchError
from borough.settings import Listen

_ANSWER_S = 30.0


@dataclass(frozen=True, slots=True)
class Ask:
    """One request."""

    verb: str
    path: str
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Crowd:
    """So many clients; each takes the requests in turn, beginning with another one."""

    listen: Listen
    headers: Mapping[str, str]
    asks: Sequence[Ask]
    clients: int
    every_s: float
    """Between two requests of one client; an answer that takes longer is followed at once."""

    def latencies(self, window_s: float) -> list[float]:
        """Return the seconds that each answer took within a window.

        Raises:
            BenchError: an answer was no 200, or none came.
        """
        taken: list[list[float]] = [[] for _ in range(self.clients)]
        faults: list[str] = []
        threads = [
            threading.Thread(target=self._ask, args=(number, window_s, taken[number], faults))
            for number in range(self.clients)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if faults:
            raise BenchError(faults[0])
        return [seconds for own in taken for seconds in own]

    def _ask(self, number: int, window_s: float, taken: list[float], faults: list[str]) -> None:
        connection = http.client.HTTPConnection(*self.listen, timeout=_ANSWER_S)
        begin = time.monotonic() + self.every_s * number / self.clients
        turn = 0
        try:
            while (due := begin + turn * self.every_s) < begin + window_s and not faults:
                time.sleep(max(0.0, due - time.monotonic()))  # the pace is what is kept here
                ask = self.asks[(number + turn) % len(self.asks)]
                began = time.perf_counter()
                connection.request(ask.verb, ask.path, ask.body, dict(self.headers))
                answer = connection.getresponse()
                body = answer.read()
                taken.append(time.perf_counter() - began)
                if answer.status != http.client.OK:
                    faults.append(f"{ask.path} was answered {answer.status}: {body[:200]!r}")
                turn += 1
        except (OSError, http.client.HTTPException) as error:
            faults.append(f"no answer: {error}")
        finally:
            connection.close()
