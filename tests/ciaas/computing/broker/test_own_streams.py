"""The streams LIVE and INTERNAL: made once, kept at their bounds, never shrunk over unread data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from nats.aio.client import Client
from nats.js.errors import APIError

from ciaas.computing.broker import streams
from ciaas.computing.broker.connection import connect
from ciaas.computing.broker.errors import BrokerError, StreamMismatch
from ciaas.computing.broker.streams import INTERNAL, LIVE, StreamBounds, ensure_streams
from tests.ciaas.computing.city import City

BOUNDS = StreamBounds(
    live_age_s=3600, live_bytes=1_000_000, internal_bytes=200_000, duplicate_window_s=60
)


@pytest.fixture
def core(city: City) -> Iterator[Client]:
    core = city.run(connect(city.url, city.seeds["core"], role="core"))
    yield core
    for name in (LIVE, INTERNAL):
        city.run(core.jetstream().delete_stream(name))
    city.run(core.close())


def test_a_second_start_finds_the_same_streams(city: City, core: Client) -> None:
    first = city.run(ensure_streams(core, BOUNDS))
    assert city.run(ensure_streams(core, BOUNDS)) == first
    assert {name: identity.name for name, identity in first.items()} == {
        LIVE: LIVE,
        INTERNAL: INTERNAL,
    }


def test_their_kind(city: City, core: Client) -> None:
    city.run(ensure_streams(core, BOUNDS))
    live = city.run(core.jetstream().stream_info(LIVE)).config
    internal = city.run(core.jetstream().stream_info(INTERNAL)).config
    assert (live.subjects, live.discard, live.max_age, live.max_bytes) == (
        ["LIVE.*"],
        "old",
        3600,
        1_000_000,
    )
    assert (internal.subjects, internal.discard, internal.max_bytes) == (
        ["uplink.>"],
        "new",
        200_000,
    )
    assert internal.duplicate_window == 60
    assert {live.retention, internal.retention} == {"limits"}
    assert {live.storage, internal.storage} == {"file"}


def test_other_settings_change_the_bounds_and_keep_the_stream(city: City, core: Client) -> None:
    first = city.run(ensure_streams(core, BOUNDS))
    wider = replace(BOUNDS, live_age_s=60, live_bytes=5_000, internal_bytes=400_000)
    assert city.run(ensure_streams(core, wider)) == first
    live = city.run(core.jetstream().stream_info(LIVE)).config
    assert (live.max_age, live.max_bytes) == (60, 5_000)
    assert city.run(core.jetstream().stream_info(INTERNAL)).config.max_bytes == 400_000


def test_a_full_live_stream_drops_the_oldest(city: City, core: Client) -> None:
    city.run(ensure_streams(core, replace(BOUNDS, live_bytes=10_000)))
    for _ in range(20):
        city.run(core.jetstream().publish("LIVE.0", bytes(1_000)))
    state = city.run(core.jetstream().stream_info(LIVE)).state
    assert state.last_seq == 20
    assert state.first_seq > 1


def test_a_full_internal_stream_refuses_the_newest(city: City, core: Client) -> None:
    fill(city, core)
    with pytest.raises(APIError, match="maximum bytes exceeded"):
        city.run(core.jetstream().publish("uplink.field.0", bytes(100_000)))
    assert city.run(core.jetstream().stream_info(INTERNAL)).state.first_seq == 1


def test_a_bound_below_what_is_unread_is_refused(city: City, core: Client) -> None:
    fill(city, core)
    with pytest.raises(StreamMismatch, match="let core catch up"):
        city.run(ensure_streams(core, replace(BOUNDS, internal_bytes=50_000)))
    assert city.run(core.jetstream().stream_info(INTERNAL)).state.messages == 2


def test_a_stream_of_another_kind_is_refused(city: City, core: Client) -> None:
    city.run(ensure_streams(core, BOUNDS))
    city.run(core.jetstream().delete_stream(INTERNAL))
    city.run(core.jetstream().add_stream(name=INTERNAL, subjects=["uplink.>"]))
    with pytest.raises(StreamMismatch, match="discard"):
        city.run(ensure_streams(core, BOUNDS))


def test_a_stream_that_does_not_fit_the_store_is_refused(city: City, core: Client) -> None:
    city.run(ensure_streams(core, BOUNDS))
    with pytest.raises(BrokerError, match="file_store_bytes_max"):
        city.run(ensure_streams(core, replace(BOUNDS, internal_bytes=1024**5)))


def test_a_role_that_may_not_is_told(
    city: City, core: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_API_S", 0.1)
    city.run(ensure_streams(core, BOUNDS))
    field = city.run(connect(city.url, city.seeds["field"], role="field"))
    with pytest.raises(BrokerError, match="did not answer"):
        city.run(ensure_streams(field, BOUNDS))
    city.run(field.close())


def fill(city: City, core: Client) -> None:
    city.run(ensure_streams(core, BOUNDS))
    for _ in range(2):
        city.run(core.jetstream().publish("uplink.field.0", bytes(90_000)))
