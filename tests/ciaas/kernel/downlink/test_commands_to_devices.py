"""Commands to cloud.iO devices: stamps, greetings, repetitions, and what confirms."""

from __future__ import annotations

from ciaas.kernel.downlink.command import Rung
from ciaas.kernel.downlink.ports import Answer
from ciaas.kernel.model import EndpointModel
from tests.ciaas.kernel.downlink.town import LAMP, Town


def test_the_value_under_the_commands_own_time_verifies(stamped_town: Town) -> None:
    town = stamped_town
    command = town.order()
    stamp = town.postman.wait().command.stamp
    town.report(40.0)
    town.report(40.0, at=stamp - 1)
    town.report(40.0, at=stamp)
    ended = town.end(command)
    assert (ended.state, ended.steps[-1].who) == (Rung.VERIFIED, "device")


def test_another_value_under_that_time_is_a_refusal(stamped_town: Town) -> None:
    town = stamped_town
    command = town.order()
    town.report(35.0, at=town.postman.wait().command.stamp)
    ended = town.end(command)
    assert (ended.state, ended.steps[-1].why) == (Rung.REJECTED, "it reports 35.0 instead")


def test_an_old_value_under_its_old_time_confirms_nothing(stamped_town: Town) -> None:
    """So a device answers a set that it takes for stale."""
    town = stamped_town
    town.overlay(verify_within_s=0.3)
    town.report(40.0, at=1_000)
    command = town.order()
    town.postman.wait()
    town.report(40.0, at=1_000)
    assert town.end(command).state is Rung.UNKNOWN


def test_stamps_rise_above_commands_and_samples(stamped_town: Town) -> None:
    town = stamped_town
    ahead = town.clock.now_ms() + 200_000
    town.report(1.0, at=ahead)
    first, second = town.order(1), town.order(2)
    assert (first.stamp, second.stamp) == (ahead + 1, ahead + 2)


def test_a_device_that_is_away_gets_it_after_its_greeting(stamped_town: Town) -> None:
    town = stamped_town
    town.postman.there = False
    command = town.order()
    assert town.postman.parcels == []
    town.postman.there = True
    town.downlink.greeted(LAMP)
    town.report(40.0, at=town.postman.wait().command.stamp)
    assert town.end(command).state is Rung.VERIFIED


def test_what_is_not_confirmed_is_sent_again_after_a_greeting(stamped_town: Town) -> None:
    town = stamped_town
    command = town.order()
    first = town.postman.wait()
    town.downlink.greeted(LAMP)
    again = town.postman.wait(2)
    assert again.command.stamp == first.command.stamp
    town.report(40.0, at=first.command.stamp)
    assert town.end(command).state is Rung.VERIFIED


def test_a_parameter_waits_for_a_device_that_went_away(stamped_town: Town) -> None:
    town = stamped_town
    town.overlay("fade", verify_within_s=0.05)
    town.postman.answer = None
    command = town.order(3, name="fade")
    town.postman.wait()
    town.postman.there = False
    waiting = town.reaches(command, Rung.QUEUED)
    assert waiting.expires_at - waiting.requested_at == 7 * 86_400_000
    town.postman.there = True
    town.downlink.greeted(LAMP)
    town.report(3.0, at=town.postman.wait(2).command.stamp, name="fade")
    assert town.end(command).state is Rung.VERIFIED


def test_a_parameter_that_was_sent_and_never_confirmed_ends_unknown(stamped_town: Town) -> None:
    town = stamped_town
    town.overlay("fade", verify_within_s=0.05)
    command = town.order(3, name="fade")
    town.postman.wait()
    town.postman.there = False
    town.reaches(command, Rung.QUEUED)
    town.clock.ahead_ms += 8 * 86_400_000
    assert town.end(command).state is Rung.UNKNOWN


def test_a_set_waits_for_a_point_that_its_device_brings_later(stamped_town: Town) -> None:
    """Some devices greet with an empty model and add their nodes one by one."""
    town = stamped_town
    town.postman.there = False
    queued = town.order(3, name="fade")
    town.postman.there = True
    sent = town.order(40)
    town.postman.wait()
    model = town.catalogue.endpoints()[0].model
    assert model is not None
    town.registry.resources.declare_model(LAMP, EndpointModel())
    town.catalogue.refresh()
    town.downlink.greeted(LAMP)
    town.reaches(sent, Rung.SENT)
    town.registry.resources.declare_model(LAMP, model)
    town.catalogue.refresh()
    stamps = {sent.address: sent.stamp, queued.address: queued.stamp}
    town.postman.wait(3)
    assert {p.command.address: p.command.stamp for p in town.postman.parcels} == stamps
    town.report(40.0, at=sent.stamp)
    town.report(3.0, at=queued.stamp, name="fade")
    assert {town.end(command).state for command in (sent, queued)} == {Rung.VERIFIED}


def test_a_set_point_of_a_silent_device_is_unknown(stamped_town: Town) -> None:
    town = stamped_town
    town.overlay(verify_within_s=0.05)
    command = town.order()
    town.postman.wait()
    town.postman.there = False
    assert town.end(command).state is Rung.UNKNOWN


def test_a_restart_sends_again_what_may_have_been_lost_with_core(stamped_town: Town) -> None:
    town = stamped_town
    command = town.order()
    first = town.postman.wait()
    town.restart()
    assert town.postman.wait(2).command.stamp == first.command.stamp
    town.report(40.0, at=first.command.stamp)
    assert town.end(command).state is Rung.VERIFIED


def test_a_restart_finds_the_confirmation_that_came_meanwhile(stamped_town: Town) -> None:
    town = stamped_town
    command = town.order()
    stamp = town.postman.wait().command.stamp
    town.downlink.stop()
    town.report(40.0, at=stamp, seen=False)
    town.restart()
    assert town.end(command).state is Rung.VERIFIED
    assert len(town.postman.parcels) == 1


def test_a_broker_that_is_away_keeps_it_queued(stamped_town: Town) -> None:
    town = stamped_town
    town.postman.answer = Answer(Rung.QUEUED, "core", "the broker is away")
    command = town.order()
    town.postman.wait()
    town.postman.answer = None
    town.report(40.0, at=town.postman.wait(2).command.stamp)
    ended = town.end(command)
    assert [step.rung.value for step in ended.steps][3:6] == ["sent", "queued", "sent"]
    assert ended.state is Rung.VERIFIED


def test_a_repetition_needs_the_right_as_the_first_sending_did(stamped_town: Town) -> None:
    town = stamped_town
    command = town.order()
    town.postman.wait()
    town.writers.clear()
    town.downlink.greeted(LAMP)
    ended = town.end(command)
    assert ended.state is Rung.UNKNOWN
    assert ended.steps[-1].why.startswith("sent once, and not again: the user holds no WRITE")
    assert len(town.postman.parcels) == 1
