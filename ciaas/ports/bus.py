"""What this layer needs of time and of the bus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from ciaas.kernel.sample import Millis, Uint64s


class Clock(Protocol):
    """Wall-clock time, injected so that tests can move it."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970 UTC."""
        ...


class StreamId(NamedTuple):
    """Identity of a stream: a recreated stream starts at sequence 1 under another ``created``."""

    name: str
    created: str
    """RFC 3339 text exactly as the broker gives it."""


class Message(NamedTuple):
    """One stored message. ``received`` is the stream's own timestamp in milliseconds."""

    subject: bytes
    """Without the stream's own prefix; a dot inside an MQTT level reads ``//``."""
    payload: bytes
    sequence: int
    received: int
    reply: bytes
    """Where its acknowledgement goes."""


@dataclass(frozen=True, slots=True)
class Intake:
    """What a batch covered of its stream: recorded together with the rows, in one transaction."""

    stream: StreamId
    sequences: Uint64s
    """Every sequence dealt with, also those skipped or set aside."""
    received: Millis
    """The stream's timestamp of each."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages of one stream in order, never none, and what their acknowledgement needs."""

    stream: StreamId
    messages: Sequence[Message]
    generation: int
    """Connection on which they came; acknowledging on a later one would confuse the broker."""

    def intake(self) -> Intake:
        """Return the sequences and times that a commit of this batch covers."""
        return Intake(
            self.stream,
            np.array([message.sequence for message in self.messages], np.uint64),
            np.array([message.received for message in self.messages], np.int64),
        )


class Source(Protocol):
    """A stream of the bus, read for the one writer."""

    def take(self) -> Batch | None:
        """Return the next batch, up to the named bounds, or None when nothing waits."""
        ...

    def acknowledge(self, batch: Batch) -> None:
        """Tell the broker that the batch is recorded; never raises, the broker repeats instead."""
        ...

    def purge(self, batch: Batch) -> None:
        """Let the broker drop everything up to the batch's end; for streams read by position."""
        ...
