"""Devices of a project that sends too much wait outside; those of others never notice."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ciaas.kernel.address import EndpointId
from ciaas.management.quotas.messages import Excess, MessageMeter
from ciaas.ports import Message
from security.aaa.errors import OverQuota
from security.aaa.quotas import Quotas
from security.limits import QUOTA_REST_S, QUOTA_WINDOW_S

LOUD, QUIET, OTHER, STRAY = map(EndpointId, ("loud", "quiet", "other", "stray"))
OWNER = {LOUD: 1, QUIET: 1, OTHER: 2}


class Kept:
    """A store of quotas that has one."""

    def quotas(self) -> Mapping[int, Mapping[str, int]]:
        return {1: {"messages_per_s": 10}}

    def put_quota(self, project: int, quota: str, bound: int | None) -> None:
        raise AssertionError("nobody sets one here")

    def stored(self) -> tuple[int, Mapping[int, int]]:
        return 0, {}

    def put_stored(self, commit: int, amounts: Mapping[int, int]) -> None:
        raise AssertionError("nothing is stored here")


class Rig:
    def __init__(self) -> None:
        self.now_ms = 1_000_000
        self.told: list[Excess] = []
        quotas = Quotas(Kept(), lambda name: {}, str)
        self.meter = MessageMeter(quotas, OWNER.get, lambda: self.now_ms, self.told.append)
        self.meter.active = True


@pytest.fixture
def rig() -> Rig:
    return Rig()


def messages(uuid: str, number: int) -> list[Message]:
    subject = f"@update.{uuid}.node.object.attribute".encode()
    return [Message(subject, b"{}", n, 0, b"") for n in range(number)]


def test_the_loudest_rest_until_the_others_are_within_the_quota(rig: Rig) -> None:
    rig.meter.count(messages(QUIET, 20) + messages(OTHER, 500) + messages(STRAY, 500))
    assert rig.told == []
    rig.meter.count(messages(LOUD, 10 * QUOTA_WINDOW_S))
    [excess] = rig.told
    assert (excess.project, excess.bound, excess.seen, excess.resting) == (1, 10, 120, [LOUD])
    assert [rig.meter.rests(uuid) for uuid in OWNER] == [True, False, False]


def test_exactly_as_much_as_is_allowed_is_no_excess(rig: Rig) -> None:
    rig.meter.count(messages(LOUD, 10 * QUOTA_WINDOW_S))
    assert rig.told == []
    rig.now_ms += QUOTA_WINDOW_S * 1_000
    rig.meter.count(messages(LOUD, 10 * QUOTA_WINDOW_S))
    assert rig.told == []
    rig.meter.count(messages(LOUD, 1))
    assert len(rig.told) == 1


def test_a_rest_ends(rig: Rig) -> None:
    rig.meter.count(messages(LOUD, 200))
    rig.now_ms += QUOTA_REST_S * 1_000 - 1
    assert rig.meter.rests(LOUD)
    rig.now_ms += 1
    assert not rig.meter.rests(LOUD)
    rig.meter.count(messages(LOUD, 1))
    assert len(rig.told) == 1


def test_an_app_is_told_when_to_come_again(rig: Rig) -> None:
    for _ in range(10 * QUOTA_WINDOW_S):
        rig.meter.take(1)
    with pytest.raises(OverQuota, match="messages_per_s is 10") as refused:
        rig.meter.take(1)
    assert refused.value.retry_after_s == QUOTA_WINDOW_S
    assert rig.meter.rate(1) == 10.0
    rig.meter.take(2)
    rig.now_ms += QUOTA_WINDOW_S * 1_000
    rig.meter.take(1)


def test_where_nobody_has_a_quota_nothing_is_counted(rig: Rig) -> None:
    rig.meter.active = False
    rig.meter.count(messages(LOUD, 1_000))
    assert (rig.told, rig.meter.rate(1)) == ([], 0.0)


def test_a_subject_without_an_endpoint_is_nobodys(rig: Rig) -> None:
    rig.meter.count([Message(subject, b"", 1, 0, b"") for subject in (b"", b"a", b".", b"\xff.b")])
    assert rig.told == []
