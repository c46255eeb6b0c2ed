"""An app's own samples, gathered and sent so that a repetition stores nothing twice."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from borough_client.limits import OBSERVATIONS_PER_REQUEST
from borough_client.transport import Transport

Value = bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of samples that were sent."""

    stored: int = 0
    repeats: int = 0
    refused: Sequence[Mapping[str, Any]] = ()
    """Each with the ``index`` of the sample among those sent, and the ``reason``."""


@dataclass(slots=True)
class Observations:
    """Gathers samples and sends them in batches; what is left is sent at the end of the block.

    A sample that `add` took and that was not sent when an error comes is still there: `send` may
    be called again, under the same key, so that nothing is stored twice.
    """

    transport: Transport
    batch: int = OBSERVATIONS_PER_REQUEST
    """Samples that are gathered before they are sent."""
    sent: list[Stored] = field(default_factory=list)
    _waiting: list[dict[str, Any]] = field(default_factory=list)
    _key: str | None = None
    """Of the batch that was begun to be sent."""

    def __post_init__(self) -> None:
        """Keep batches within what one request takes."""
        if not 1 <= self.batch <= OBSERVATIONS_PER_REQUEST:
            raise ValueError(f"a batch has 1 to {OBSERVATIONS_PER_REQUEST} samples")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.send()

    def add(self, address: str, value: Value, at: datetime | float | None = None) -> None:
        """Take a sample; sends when enough are gathered.

        Args:
            address: Of the point.
            value: As it is.
            at: When it was observed: an aware time or UNIX seconds; None is now.

        Raises:
            ValueError: the time has no zone.
            BoroughError: a batch could not be sent; see the class.
        """
        if isinstance(at, datetime):
            if at.tzinfo is None:
                raise ValueError(f"{at} has no zone: give an aware time")
            at = at.timestamp()
        seconds = time.time() if at is None else at
        self._waiting.append({"address": address, "value": value, "timestamp": seconds})
        if len(self._waiting) >= self.batch:
            self.send()

    def send(self) -> None:
        """Send all that is gathered; returns when the platform has it on disk.

        Raises:
            Refused: none of a batch may be written, or the token lacks the scope.
            Unreachable: no answer after all tries; the batch is still there.
        """
        while self._waiting:
            # A batch that was begun keeps its key and its samples, whatever was added meanwhile.
            self._key = self._key or str(uuid.uuid4())
            part = self._waiting[: self.batch]
            answer = self.transport.ask(
                "POST",
                "/observations",
                body={"observations": part},
                headers={"Idempotency-Key": self._key},
                again=True,
            ).json()
            self.sent.append(Stored(answer["stored"], answer["repeats"], answer["refused"]))
            del self._waiting[: len(part)]
            self._key = None
