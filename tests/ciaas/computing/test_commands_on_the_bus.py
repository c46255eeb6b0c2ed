"""Commands between roles over a real broker, and as a cloud.iO device reads them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import cbor2
import msgspec
import pytest
from nats.aio.client import Client
from nats.errors import NoRespondersError

from ciaas.computing.broker.connection import connect
from ciaas.computing.commands import desk as desk_module
from ciaas.computing.commands import door as door_module
from ciaas.computing.commands.desk import FieldDesk
from ciaas.computing.commands.device import DeviceCourier, written
from ciaas.computing.commands.door import CommandDoor
from ciaas.computing.commands.field import FieldCourier
from ciaas.computing.commands.paper import (
    FIELD_SUBJECT,
    REQUEST_SUBJECT,
    CommandReply,
    CommandRequest,
)
from ciaas.kernel.address import EndpointId, PointAddress
from ciaas.kernel.downlink.command import Command, Rung, Step
from ciaas.kernel.downlink.ports import Answer, Parcel
from ciaas.kernel.model import Constraint, EndpointModel, ValueType
from ciaas.ports import Endpoint, Feed, Point
from ciaas.sensorisation.writing.order import WriteOrder, WriteOutcome
from tests.ciaas.computing.city import PATIENCE_S, City, SystemClock

LAMP = EndpointId("4b825dc6-42cb-4a1d-9c0e-6b1f6e0a3b01")
ADDRESS = PointAddress(f"{LAMP}/Lamp/light/level")
STAMP = 1_795_300_000_123


def parcel(model: EndpointModel | None = None, within_ms: int = 5_000) -> Parcel:
    step = Step(Rung.REQUESTED, 1, "ada")
    command = Command(1, "id", 1, 7, ADDRESS, 1, 40.0, STAMP, 2, (step,))
    point = Point(7, ADDRESS, Constraint.SET_POINT, ValueType.NUMBER)
    endpoint = Endpoint(LAMP, 1, "lamp", {}, Feed.DEVICE, False, model, 0)
    return Parcel(command, point, endpoint, 40.0, {}, SystemClock().now_ms() + within_ms)


async def asked(
    city: City,
    sent: Parcel,
    write: Callable[[WriteOrder], Awaitable[WriteOutcome]] | None,
) -> Answer:
    """Return what a courier is told; no ``write`` means that there is no field role."""
    core = await connect(city.url, city.seeds["core"], role="core")
    field = await connect(city.url, city.seeds["field"], role="field")
    courier = FieldCourier(SystemClock())
    assert not courier.ready(sent.endpoint)
    courier.attach(core)
    assert courier.ready(sent.endpoint)
    if write is not None:
        desk = FieldDesk(field, write)
        await desk.open()
        await field.flush()
    answers: asyncio.Queue[Answer] = asyncio.Queue()
    courier.send(sent, answers.put_nowait)
    try:
        return await asyncio.wait_for(answers.get(), PATIENCE_S)
    finally:
        if write is not None:
            await desk.close()
        await field.close()
        await core.close()


def test_field_is_asked_and_answers(city: City) -> None:
    orders: list[WriteOrder] = []

    async def write(order: WriteOrder) -> WriteOutcome:
        orders.append(order)
        return WriteOutcome(Rung.VERIFIED, "it reads back")

    sent = parcel()
    assert city.run(asked(city, sent, write)) == Answer(Rung.VERIFIED, "field", "it reads back")
    assert orders == [WriteOrder("id", ADDRESS, 40.0, sent.until, "ada")]


def test_without_a_field_role_nothing_has_left(city: City) -> None:
    answer = city.run(asked(city, parcel(), None))
    assert answer == Answer(Rung.QUEUED, "core", "the field role does not run")


def test_an_answer_that_does_not_come_leaves_it_sent(city: City) -> None:
    async def write(order: WriteOrder) -> WriteOutcome:
        await asyncio.sleep(PATIENCE_S)
        raise AssertionError("the desk ends before")

    answer = city.run(asked(city, parcel(within_ms=50), write))
    assert answer == Answer(Rung.SENT, "core", "the field role gave no answer in time")


def test_writes_at_the_same_time_have_a_bound(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_module, "FIELD_WRITES_MAX", 0)

    async def write(order: WriteOrder) -> WriteOutcome:
        raise AssertionError("it is turned away")

    answer = city.run(asked(city, parcel(), write))
    assert answer == Answer(Rung.QUEUED, "field", "0 writes are under way")


async def request(city: City, subject: str, payload: bytes, open_: Callable[[Client], Any]) -> Any:
    core = await connect(city.url, city.seeds["core"], role="core")
    other = await connect(city.url, city.seeds["core"], role="core")
    await open_(other)
    await other.flush()
    deadline = time.monotonic() + PATIENCE_S
    try:
        while True:
            try:
                return json.loads((await core.request(subject, payload, timeout=PATIENCE_S)).data)
            except NoRespondersError:  # on a busy machine the other may have had to connect again
                assert time.monotonic() < deadline, "nobody answers"
                await asyncio.sleep(0.05)
    finally:
        await other.close()
        await core.close()


@pytest.mark.parametrize("payload", [b"", b"{}", b"[", b'{"command": 1}'])
def test_the_desk_rejects_what_is_no_request(city: City, payload: bytes) -> None:
    async def write(order: WriteOrder) -> WriteOutcome:
        raise AssertionError("nothing was asked")

    told = city.run(
        request(city, FIELD_SUBJECT, payload, lambda client: FieldDesk(client, write).open())
    )
    assert told["rung"] == "rejected"
    assert told["why"].startswith("no request: ")


def ask(city: City, payload: bytes, answer: Callable[[CommandRequest], CommandReply]) -> Any:
    return city.run(request(city, REQUEST_SUBJECT, payload, CommandDoor(answer).open))


def test_the_door_answers_with_the_command(city: City) -> None:
    came: list[CommandRequest] = []

    def answer(asked: CommandRequest) -> CommandReply:
        came.append(asked)
        return CommandReply("id", "queued")

    wanted = CommandRequest("mashup:1", "k", ADDRESS, 40, ttl_s=5)
    told = ask(city, msgspec.json.encode(wanted), answer)
    assert told == {"id": "id", "rung": "queued", "why": "", "again": False}
    assert came == [wanted]


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": ""},
        {"key": "k" * 129},
        {"value": None},
        {"ttl_s": 0},
        {"ttl_s": 2_592_001},
        {"admin": True},
    ],
)
def test_the_door_takes_nothing_else(city: City, wrong: dict[str, Any]) -> None:
    wanted = {"user": "mashup:1", "key": "k", "address": ADDRESS, "value": 40} | wrong

    def answer(asked: CommandRequest) -> CommandReply:
        raise AssertionError("nothing was asked")

    told = ask(city, json.dumps(wanted).encode(), answer)
    assert told["id"] == "" and told["why"].startswith("no request: ")


def test_requests_at_the_same_time_have_a_bound(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_module, "COMMAND_REQUESTS_MAX", 0)
    told = ask(city, b"{}", lambda asked: CommandReply("id", "queued"))
    assert (told["id"], told["again"]) == ("", True)


def test_a_set_is_written_in_seconds_with_milliseconds() -> None:
    topic, payload = written(parcel(EndpointModel(message_format_version=2)))
    assert topic == f"@set/{ADDRESS}"
    assert json.loads(payload) == {
        "type": "Number",
        "constraint": "SetPoint",
        "timestamp": 1_795_300_000.123,
        "value": 40.0,
    }


@pytest.mark.parametrize(
    ("formats", "cbor"),
    [
        (("CBOR", "JSON"), True),
        (("JSON", "CBOR"), False),
        (("PROTOBUF", "CBOR"), True),
        ((), False),
    ],
)
def test_the_first_format_that_both_know_is_spoken(formats: tuple[str, ...], cbor: bool) -> None:
    model = EndpointModel(message_format_version=2, supported_formats=formats)
    _, payload = written(parcel(model))
    read = cbor2.loads(payload) if cbor else json.loads(payload)
    assert (read["value"], read["timestamp"]) == (40.0, 1_795_300_000.123)


def test_an_old_device_gets_the_long_topic() -> None:
    topic, _ = written(parcel(EndpointModel(message_format_version=1)))
    assert topic == f"@set/{LAMP}/nodes/Lamp/objects/light/attributes/level"


def test_without_a_broker_nothing_leaves() -> None:
    courier = DeviceCourier(lambda uuid: True)
    answers: list[Answer] = []
    sent = parcel()
    assert not courier.ready(sent.endpoint)
    courier.send(replace(sent, overlay={}), answers.append)
    assert answers == [Answer(Rung.QUEUED, "core", "the broker is away")]
