"""Broker, warm-up, consumer, open: before the last step no device gets in, after it none loses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ciaas.computing.admission.warmup import (
    CONSUMER,
    STREAM,
    ensure_ingest,
    platform_tls,
    warm_up,
)
from ciaas.computing.broker.connection import connect
from ciaas.computing.broker.errors import BrokerError, StreamMismatch
from ciaas.computing.broker.streams import api
from ciaas.limits import INGEST_UNACKNOWLEDGED_MAX
from tests.ciaas.computing.city import City, until
from tests.ciaas.computing.doorkeeper import PLATFORM, Doorkeeper


@pytest.fixture
def closed(city: City) -> Iterator[Doorkeeper]:
    doorkeeper = Doorkeeper(city)
    city.run(doorkeeper.prepare())
    yield doorkeeper
    city.run(doorkeeper.end())


def test_devices_wait_outside_until_open_and_lose_nothing_after(closed: Doorkeeper) -> None:
    early = closed.device()
    assert early.connect() == "Not authorized"
    assert closed.refused(early.client_id).reason == "closed"
    assert not closed.gate.asked
    closed.callout.open()
    device = closed.device()
    assert device.connect() == "Success"

    def pending() -> int:
        info = closed.city.run(closed.core.jetstream().consumer_info(STREAM, CONSUMER))
        return info.num_pending or 0

    before = pending()
    device.publish(f"@update/{device.client_id}/n/o/a", b"1")
    # The count follows the acknowledgement of the publish by a moment.
    until(lambda: pending() == before + 1, "the message in the consumer")
    device.leave()


def test_the_consumer_reads_every_verb_and_acknowledges_each(closed: Doorkeeper) -> None:
    closed.city.run(ensure_ingest(closed.core))
    config = closed.city.run(closed.core.jetstream().consumer_info(STREAM, CONSUMER)).config
    assert config.filter_subject == "$MQTT.msgs.*.>"
    assert config.ack_policy == "explicit"
    assert config.deliver_policy == "all"
    assert config.max_ack_pending == INGEST_UNACKNOWLEDGED_MAX


def test_another_bound_of_the_consumer_is_put_right(closed: Doorkeeper) -> None:
    make(closed, max_ack_pending=7)
    closed.city.run(ensure_ingest(closed.core))
    config = closed.city.run(closed.core.jetstream().consumer_info(STREAM, CONSUMER)).config
    assert config.max_ack_pending == INGEST_UNACKNOWLEDGED_MAX


def test_a_consumer_that_selects_otherwise_is_refused(closed: Doorkeeper) -> None:
    make(closed, filter_subject="$MQTT.msgs.@update.>")
    with pytest.raises(StreamMismatch, match="filter_subject"):
        closed.city.run(ensure_ingest(closed.core))
    make(closed)


def test_warming_up_as_a_stranger_says_so(closed: Doorkeeper) -> None:
    identity = closed.city.authority.issue("stranger")
    tls = platform_tls(closed.city.ca_file, identity.certificate_pem, identity.key_pem)
    with pytest.raises(BrokerError, match="does not admit stranger"):
        closed.city.run(warm_up(closed.city.configuration.mqtts, "stranger", tls))


def test_a_restart_finds_the_consumer_and_what_it_holds(closed: Doorkeeper) -> None:
    closed.callout.open()
    device = closed.device()
    assert device.connect() == "Success"
    device.publish(f"@update/{device.client_id}/n/o/a", b"1")
    closed.city.stop()
    assert device.ended.wait(10)
    closed.city.start()
    closed.city.run(ensure_ingest(closed.core))
    info = closed.city.run(closed.core.jetstream().consumer_info(STREAM, CONSUMER))
    assert info.num_pending


def test_without_warm_up_there_is_no_stream_to_consume(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    city = City(tmp_path_factory.mktemp("cold"))
    try:
        city.start()
        core = city.run(connect(city.url, city.seeds["core"], role="core"))
        with pytest.raises(BrokerError, match="warm up before"):
            city.run(ensure_ingest(core))
        city.run(core.close())
    finally:
        city.end()


def test_with_nobody_to_answer_the_platform_is_told_so(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    city = City(tmp_path_factory.mktemp("mute"))
    try:
        city.start()
        identity = city.authority.issue(PLATFORM)
        tls = platform_tls(city.ca_file, identity.certificate_pem, identity.key_pem)
        with pytest.raises(BrokerError, match="does not admit"):
            city.run(warm_up(city.configuration.mqtts, PLATFORM, tls))
    finally:
        city.end()


def make(doorkeeper: Doorkeeper, **changes: object) -> None:
    """Replace the consumer by one with another configuration."""
    subject = f"{STREAM}.{CONSUMER}"
    doorkeeper.city.run(api(doorkeeper.core, f"CONSUMER.DELETE.{subject}", {}))
    config = {
        "durable_name": CONSUMER,
        "ack_policy": "explicit",
        "deliver_policy": "all",
        "filter_subject": "$MQTT.msgs.*.>",
        "ack_wait": 30_000_000_000,
        "max_ack_pending": INGEST_UNACKNOWLEDGED_MAX,
        **changes,
    }
    made = doorkeeper.city.run(
        api(
            doorkeeper.core,
            f"CONSUMER.DURABLE.CREATE.{subject}",
            {"stream_name": STREAM, "config": config},
        )
    )
    assert "error" not in made
