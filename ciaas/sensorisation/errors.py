"""What an adapter may raise, and what the runtime does about it.

AdapterError
├── Unreachable      back off, then try again
├── AuthFailed       stop: a human must act
├── DriverMissing    stop: the adapter's extra is not installed
├── Rejected         report the device's refusal
│   └── BadAddress   leave that point alone; try it again rarely
├── RateLimited      wait as told
├── Unsent           a write of which nothing has left: it may be tried again
└── Malformed        a bad reading, counted

Anything else is a bug of the adapter: counted, its device restarted with backoff, others untouched.
"""

from __future__ import annotations


class AdapterError(Exception):
    """The device or the way to it failed in a way the protocol knows."""


class Unreachable(AdapterError):
    """Nothing answers, or the connection broke."""


class AuthFailed(AdapterError):
    """The device refused our credentials; trying again would only lock us out."""


class DriverMissing(AdapterError):
    """The protocol's library is not installed; the message says which extra brings it."""


class Rejected(AdapterError):
    """The device understood and refused. ``code`` is the protocol's own."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class BadAddress(Rejected):
    """The device has no such address."""


class RateLimited(AdapterError):
    """The device is busy or asks us to slow down."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unsent(AdapterError):
    """A write did not begin: the device cannot have heard of it."""


class Malformed(AdapterError):
    """An answer came that is not of the protocol, or not of the point's raw type."""
