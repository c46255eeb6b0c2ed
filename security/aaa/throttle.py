"""Throttles: make guessing slow for whoever guesses, in bounded memory, and lock nobody out.

What fails is counted where it comes from: by name and address, and by address alone. Nothing is
counted by name alone before the password is right, so nobody's failures make a stranger wait. A
device that its owner signed in at before is counted by itself, even behind the same address.
"""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import NamedTuple

from security.aaa.errors import Throttled
from security.limits import (
    CODE_FAILURES_FREE,
    SIGN_IN_FAILURES_FREE,
    SIGN_IN_FORGET_S,
    SIGN_IN_NAMES_MAX,
    SIGN_IN_WAIT_S_FIRST,
    SIGN_IN_WAIT_S_MAX,
    SOURCE_FAILURES_FREE,
)

_NETWORK_BITS = 64
"""Of an IPv6 address: one customer usually has as many addresses as are left."""


class Throttle:
    """Counts attempts per key; after the free ones each failure doubles the wait.

    An attempt counts as a failure from its beginning, so that many at once gain nothing.

    Args:
        clock_ms: Milliseconds of any clock; one that is set back lengthens no wait.
        free: Failures in a row before the first wait.
        reason: What is attempted too often, in a word for the record.
    """

    def __init__(
        self,
        clock_ms: Callable[[], int],
        free: int = SIGN_IN_FAILURES_FREE,
        reason: str = "account and source",
    ) -> None:
        self._clock_ms, self._free, self._reason = clock_ms, free, reason
        self._failures: OrderedDict[Hashable, _Failures] = OrderedDict()
        self._lock = threading.Lock()

    def attempt(self, key: Hashable) -> None:
        """Count an attempt.

        Raises:
            Throttled: it comes too early; it is not counted.
        """
        with self._lock:
            now_ms = self._clock_ms()
            failures = self._failures.get(key)
            if failures is None or now_ms - failures.last_ms > SIGN_IN_FORGET_S * 1_000:
                failures = _Failures()
            wait_ms = min(failures.free_at_ms - now_ms, SIGN_IN_WAIT_S_MAX * 1_000)
            if wait_ms > 0:
                failures.free_at_ms = now_ms + wait_ms
                raise Throttled(-(-wait_ms // 1_000), self._reason)
            failures.count(now_ms, self._free)
            self._failures[key] = failures
            self._failures.move_to_end(key)
            if len(self._failures) > SIGN_IN_NAMES_MAX:
                self._failures.popitem(last=False)

    def succeed(self, key: Hashable) -> None:
        """Forget the failures of a key, since its owner has come."""
        with self._lock:
            self._failures.pop(key, None)

    def forgive(self, key: Hashable) -> None:
        """Take back one attempt, which was none of a guesser; earlier failures stay."""
        with self._lock:
            if (failures := self._failures.get(key)) is not None:
                failures.number -= 1
                failures.free_at_ms = 0
                if failures.number <= 0:
                    del self._failures[key]

    def __len__(self) -> int:
        return len(self._failures)


class Attempt(NamedTuple):
    """Somebody who tries to sign in."""

    name: str
    source: str
    """Address that it comes from; empty when there is none to tell."""
    device: str | None = None
    """What a known device is known by; None for any other."""


class SignInThrottle:
    """Throttles of sign-ins by name and source, by source, by known device; of codes by account."""

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self._names = Throttle(clock_ms)
        self._sources = Throttle(clock_ms, SOURCE_FAILURES_FREE, "source")
        self._devices = Throttle(clock_ms, reason="known device")
        self._codes = Throttle(clock_ms, CODE_FAILURES_FREE, "codes")

    def attempt(self, attempt: Attempt) -> None:
        """Count an attempt; raises Throttled when it comes too early."""
        if attempt.device is not None:
            self._devices.attempt(attempt.device)
            return
        network = network_of(attempt.source)
        self._names.attempt((attempt.name, network))
        if network:
            self._sources.attempt(network)

    def attempt_code(self, attempt: Attempt) -> None:
        """Count a code behind a right password; raises Throttled.

        By account wherever it comes from: who is here knows the password. A known device of the
        owner is not kept waiting by that.
        """
        if attempt.device is None:
            self._codes.attempt(attempt.name)

    def succeed(self, attempt: Attempt) -> None:
        """Forget the failures of who has come in; those of other names from there stay."""
        if attempt.device is not None:
            self._devices.succeed(attempt.device)
            return
        network = network_of(attempt.source)
        self._names.succeed((attempt.name, network))
        self._sources.forgive(network)
        self._codes.succeed(attempt.name)


def network_of(source: str) -> str:
    """Return the address, or the network of an IPv6 address, that is counted as one."""
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return source
    if address.version == 4:
        return str(address)
    if (mapped := address.ipv4_mapped) is not None:
        return str(mapped)
    return str(ipaddress.ip_network((address, _NETWORK_BITS), strict=False))


@dataclass(slots=True)
class _Failures:
    number: int = 0
    last_ms: int = 0
    free_at_ms: int = 0

    def count(self, now_ms: int, free: int) -> None:
        self.number += 1
        self.last_ms = now_ms
        beyond = self.number - free
        if beyond >= 0:
            # The shift is capped: a long row of failures must not make a number of many digits.
            wait_s = min(SIGN_IN_WAIT_S_FIRST << min(beyond, 16), SIGN_IN_WAIT_S_MAX)
            self.free_at_ms = now_ms + wait_s * 1_000
