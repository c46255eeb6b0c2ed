"""What refuses a command before it leaves: limits, dwell, interlock, rights; what is read how."""

from __future__ import annotations

from typing import Any

import pytest

from ciaas.interoperability.overlay import OverlayError, check_overlay
from ciaas.kernel.downlink.command import Command, Rung
from ciaas.kernel.downlink.order import NotWritable, Order
from ciaas.kernel.downlink.ports import Answer
from ciaas.kernel.downlink.wanted import Unfit, as_delivered, check_allowed, read_text, same, typed
from ciaas.kernel.model import Attribute, Constraint, EndpointModel, Node, Thing, Value, ValueType
from ciaas.limits import COMMAND_VERIFY_S_MAX, INTERLOCK_NAMES_MAX, OVERLAY_SECONDS_MAX
from ciaas.ports import KeyReused, Missing
from tests.ciaas.kernel.downlink.town import LAMP, Town

DONE = Answer(Rung.VERIFIED, "field", "it reads back")


def why(command: Command) -> str:
    assert command.state is Rung.REJECTED, command.state
    return command.steps[-1].why


def test_a_point_keeps_its_value_for_the_dwell(town: Town) -> None:
    town.overlay(min_dwell_s=60)
    town.postman.answer = DONE
    assert town.end(town.order(1)).state is Rung.VERIFIED
    refused = town.order(2)
    assert "keeps a value for 60 s at least; try again in" in why(refused)
    town.clock.ahead_ms += 60_000
    assert town.end(town.order(3)).state is Rung.VERIFIED


def test_what_was_refused_starts_no_dwell(town: Town) -> None:
    town.overlay(min_dwell_s=60, range=[0, 10])
    town.postman.answer = DONE
    assert "outside the range" in why(town.order(11))
    assert town.end(town.order(1)).state is Rung.VERIFIED


INTERLOCK = {"allow": "door < 1 and value <= 80", "names": {"door": f"{LAMP}/L/l/door"}}


def test_an_interlock_reads_other_points(town: Town) -> None:
    town.overlay(interlock=INTERLOCK)
    town.postman.answer = DONE
    assert "needs door" in why(town.order(40)), "no value yet"
    town.report(True, name="door")
    assert "does not hold (door is 1, value is 40)" in why(town.order(40))
    town.report(False, name="door")
    assert town.end(town.order(40)).state is Rung.VERIFIED
    assert "does not hold" in why(town.order(81))
    town.clock.ahead_ms += 301_000
    assert "older than 300 s" in why(town.order(40))


def test_an_interlock_is_asked_again_when_the_command_leaves(town: Town) -> None:
    town.overlay(interlock=INTERLOCK)
    town.report(False, name="door")
    town.postman.there = False
    command = town.order(40)
    town.report(True, name="door")
    town.postman.there = True
    assert "does not hold" in why(town.end(command))
    assert town.postman.parcels == []


@pytest.mark.parametrize(
    ("interlock", "reason"),
    [
        ({"allow": "log(0 - 1)"}, "does not hold"),
        ({"allow": "sqrt(value - 100) >= 0"}, "does not hold"),
        (
            {"allow": "x > 0", "names": {"x": "9e107d9d-372b-4c81-a1d5-3e0f5f0a3b02/A/b/c"}},
            "no such point is in this project",
        ),
    ],
)
def test_an_interlock_without_a_clear_yes_refuses(
    town: Town, interlock: dict[str, Any], reason: str
) -> None:
    town.overlay(interlock=interlock)
    assert reason in why(town.order(40))


def test_an_interlock_tells_nothing_of_another_project(town: Town) -> None:
    other = town.registry.resources.create_project("other").id
    uuid = town.registry.resources.create_endpoint(other, "theirs", {}).uuid
    light = Thing(attributes={"x": Attribute(Constraint.STATUS, ValueType.NUMBER)})
    model = EndpointModel(nodes={"L": Node(objects={"l": light})})
    town.registry.resources.declare_model(uuid, model)
    town.overlay(interlock={"allow": "x >= 0", "names": {"x": f"{uuid}/L/l/x"}})
    assert "no such point is in this project" in why(town.order(40))


@pytest.mark.parametrize(
    "interlock",
    [
        "value > 1",
        {"names": {}},
        {"allow": "x > 1"},
        {"allow": "value >"},
        {"allow": 1},
        {"allow": "value > 1", "deny": "1"},
        {"allow": "value > 1", "max_age_s": 0},
        {"allow": "value > 1", "names": {"value": f"{LAMP}/L/l/door"}},
        {"allow": "value > 1", "names": {"a-b": f"{LAMP}/L/l/door"}},
        {"allow": "value > 1", "names": {"a": "door"}},
        {"allow": "value > 1", "names": {"a": 1}},
        {
            "allow": "1",
            "names": {f"n{n}": f"{LAMP}/L/l/door" for n in range(INTERLOCK_NAMES_MAX + 1)},
        },
    ],
)
def test_an_unsound_interlock_is_no_overlay(interlock: object) -> None:
    with pytest.raises(OverlayError, match="interlock: "):
        check_overlay({"interlock": interlock})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("min_dwell_s", 0),
        ("min_dwell_s", OVERLAY_SECONDS_MAX + 1),
        ("verify_within_s", COMMAND_VERIFY_S_MAX + 1),
        ("verify_within_s", True),
        ("tolerance", -0.1),
        ("idempotent", "yes"),
    ],
)
def test_unsound_keys_are_refused(key: str, value: object) -> None:
    with pytest.raises(OverlayError, match=f"^{key}: "):
        check_overlay({key: value})


def test_a_command_is_delivered_in_the_unit_of_the_device(town: Town) -> None:
    town.overlay(unit="degC", source_unit="degF")
    command = town.order(20)
    assert town.postman.wait().value == pytest.approx(68.0)
    town.report(20.0)
    assert town.end(command).value == 20


def test_an_integer_that_the_device_has_not_is_refused(town: Town) -> None:
    town.overlay("fade", unit="s", source_unit="min")
    assert "takes whole numbers alone" in why(town.order(90, name="fade"))
    town.order(120, name="fade")
    assert town.postman.wait().value == 2


def test_a_key_stands_for_one_order(town: Town) -> None:
    town.postman.there = False
    first = town.order(40, key="k")
    assert town.order(40, key="k").id == first.id
    with pytest.raises(KeyReused):
        town.order(41, key="k")


def test_what_is_no_point_or_cannot_be_set_leaves_nothing(town: Town) -> None:
    with pytest.raises(NotWritable, match="is a Status"):
        town.order(1, name="door")
    with pytest.raises(Missing):
        town.order(1, name="nothing")
    with pytest.raises(NotWritable, match="null cannot be set"):
        town.order(None)
    with pytest.raises(NotWritable, match="4096 characters"):
        town.downlink.request(Order(town.address(), town.user, "ada", text="1" * 4_097))
    town.registry.resources.create_endpoint(
        town.project, "x", {}, "9e107d9d-372b-4c81-a1d5-3e0f5f0a3b02"
    )
    assert town.downlink.listed(project=None, prefix=(), states=(), before=None, limit=9) == []


@pytest.mark.parametrize(
    ("text", "type_", "value"),
    [
        ("true", ValueType.BOOLEAN, True),
        (" FALSE ", ValueType.BOOLEAN, False),
        ("1", ValueType.BOOLEAN, True),
        ("-7", ValueType.INTEGER, -7),
        ("1e3", ValueType.NUMBER, 1_000.0),
        ("true", ValueType.STRING, "true"),
    ],
)
def test_texts_are_read_by_type(text: str, type_: ValueType, value: Value) -> None:
    assert read_text(text, type_) == value
    assert typed(value, type_) == value


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("yes", ValueType.BOOLEAN),
        ("1.5", ValueType.INTEGER),
        ("9" * 50, ValueType.INTEGER),
        ("warm", ValueType.NUMBER),
        ("nan", ValueType.NUMBER),
        ("1e999", ValueType.NUMBER),
        ("a\0b", ValueType.STRING),
    ],
)
def test_what_says_no_value_of_the_type_is_refused(text: str, type_: ValueType) -> None:
    with pytest.raises(Unfit):
        typed(read_text(text, type_), type_)


@pytest.mark.parametrize(
    ("value", "overlay", "fits"),
    [
        (5, {"range": [5, None]}, True),
        (4.9, {"range": [5, None]}, False),
        ("red", {"enum": ["red", "green"]}, True),
        ("blue", {"enum": ["red", "green"]}, False),
        (1.0, {"enum": {"1": "on"}}, True),
        (True, {"enum": {"true": "on"}}, True),
        (False, {"enum": {"true": "on"}}, False),
        (True, {"range": [5, 6]}, True),
    ],
)
def test_allowed_values(value: Value, overlay: dict[str, Any], fits: bool) -> None:
    if fits:
        check_allowed(value, overlay)
    else:
        with pytest.raises(Unfit):
            check_allowed(value, overlay)


def test_sameness_is_of_kind_and_value() -> None:
    assert same(0.1, 0.10000000149, {})
    assert not same(1, True, {})
    assert not same(1.0, 1.1, {})
    assert same(1.0, 1.1, {"tolerance": 0.2})
    assert not same("1", 1, {})
    assert as_delivered("x", {"unit": "m", "source_unit": "cm"}, ValueType.STRING) == "x"
