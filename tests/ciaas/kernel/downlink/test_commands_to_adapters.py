"""Commands that an adapter carries out: each rung, and each way in which it may end."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from ciaas.kernel.downlink import downlink as module
from ciaas.kernel.downlink import waiters
from ciaas.kernel.downlink.command import Command, Rung
from ciaas.kernel.downlink.ports import Answer
from ciaas.kernel.sample import Verdict
from ciaas.kernel.uplink import Busy
from ciaas.limits import COMMAND_SENDS_MAX
from tests.ciaas.kernel.downlink.town import Town


def rungs(command: Command) -> list[str]:
    return [step.rung.value for step in command.steps]


def test_the_adapters_answers_are_the_rungs(town: Town) -> None:
    command = town.order()
    assert town.postman.wait().value == 40.0
    town.postman.told[0](Answer(Rung.ACCEPTED, "field", "echoed"))
    town.reaches(command, Rung.ACCEPTED)
    town.postman.told[0](Answer(Rung.VERIFIED, "field", "it reads back"))
    ended = town.end(command)
    assert rungs(ended)[3:] == ["sent", "accepted", "verified"]
    assert ended.steps[-1].who == "field"
    assert town.record.rungs(ended) == rungs(ended)


def test_it_is_durable_before_it_is_sent(town: Town) -> None:
    town.order()
    parcel = town.postman.wait()
    stored = town.registry.commands.command(parcel.command.id)
    assert stored.state is Rung.SENT
    assert town.record.rungs(stored)[-1] == "sent"


def test_a_later_reading_with_the_value_verifies(town: Town) -> None:
    command = town.order()
    town.postman.wait()
    town.report(40.0, at=town.clock.now_ms() - 60_000)
    town.report(40.0, verdict=Verdict.BAD)
    town.report(12.0)
    town.report(40.0)
    assert town.end(command).state is Rung.VERIFIED


def test_a_tolerance_widens_what_confirms(town: Town) -> None:
    town.overlay(tolerance=0.5)
    command = town.order(40)
    town.postman.wait()
    town.report(39.6)
    assert town.end(command).state is Rung.VERIFIED


def test_what_left_and_was_never_confirmed_is_unknown_and_not_sent_again(town: Town) -> None:
    town.overlay(verify_within_s=0.05)
    ended = town.end(town.order())
    assert rungs(ended)[3:] == ["sent", "unknown"]
    assert ended.steps[-1].why == "not confirmed within 0.05 s"
    assert len(town.postman.parcels) == 1


def test_accepted_and_not_confirmed_says_so(town: Town) -> None:
    town.overlay(verify_within_s=0.05)
    town.postman.answer = Answer(Rung.ACCEPTED, "field", "accepted; it reads 3")
    ended = town.end(town.order())
    assert ended.state is Rung.UNKNOWN
    assert ended.steps[-1].why.startswith("accepted, but not confirmed")


def test_an_idempotent_point_is_tried_again_a_bounded_number_of_times(town: Town) -> None:
    town.overlay(verify_within_s=0.02, idempotent=True)
    ended = town.end(town.order())
    assert rungs(ended)[3:] == ["sent"] * COMMAND_SENDS_MAX + ["unknown"]
    assert len(town.postman.parcels) == COMMAND_SENDS_MAX


def test_a_confirmation_that_was_overlooked_is_found_in_history(town: Town) -> None:
    town.overlay(verify_within_s=0.2)
    command = town.order()
    town.postman.wait()
    town.report(40.0, seen=False)
    assert town.end(command).state is Rung.VERIFIED


def test_nothing_left_means_queued_again_until_its_time_is_over(town: Town) -> None:
    town.postman.answer = Answer(Rung.QUEUED, "field", "cannot connect")
    command = town.order(ttl_s=600)
    town.postman.wait(2)
    town.clock.ahead_ms += 601_000
    ended = town.end(command)
    assert rungs(ended)[3:6] == ["sent", "queued", "sent"]
    assert ended.state is Rung.EXPIRED
    assert "cannot connect" in ended.steps[-1].why


def test_what_is_never_sent_expires(town: Town) -> None:
    town.postman.there = False
    ended = town.end(town.order(ttl_s=0.05))
    assert (ended.state, ended.steps[-1].why) == (
        Rung.EXPIRED,
        "not sent in time: the device is away, or has no such point now",
    )
    assert town.postman.parcels == []


def test_one_command_of_a_point_is_under_way_at_a_time(town: Town) -> None:
    first, second = town.order(1), None
    town.postman.wait()
    second = town.order(2)
    third = town.order(3)
    other = town.order(5, name="fade")
    town.postman.wait(2)
    assert [parcel.command.id for parcel in town.postman.parcels] == [first.id, other.id]
    assert town.downlink.command(second.id).state is Rung.SUPERSEDED
    town.postman.told[0](Answer(Rung.REJECTED, "field", "no"))
    assert town.postman.wait(3).command.id == third.id


def test_an_answer_to_an_earlier_sending_says_nothing_of_the_later_one(town: Town) -> None:
    town.postman.answer = Answer(Rung.QUEUED, "field", "busy")
    command = town.order(ttl_s=600)
    town.postman.wait(2)
    town.postman.answer = None
    town.postman.wait(3)
    town.postman.told[0](Answer(Rung.VERIFIED, "field"))
    town.postman.told[2](Answer(Rung.REJECTED, "field", "no"))
    assert town.end(command).state is Rung.REJECTED


def test_a_restart_sends_what_was_queued_and_waits_for_what_was_sent(town: Town) -> None:
    sent = town.order(1)
    town.postman.wait()
    town.downlink.stop()
    town.postman.there = False
    queued = town.order(2, name="fade")
    town.report(1.0, seen=False)
    town.postman.there = True
    town.restart()
    assert town.end(sent).state is Rung.VERIFIED
    assert town.postman.wait(2).command.id == queued.id
    assert len(town.postman.parcels) == 2


def test_what_was_sent_before_a_restart_and_stays_silent_is_unknown(town: Town) -> None:
    town.overlay(verify_within_s=0.3)
    sent = town.order()
    town.postman.wait()
    town.restart()
    assert town.end(sent).state is Rung.UNKNOWN
    assert len(town.postman.parcels) == 1


def test_a_record_that_cannot_be_written_holds_commands_up_and_loses_none(town: Town) -> None:
    command = town.order()
    town.postman.wait()
    town.record.full = True
    with pytest.raises(OSError, match="no space"):
        town.order(7, name="fade")
    town.postman.told[0](Answer(Rung.VERIFIED, "field", "it reads back"))
    assert town.downlink.command(command.id).state is Rung.SENT
    town.record.full = False
    assert town.end(command).steps[-1].why == "it reads back"


def test_an_endpoint_deleted_meanwhile_is_sent_nothing(town: Town) -> None:
    town.postman.there = False
    command = town.order()
    town.registry.resources.delete_endpoint(town.catalogue.endpoints()[0].uuid, town.clock.now_ms())
    town.catalogue.refresh()
    town.postman.there = True
    assert town.end(command).state is Rung.REJECTED
    assert town.postman.parcels == []


def test_open_commands_have_a_bound(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COMMANDS_OPEN_MAX", 1)
    town.postman.there = False
    town.order()
    with pytest.raises(Busy, match="1 commands are open"):
        town.order(1, name="fade")


def test_callers_that_wait_have_a_bound_and_may_give_up(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiters, "COMMAND_WAITERS_MAX", 1)
    town.postman.there = False
    command = town.order()
    waiting: Future[Command] = town.downlink.outcome(command)
    with pytest.raises(Busy, match="too many callers"):
        town.downlink.outcome(command)
    assert waiting.cancel()
    again = town.downlink.outcome(command)
    town.clock.ahead_ms += 61_000
    town.order(1, name="fade")
    assert again.result(20).state is Rung.EXPIRED


def test_callers_that_wait_learn_how_a_command_stands_when_the_platform_stops(town: Town) -> None:
    town.postman.there = False
    waiting = town.downlink.outcome(town.order())
    town.restart()
    assert waiting.result(20).state is Rung.QUEUED


def test_evidence_has_a_bound_and_what_is_left_out_is_looked_up(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COMMAND_EVIDENCE_WAITING_MAX", 0)
    town.overlay(verify_within_s=0.2)
    command = town.order()
    town.postman.wait()
    town.report(40.0)
    ended = town.end(command)
    assert ended.state is Rung.VERIFIED
    assert ended.steps[-1].at - ended.steps[-2].at >= 200


def test_open_commands_are_counted(town: Town) -> None:
    town.postman.there = False
    town.order()
    assert town.downlink.counts() == {"queued": 1}
