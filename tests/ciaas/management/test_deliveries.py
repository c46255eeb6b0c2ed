"""Deliveries to receivers: what is gathered for one, and how long the next try waits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from borough.clock import MachineClock
from ciaas.computing.outgoing import Answer, Outgoing
from ciaas.computing.reach import Reach
from ciaas.kernel.address import PointAddress
from ciaas.kernel.model import Constraint, ValueType
from ciaas.kernel.sample import DTYPES, Frame, Kind, Uint32s
from ciaas.limits import (
    BREAKER_FAILURES,
    BREAKER_WAIT_S_MIN,
    CATCH_UP_AT_ONCE,
    DELIVERY_ANSWER_BYTES_MAX,
    DELIVERY_BODY_BYTES_MAX,
    DELIVERY_COMMITS_MAX,
    DELIVERY_S_MAX,
    DELIVERY_SAMPLES_MAX,
    DELIVERY_WAIT_S_MAX,
    DELIVERY_WAIT_S_MIN,
    EVENT_SAMPLES_MAX,
    OUTGOING_S_MAX,
)
from ciaas.management.directory.filter import Filter
from ciaas.management.events import follower
from ciaas.management.events.hub import Hub
from ciaas.management.events.line import LineWriter
from ciaas.management.events.selection import Selection
from ciaas.management.events.tally import Tally
from ciaas.management.subscriptions.delivery import Delivery, _trouble_of
from ciaas.management.subscriptions.envelope import bodies
from ciaas.management.subscriptions.ports import EventKind, Subscription
from ciaas.management.subscriptions.sources import SampleSource
from ciaas.management.subscriptions.throttle import Throttle
from ciaas.ports import Commit, Point
from security.aaa.subjects import Who

ADDRESS = PointAddress("00000000-0000-4000-8000-000000000000/n/o/a")


class Everything:
    """A directory in which everybody may read point 1."""

    def readable(self, wanted: Filter, user: Who) -> Uint32s:
        return np.array([1], np.uint32)

    def holds(self, wanted: Filter, frame: Frame, user: Who) -> NDArray[np.bool_]:
        return np.ones(len(frame), np.bool_)

    def version(self) -> int:
        return 1


class Past:
    """History of commits of so many rows."""

    def __init__(self, rows: Sequence[int]) -> None:
        self._rows = rows

    def commits(self, after: int) -> Iterator[Commit]:
        for number in range(after + 1, len(self._rows) + 1):
            yield Commit(number, _frame(self._rows[number - 1]), 0, 1_000)

    def last_commit(self) -> int:
        return len(self._rows)

    def commit_before(self, at_ms: int) -> int:
        return 0


def _frame(rows: int) -> Frame:
    columns = {name: np.zeros(rows, kind) for name, kind in DTYPES.items()}
    columns["point"] = np.ones(rows, np.uint32)
    columns["kind"] = np.full(rows, Kind.NUMBER, np.uint8)
    columns["txt"] = columns["raw"] = np.full(rows, None, np.object_)
    return Frame(**columns)


def source_of(rows: Sequence[int], until: int | None = None) -> SampleSource:
    write = LineWriter(lambda number: Point(number, ADDRESS, Constraint.MEASURE, ValueType.NUMBER))
    selection = Selection(Everything(), Filter.parse({}), 1)
    tally = Tally({}, lambda entry: None, MachineClock())
    return SampleSource(Hub(Past(rows), write), selection, Throttle(0), "/s/1", 0, tally, until)


def taken(rows: Sequence[int], until: int | None = None) -> list[tuple[int, int, int]]:
    """Return last commit, events and samples of each parcel."""

    async def all_of() -> list[tuple[int, int, int]]:
        source, found = source_of(rows, until), []
        while (parcel := await source.take(0.0)) is not None:
            found.append((parcel.last, len(parcel.events), parcel.updates))
        return found

    return asyncio.run(all_of())


def test_a_parcel_has_so_many_commits() -> None:
    rows = [1] * (DELIVERY_COMMITS_MAX + 1)
    assert taken(rows) == [
        (DELIVERY_COMMITS_MAX, DELIVERY_COMMITS_MAX, DELIVERY_COMMITS_MAX),
        (DELIVERY_COMMITS_MAX + 1, 1, 1),
    ]


def test_a_parcel_ends_with_the_commit_that_fills_it() -> None:
    rows = [DELIVERY_SAMPLES_MAX - 1, EVENT_SAMPLES_MAX + 1, 1]
    events = -(-rows[0] // EVENT_SAMPLES_MAX)
    assert taken(rows) == [(2, events + 2, rows[0] + rows[1]), (3, 1, 1)]


def test_a_source_with_an_end_gives_nothing_behind_it() -> None:
    assert taken([1, 1, 1], until=2) == [(2, 2, 2)]


def test_bodies_are_bounded_and_whole() -> None:
    events = [json.dumps("x" * 300_000).encode()] * 7 + [b'"' + b"y" * 1_200_000 + b'"']
    found = list(bodies(events))
    assert [len(json.loads(body)) for body in found] == [3, 3, 1, 1]
    assert all(len(body) <= DELIVERY_BODY_BYTES_MAX for body in found[:-1])
    assert list(bodies([])) == []


class Quiet:
    """Stands for the parts that waiting does not need."""


def delivery(failures: int) -> Delivery:
    subscription = Subscription(
        "s", 1, EventKind.SAMPLES, "", "http://127.0.0.1/", {}, 0, "", True, 0, 0
    )
    quiet: object = Quiet()
    return Delivery(
        subscription=subscription,
        secret=b"",
        source=source_of([]),
        between=lambda after, until: source_of([], until),
        store=quiet,  # type: ignore[arg-type] # never asked for how long to wait
        outgoing=Outgoing(Reach()),
        clock=MachineClock(),
        patience_ms=1,
        may_deliver=lambda: True,
        position=0,
        failures=failures,
    )


@pytest.mark.parametrize(
    ("failures", "wait_s"),
    [
        (1, DELIVERY_WAIT_S_MIN),
        (2, 2 * DELIVERY_WAIT_S_MIN),
        (BREAKER_FAILURES, BREAKER_WAIT_S_MIN),
        (BREAKER_FAILURES + 1, 2 * BREAKER_WAIT_S_MIN),
        (BREAKER_FAILURES + 9, DELIVERY_WAIT_S_MAX),
        (10**6, DELIVERY_WAIT_S_MAX),
    ],
)
def test_each_try_waits_longer_up_to_a_bound_and_none_alike(failures: int, wait_s: float) -> None:
    waits = {delivery(failures)._wait_s() for _ in range(5)}
    assert len(waits) > 1
    assert all(0.5 * wait_s <= one <= wait_s for one in waits)


@pytest.mark.parametrize(
    ("status", "headers", "lasting", "after_s"),
    [
        (503, {"retry-after": "7"}, False, 7.0),
        (429, {"retry-after": "99999"}, False, DELIVERY_WAIT_S_MAX),
        (500, {"retry-after": "tomorrow"}, False, 0.0),
        (408, {}, False, 0.0),
        (425, {}, False, 0.0),
        (400, {}, True, 0.0),
        (302, {"location": "/"}, True, 0.0),
    ],
)
def test_answers_say_whether_it_is_worth_another_try(
    status: int, headers: Mapping[str, str], lasting: bool, after_s: float
) -> None:
    trouble = _trouble_of(Answer(status, headers, b"why not"))
    assert (trouble.lasting, trouble.retry_after_s) == (lasting, after_s)
    assert trouble.why == f"answered {status}: why not"


def test_a_receiver_that_answers_at_length_or_late_has_not_taken_it() -> None:
    """The bounds of a delivery lie inside those of every request to a stranger's host."""
    assert DELIVERY_S_MAX < OUTGOING_S_MAX

    async def run() -> list[str]:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            size = DELIVERY_ANSWER_BYTES_MAX + 1
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))
            writer.close()

        said: list[str] = []

        class Noting:
            def fail(self, id_: str, at: int, why: str, *, off: bool = False) -> None:
                said.append(why)

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            sending = delivery(0)
            url = f"http://127.0.0.1:{port}/"
            sending.subscription = Subscription(
                "s", 1, EventKind.SAMPLES, "", url, {}, 0, "", True, 0, 0
            )
            sending.store = Noting()  # type: ignore[assignment] # asked for nothing else
            async with Outgoing(Reach.of(["127.0.0.0/8"])) as outgoing:
                sending.outgoing = outgoing
                trouble = await sending._post("1", b"[]")
        assert trouble is not None and not trouble.lasting
        return said

    [why] = asyncio.run(run())
    assert f"more than {DELIVERY_ANSWER_BYTES_MAX} bytes" in why


def test_so_many_followers_read_history_at_once() -> None:
    for _ in range(CATCH_UP_AT_ONCE):
        assert follower._reading.acquire(blocking=False)
    try:
        assert not follower._reading.acquire(blocking=False)
    finally:
        for _ in range(CATCH_UP_AT_ONCE):
            follower._reading.release()
