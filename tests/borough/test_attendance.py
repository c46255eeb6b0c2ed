"""Connections that have to end: asked for until the broker has answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, cast

import pytest

from borough.roles import attendance
from borough.roles.attendance import Attendance
from borough.roles.gate import DeviceGate
from ciaas.computing.broker.errors import BrokerError
from ciaas.kernel.address import EndpointId
from ciaas.limits import EXPULSIONS_AT_ONCE

LAMP = EndpointId("5c3c0f2e-8a31-4b1c-9a77-1f0e5a6b7c8d")


class Broker:
    """Answers as told; each question is kept."""

    def __init__(self) -> None:
        self.asked: list[EndpointId] = []
        self.waiting: list[Future[int]] = []
        self.well = False

    def kick(self, uuid: EndpointId) -> Future[int]:
        self.asked.append(uuid)
        answer: Future[int] = Future()
        self.waiting.append(answer)
        if self.well:
            answer.set_result(1)
        return answer

    def fail(self) -> None:
        for answer in self.waiting:
            if not answer.done():
                answer.set_exception(BrokerError("the broker did not answer"))


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def here(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Attendance:
    monkeypatch.setattr(attendance, "EXPEL_AGAIN_S", 0.01)
    nothing = cast(Any, None)
    return Attendance(nothing, nothing, lambda entry: None, nothing, kick=broker.kick)


def insists(here: Attendance, enough: Callable[[], bool]) -> None:
    async def go() -> None:
        work = asyncio.create_task(here.insist())
        while not enough():  # noqa: ASYNC110 - what is waited for gives no event
            await asyncio.sleep(0.005)
        work.cancel()

    asyncio.run(asyncio.wait_for(go(), 10))


def test_it_is_asked_for_until_the_broker_answers(here: Attendance, broker: Broker) -> None:
    here.disconnect(LAMP)
    broker.fail()
    assert set(here.owed) == {LAMP}

    def failed_thrice() -> bool:
        broker.fail()
        return len(broker.asked) > 3

    insists(here, failed_thrice)
    broker.well = True
    broker.fail()
    insists(here, lambda: not here.owed)
    before = len(broker.asked)
    insists(here, lambda: not here.asked)
    assert len(broker.asked) == before


def test_a_question_under_way_is_not_asked_twice(here: Attendance, broker: Broker) -> None:
    here.disconnect(LAMP)
    here.disconnect(LAMP)
    assert broker.asked == [LAMP]
    # The answer is to the first demand; the second came later and is still owed.
    broker.waiting[0].set_result(1)
    assert set(here.owed) == {LAMP}
    broker.well = True
    insists(here, lambda: not here.owed)
    assert broker.asked == [LAMP, LAMP]


def test_what_is_owed_before_there_is_a_broker_is_asked_for_later(
    here: Attendance, broker: Broker
) -> None:
    here.kick = None
    here.disconnect(LAMP)
    assert broker.asked == []
    here.kick, broker.well = broker.kick, True
    insists(here, lambda: not here.owed)
    assert broker.asked == [LAMP]


def test_so_many_are_asked_for_at_a_time(here: Attendance, broker: Broker) -> None:
    uuids = [EndpointId(f"{number:08x}-0000-4000-8000-000000000000") for number in range(250)]
    here.owe(uuids)
    insists(here, lambda: len(broker.asked) >= EXPULSIONS_AT_ONCE)
    assert len(broker.asked) == EXPULSIONS_AT_ONCE  # none of them was answered yet
    broker.well = True
    for answer in broker.waiting:
        answer.set_result(1)
    insists(here, lambda: not here.owed)
    assert sorted(set(broker.asked)) == uuids


class Known:
    """A catalogue and a store of certificates of a few endpoints."""

    def __init__(self, banned: bool = False) -> None:
        self.banned = banned

    def endpoint(self, uuid: EndpointId) -> Any:
        return self if uuid.startswith("5c3c0f2e") else None

    def in_force(self, now: int) -> dict[str, str]:
        return {"aa": LAMP, "bb": "00000000-0000-4000-8000-00000000dead"}

    def now_ms(self) -> int:
        return 0


@pytest.mark.parametrize(
    ("uuid", "fingerprint", "banned", "stays"),
    [
        (LAMP, "aa", False, True),
        (LAMP, "cc", False, False),
        (LAMP, "bb", False, False),
        (LAMP, "", False, False),
        (LAMP, "aa", True, False),
        (EndpointId("00000000-0000-4000-8000-00000000dead"), "bb", False, False),
    ],
    ids=["in force", "denied", "of another", "none shown", "banned", "deleted"],
)
def test_who_is_connected_is_compared_with_who_may_be(
    uuid: EndpointId, fingerprint: str, banned: bool, stays: bool
) -> None:
    known = cast(Any, Known(banned))
    gate = DeviceGate(known, known, known)
    assert gate.denied({uuid: fingerprint}) == ([] if stays else [uuid])
