"""One batch while it is decoded, and what it becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ciaas.kernel.address import EndpointId, PointAddress
from ciaas.kernel.catalogue import Catalogue
from ciaas.kernel.decode.quarantine import Quarantine, Why, topic_text
from ciaas.kernel.decode.rows import Rows, frame_of, times_of
from ciaas.kernel.model import Attribute, Value
from ciaas.kernel.sample import Frame
from ciaas.kernel.wire.document import Tree, WireError, read_document
from ciaas.kernel.wire.journal import ExecOutput, LogLine
from ciaas.limits import POINTS_PER_ENDPOINT_MAX
from ciaas.ports import OUTPUT_LEVEL, Aside, JournalLine, Message, NewPoint


class DeviceLog(NamedTuple):
    """A line of a device's log. ``received`` is milliseconds since 1970 UTC."""

    endpoint: EndpointId
    received: int
    line: LogLine


class DeviceOutput(NamedTuple):
    """A line of a job's output. ``received`` is milliseconds since 1970 UTC."""

    endpoint: EndpointId
    received: int
    output: ExecOutput


class Confirmation(NamedTuple):
    """A ``@didSet``: the row of the frame that holds its time and value."""

    row: int
    correlation_id: str | None


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a batch of messages became."""

    frame: Frame
    """In order of arrival; rows of unusable readings are not in it but set aside."""
    aside: Sequence[Aside]
    logs: Sequence[DeviceLog]
    outputs: Sequence[DeviceOutput]
    confirmations: Sequence[Confirmation]
    skipped: int
    """Messages that carry nothing: the platform's own, cleared retained ones, empty lists."""

    @property
    def journal(self) -> list[JournalLine]:
        """Logs and outputs as history keeps them."""
        logged = [
            JournalLine(
                log.endpoint,
                log.received,
                log.line.level,
                round(log.line.timestamp * 1000),
                log.line.message,
                log.line.logger,
                log.line.source,
            )
            for log in self.logs
        ]
        written = [
            JournalLine(
                one.endpoint,
                one.received,
                OUTPUT_LEVEL,
                one.received,
                one.output.data,
                one.output.correlation_id,
                "",
            )
            for one in self.outputs
        ]
        return logged + written


@dataclass(slots=True)
class Part:
    """A message, or an entry of a ``@delayed``: a topic and what was sent to it."""

    index: int
    """Of the message in its batch."""
    topic: str
    payload: bytes | None
    """None when ``tree`` holds it already."""
    tree: object = None
    sender: EndpointId | None = None
    """Whose connection brought it; None while its own topic says so."""
    nesting: int = 0

    @property
    def empty(self) -> bool:
        """True for no payload: what clears a retained message."""
        return not self.payload and self.tree is None

    @property
    def content(self) -> object:
        """Bytes or tree, to be shown when it is set aside."""
        return self.tree if self.payload is None else self.payload

    def document(self) -> tuple[Tree, bytes]:
        """Return the tree and what follows it in the payload.

        Raises:
            WireError: it can not be read.
        """
        if self.payload is not None:
            return read_document(self.payload)
        if not isinstance(self.tree, dict):
            raise WireError("the data of a delayed message has to be a map")
        return self.tree, b""


@dataclass(slots=True)
class _Unlearned:
    """A point that the registry does not know yet, and the rows waiting for its id."""

    point: NewPoint
    rows: list[int] = field(default_factory=list)


class Batch:
    """Collects what the messages of one batch say."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = messages
        self.rows = Rows()
        self.quarantine = Quarantine()
        self.logs: list[DeviceLog] = []
        self.outputs: list[DeviceOutput] = []
        self.confirmations: list[Confirmation] = []
        self.skipped = 0
        self.refreshed = False
        """True when the registry was asked for news because of an unknown endpoint."""
        self.static_values: dict[int, tuple[type, Value]] = {}
        """Values of Static attributes declared in this batch, by point."""
        self._unlearned: dict[PointAddress, _Unlearned] = {}
        self._refused: list[int] = []

    def aside(self, part: Part, why: Why, detail: str, endpoint: str = "") -> None:
        """Set a part aside: the whole message if it is one."""
        message = self.messages[part.index]
        if part.nesting:
            self.quarantine.part(
                part.index, message, part.topic, why, detail, part.content, endpoint
            )
        else:
            self.quarantine.message(message, why, detail, endpoint)

    def aside_element(
        self, part: Part, why: Why, detail: str, element: object, endpoint: str
    ) -> None:
        """Set one element of a part aside."""
        message = self.messages[part.index]
        self.quarantine.part(part.index, message, part.topic, why, detail, element, endpoint)

    def meets(self, address: PointAddress, attribute: Attribute) -> None:
        """Note a point that has yet to be registered."""
        new = NewPoint(address, attribute.constraint, attribute.type)
        self._unlearned.setdefault(address, _Unlearned(new))

    def met(self, address: PointAddress) -> bool:
        """Return True when this batch has met the point and not yet registered it."""
        return address in self._unlearned

    def put_unlearned(
        self, address: PointAddress, value: Value, timestamp: float | None, index: int
    ) -> int:
        """Add a reading of a point that was met; returns its row."""
        row = self.rows.append(0, value, timestamp, index)
        self._unlearned[address].rows.append(row)
        return row

    def learn(self, catalogue: Catalogue) -> None:
        """Register the points met so far and give their rows the ids."""
        if not self._unlearned:
            return
        catalogue.learn([unlearned.point for unlearned in self._unlearned.values()])
        for address, unlearned in self._unlearned.items():
            point = catalogue.by_address(address)
            if point is None:
                self._refuse(catalogue, address, unlearned.rows)
                continue
            for row in unlearned.rows:
                self.rows.point[row] = point.id
        self._unlearned.clear()

    def decoded(self, catalogue: Catalogue, future_ms: int) -> Decoded:
        """Return the columns; readings with an impossible time are set aside."""
        self.learn(catalogue)
        rows, confirmations = self.rows, self.confirmations
        times = times_of(rows, [message.received for message in self.messages], future_ms)
        keep = ~(times.future | times.past)
        keep[self._refused] = True
        for row in np.flatnonzero(~keep).tolist():
            self._set_time_aside(catalogue, row, bool(times.future[row]))
        keep[self._refused] = False
        if not keep.all():
            rows, times = rows.select(keep), times.select(keep)
            moved = np.cumsum(keep) - 1
            confirmations = [
                Confirmation(int(moved[row]), correlation_id)
                for row, correlation_id in confirmations
                if keep[row]
            ]
        frame = frame_of(rows, times, catalogue.types, catalogue.sources_of)
        asides = self.quarantine.asides()
        return Decoded(frame, asides, self.logs, self.outputs, confirmations, self.skipped)

    def _refuse(self, catalogue: Catalogue, address: PointAddress, rows: Sequence[int]) -> None:
        """Set the rows of a point aside that could not be registered."""
        self._refused.extend(rows)
        uuid = EndpointId(address.partition("/")[0])
        known = catalogue.endpoint(uuid) is not None
        why = Why.TOO_MANY_POINTS if known else Why.UNKNOWN_ENDPOINT
        for row in rows:
            self._set_row_aside(row, why, f"{address}: {_REFUSALS[why]}", uuid)

    def _set_time_aside(self, catalogue: Catalogue, row: int, future: bool) -> None:
        address = catalogue.point(self.rows.point[row]).address
        seconds = self.rows.timestamp[row]
        uuid = address.partition("/")[0]
        if future:
            detail = f"{address}: {seconds} s is too far ahead of the broker's clock"
            self._set_row_aside(row, Why.FUTURE, detail, uuid)
        else:
            detail = f"{address}: {seconds} s is before 1970"
            self._set_row_aside(row, Why.BAD_TIMESTAMP, detail, uuid)

    def _set_row_aside(self, row: int, why: Why, detail: str, endpoint: str) -> None:
        """Set one reading aside: its message if it brought nothing else, or just the reading."""
        index = self.rows.message[row]
        message = self.messages[index]
        if message.subject.startswith(_SINGLE_VERBS):
            self.quarantine.message(message, why, detail, endpoint)
            return
        element = {"timestamp": self.rows.timestamp[row], "value": self.rows.value[row]}
        topic = topic_text(message)
        self.quarantine.part(index, message, topic, why, detail, element, endpoint)


_SINGLE_VERBS = (b"@update.", b"@didSet.")
_REFUSALS = {
    Why.TOO_MANY_POINTS: f"an endpoint has at most {POINTS_PER_ENDPOINT_MAX} data points",
    Why.UNKNOWN_ENDPOINT: "the endpoint has been deleted",
}
