"""How frames reach the stream INTERNAL, and how it says no."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from nats.aio.client import Client

from ciaas.computing import outlet
from ciaas.computing.broker.connection import connect
from ciaas.computing.broker.streams import INTERNAL, LIVE, StreamBounds, ensure_streams
from ciaas.computing.outlet import InternalOutlet
from ciaas.kernel.columns import decode
from ciaas.kernel.sample import Frame, Kind
from ciaas.sensorisation.ports import OutletFull, OutletUnavailable
from tests.ciaas.computing.city import City

SUBJECT = "uplink.field.0"


def frame(rows: int) -> Frame:
    return Frame(
        point=np.arange(rows, dtype=np.uint32),
        observed=np.zeros(rows, np.int64),
        received=np.zeros(rows, np.int64),
        kind=np.full(rows, Kind.NUMBER, np.uint8),
        num=np.arange(rows, dtype=np.float64),
        txt=np.full(rows, None, np.object_),
        verdict=np.zeros(rows, np.uint8),
        reason=np.zeros(rows, np.uint16),
        raw=np.full(rows, None, np.object_),
        source=np.zeros(rows, np.uint32),
        revision=np.zeros(rows, np.uint16),
    )


@pytest.fixture
def core(city: City) -> Iterator[Client]:
    """The streams, and who may look into them."""
    core = city.run(connect(city.url, city.seeds["core"], role="core"))
    city.run(ensure_streams(core, StreamBounds(internal_bytes=200_000, live_bytes=200_000)))
    yield core
    for name in (LIVE, INTERNAL):
        city.run(core.jetstream().delete_stream(name))
    city.run(core.close())


@pytest.fixture
def field(city: City) -> Iterator[Client]:
    field = city.run(connect(city.url, city.seeds["field"], role="field"))
    yield field
    city.run(field.close())


def messages(city: City, core: Client) -> int:
    return city.run(core.jetstream().stream_info(INTERNAL)).state.messages


def test_a_frame_lies_in_the_stream_when_publish_returns(
    city: City, core: Client, field: Client
) -> None:
    city.run(InternalOutlet(field, SUBJECT).publish(frame(5), "field:1"))
    stored = city.run(core.jetstream().get_msg(INTERNAL, 1))
    assert stored.subject == SUBJECT
    assert stored.data is not None
    assert decode(stored.data).point.tolist() == [0, 1, 2, 3, 4]


def test_the_same_id_again_is_stored_once(city: City, core: Client, field: Client) -> None:
    mine = InternalOutlet(field, SUBJECT)
    for _ in range(3):
        city.run(mine.publish(frame(1), "field:1"))
    city.run(mine.publish(frame(1), "field:2"))
    assert messages(city, core) == 2


def test_a_full_stream_refuses_and_keeps_what_it_has(
    city: City, core: Client, field: Client
) -> None:
    mine = InternalOutlet(field, SUBJECT)
    stored = 0
    with pytest.raises(OutletFull):
        while stored < 100:
            city.run(mine.publish(frame(500), f"field:{stored}"))
            stored += 1
    assert 0 < stored == messages(city, core)


def test_without_the_stream_it_is_unavailable(city: City, field: Client) -> None:
    with pytest.raises(OutletUnavailable):
        city.run(InternalOutlet(field, SUBJECT).publish(frame(1), "field:1"))


def test_without_the_broker_it_is_unavailable_and_goes_on_later(
    city: City, core: Client, field: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet, "PUBLISH_WAIT_S", 0.5)
    mine = InternalOutlet(field, SUBJECT)
    city.kill()
    try:
        with pytest.raises(OutletUnavailable):
            city.run(mine.publish(frame(1), "field:1"))
    finally:
        city.start()
    for _ in range(50):
        try:
            city.run(mine.publish(frame(1), "field:1"))
            break
        except OutletUnavailable:
            continue
    assert messages(city, core) == 1
