from __future__ import annotations

import copy
from typing import Any

import pytest

from ciaas.kernel.model import Constraint, ValueType
from ciaas.limits import (
    CONNECTION_BYTES_MAX,
    DEVICES_PER_CONNECTION_MAX,
    POINTS_PER_PROFILE_MAX,
    PROFILES_PER_CONNECTION_MAX,
    SAMPLING_INTERVAL_S_MAX,
    SAMPLING_INTERVAL_S_MIN,
    STRING_BYTES_MAX,
)
from ciaas.sensorisation.connection import DocumentError
from ciaas.sensorisation.profile import declared_model, overlays
from ciaas.sensorisation.profile.text import TextError, read_text
from tests.ciaas.sensorisation.bench import Bench


def faults(bench: Bench, document: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(DocumentError) as refused:
        bench.plan(document)
    return {fault.path: fault.remedy for fault in refused.value.faults}


def with_point(bench: Bench, **changes: Any) -> dict[str, Any]:
    document = bench.document()
    document["profiles"][0]["points"][0] |= changes
    return document


def test_a_sound_document_becomes_a_plan(bench: Bench) -> None:
    plan = bench.plan(bench.document(cells=(0, 1)))
    red, blue = plan.devices
    assert [device.id for device in plan.devices] == ["red", "blue"]
    assert red.endpoint != blue.endpoint
    assert [point.address for point in red.points] == [
        f"{red.endpoint}/drawer/cell/c0",
        f"{red.endpoint}/drawer/cell/c1",
    ]
    assert [point.target.size for point in red.points] == [2, 2]


def test_endpoints_are_the_same_each_time_and_can_be_given(bench: Bench) -> None:
    document = bench.document()
    given = "8B0F40D4-8A0B-4B19-9BB1-4B2F9DF1A6C5"
    document["devices"][1]["uuid"] = given
    first, second = bench.plan(document), bench.plan(copy.deepcopy(document))
    assert first.devices[0].endpoint == second.devices[0].endpoint
    assert first.devices[1].endpoint == given.lower()


def test_the_digest_is_that_of_the_content(bench: Bench) -> None:
    document = bench.document()
    shuffled = dict(reversed(list(copy.deepcopy(document).items())))
    renamed = bench.document()
    renamed["devices"][0]["friendly_name"] = "Scarlet"
    assert bench.plan(document).digest == bench.plan(shuffled).digest
    assert bench.plan(document).digest != bench.plan(renamed).digest
    # a name does not concern polling: the device itself is not disturbed
    assert bench.plan(document).devices[0].digest == bench.plan(renamed).devices[0].digest


POINT = "profiles[0].points[0]"


@pytest.mark.parametrize(
    ("changes", "path", "remedy"),
    [
        ({"id": "drawer/c0"}, f"{POINT}.id", "needs node/object/attribute"),
        ({"id": "drawer/ce ll/c0"}, f"{POINT}.id", "which no topic may carry"),
        ({"direction": "x"}, f"{POINT}.direction", "w for one that is set and cannot be read"),
        ({"direction": "w", "constraint": "SetPoint"}, f"{POINT}.sampling", "is not read"),
        (
            {
                "direction": "w",
                "constraint": "SetPoint",
                "report": {"mode": "change"},
                "validity": {"stale_after_s": 5},
                "write": {"settle_s": 1},
            },
            f"{POINT}.write.settle_s",
            "is not read",
        ),
        ({"constraint": "SetPoint"}, f"{POINT}.direction", "can be set: write rw"),
        ({"constraint": "Static"}, f"{POINT}.constraint", "Measure"),
        ({"direction": "rw"}, f"{POINT}.constraint", "a SetPoint or a Parameter"),
        ({"write": {"settle_s": 1}}, f"{POINT}.write", "goes with direction rw"),
        ({"write": {"settle_s": 61}}, f"{POINT}.write.settle_s", "less than or equal to 60"),
        (
            {"direction": "rw", "constraint": "SetPoint", "raw": {"type": "u32", "mask": 98304}},
            f"{POINT}.raw.mask",
            "bits of two registers",
        ),
        (
            {
                "direction": "rw",
                "constraint": "SetPoint",
                "type": "String",
                "transform": {"enum": {1: "on", 2: "on"}},
            },
            f"{POINT}.transform.enum",
            "two codes have one word",
        ),
        (
            {
                "direction": "rw",
                "constraint": "SetPoint",
                "type": "String",
                "raw": {"type": "string", "length": 4},
                "write": {"raw_range": [0, 1]},
            },
            f"{POINT}.write.raw_range",
            "only numbers",
        ),
        (
            {"direction": "rw", "constraint": "Parameter"},
            f"{POINT}.direction",
            "this adapter reads only: write direction: r",
        ),
        ({"colour": "red"}, f"{POINT}.colour", "correct its spelling or take it out"),
        ({"address": {"cell": -1}}, f"{POINT}.address", "cells count from 0"),
        ({"address": {"sell": 1}}, f"{POINT}.address.cell", "is missing: add it"),
        ({"raw": {"type": "u24"}}, f"{POINT}.raw.type", "u16"),
        ({"raw": {"type": "u16", "bit": 3}}, f"{POINT}.raw", "'bit' goes with type bit"),
        ({"raw": {"type": "string"}}, f"{POINT}.raw", "'length' (in bytes) is needed"),
        ({"raw": {"type": "i16", "mask": 3}}, f"{POINT}.raw", "unsigned types"),
        ({"raw": {"type": "u16", "mask": 65_536}}, f"{POINT}.raw", "more bits than a u16"),
        ({"raw": {"type": "bit", "bit": 1}}, f"{POINT}.type", "gives Boolean: write that"),
        ({"raw": {"type": "string", "length": 4}}, f"{POINT}.type", "gives String: write that"),
        (
            {"type": "Integer", "transform": {"scale": 0.1}},
            f"{POINT}.type",
            "gives Number: write that",
        ),
        ({"transform": {"scale": 0}}, f"{POINT}.transform", "use 1 for no scaling"),
        ({"transform": {"enum": {}}}, f"{POINT}.transform", "name at least one code"),
        ({"transform": {"enum": {1: "on"}}}, f"{POINT}.type", "gives String: write that"),
        (
            {"transform": {"enum": {1: "on"}, "scale": 2}},
            f"{POINT}.transform",
            "leave out 'scale' and 'offset'",
        ),
        (
            {"unit": {"source": "furlongz", "canonical": "m"}},
            f"{POINT}.unit.source",
            "is no known unit",
        ),
        (
            {"unit": {"source": "degC", "canonical": "m"}},
            f"{POINT}.unit.source",
            "does not convert to",
        ),
        ({"validity": {"range": [5, 1]}}, f"{POINT}.validity.range", "exchange them"),
        ({"validity": {"rate_max": -1}}, f"{POINT}.validity.rate_max", "greater than 0"),
        (
            {"sampling": {"interval_s": 1, "jitter_s": 2}},
            f"{POINT}.sampling",
            "may not be longer than 'interval_s'",
        ),
        (
            {"sampling": {"interval_s": SAMPLING_INTERVAL_S_MIN / 2}},
            f"{POINT}.sampling.interval_s",
            "greater than or equal",
        ),
        (
            {"sampling": {"interval_s": SAMPLING_INTERVAL_S_MAX * 2}},
            f"{POINT}.sampling.interval_s",
            "less than or equal",
        ),
        ({"report": {"mode": "deadband"}}, f"{POINT}.report", "'deadband' is needed"),
        ({"report": {"deadband": 1}}, f"{POINT}.report", "'deadband' is needed"),
        ({"overlay": {"unit": "m"}}, f"{POINT}.overlay", "have places of their own"),
        ({"overlay": {"precision": -1}}, f"{POINT}.overlay.precision", "decimal digits"),
        (
            {"raw": {"type": "string", "length": STRING_BYTES_MAX + 1}, "type": "String"},
            f"{POINT}.raw.length",
            "less than or equal",
        ),
    ],
)
def test_a_point_at_fault_is_named_with_a_remedy(
    bench: Bench, changes: dict[str, Any], path: str, remedy: str
) -> None:
    found = faults(bench, with_point(bench, **changes))
    assert remedy in found[path]


def test_points_that_only_numbers_can_have_are_refused_for_text(bench: Bench) -> None:
    point = {
        "raw": {"type": "string", "length": 4},
        "type": "String",
        "unit": {"source": "m", "canonical": "m"},
        "validity": {"range": [0, 1], "rate_max": 1, "null_values": [0]},
        "transform": {"scale": 2},
    }
    found = faults(bench, with_point(bench, **point))
    assert {path.removeprefix(f"{POINT}.") for path in found} == {
        "unit",
        "validity.range",
        "validity.rate_max",
        "validity.null_values",
        "transform",
    }


def test_all_faults_are_named_at_once(bench: Bench) -> None:
    document = bench.document(cells=(0, 0))
    document["profiles"][0] |= {"conforms": {"drawer/x": "C"}, "implements": {"y": ["I"]}}
    document["devices"][0]["profile"] = "none"
    document["devices"][1]["overlay"] = {"place": {"lat": 1, "lon": 1}}
    found = faults(bench, document)
    assert set(found) == {
        "profiles[0].points[1].id",
        "profiles[0].conforms.drawer/x",
        "profiles[0].implements.y",
        "devices[0].profile",
        "devices[1].overlay",
    }


def test_a_point_may_not_be_an_object_of_another(bench: Bench) -> None:
    document = bench.document(cells=(0, 1))
    document["profiles"][0]["points"][1]["id"] = "drawer/cell/c0/deep"
    assert "is also an object" in faults(bench, document)["profiles[0].points[0].id"]


@pytest.mark.parametrize(
    ("key", "value", "path"),
    [
        ("id", "red", "devices[1].id"),
        ("uuid", "no-uuid", "devices[1].uuid"),
        ("config", {"cabinet": "blue", "shelf": 1}, "devices[1].config.shelf"),
        ("place", {"lat": 91, "lon": 0}, "devices[1].place.lat"),
        ("friendly_name", "", "devices[1].friendly_name"),
    ],
)
def test_a_device_at_fault_is_named(bench: Bench, key: str, value: Any, path: str) -> None:
    document = bench.document()
    document["devices"][1][key] = value
    assert path in faults(bench, document)


def test_two_devices_may_not_share_an_endpoint(bench: Bench) -> None:
    document = bench.document()
    for device in document["devices"]:
        device["uuid"] = "8b0f40d4-8a0b-4b19-9bb1-4b2f9df1a6c5"
    assert "also that of devices[0]" in faults(bench, document)["devices[1].uuid"]


def test_an_unknown_adapter_is_answered_with_those_known(bench: Bench) -> None:
    assert "known: bench" in faults(bench, bench.document(adapter="bnech"))["adapter"]


def test_profiles_are_written_for_one_adapter(bench: Bench) -> None:
    document = bench.document()
    document["profiles"][0]["adapter"] = "modbus"
    document["profiles"].append(document["profiles"][0])
    assert set(faults(bench, document)) >= {"profiles[0].adapter", "profiles[1].id"}


@pytest.mark.parametrize(
    ("key", "number"),
    [
        ("profiles", PROFILES_PER_CONNECTION_MAX),
        ("devices", DEVICES_PER_CONNECTION_MAX),
    ],
)
def test_a_document_has_bounds(bench: Bench, key: str, number: int) -> None:
    document = bench.document()
    document[key] = [
        document[key][0] | {"id": f"x{index}", "profile": "x0"}
        if key == "devices"
        else document[key][0] | {"id": f"x{index}"}
        for index in range(number + 1)
    ]
    assert f"at most {number}" in faults(bench, document)[key]


def test_a_profile_has_at_most_so_many_points(bench: Bench) -> None:
    document = bench.document(cells=range(POINTS_PER_PROFILE_MAX + 1))
    assert f"at most {POINTS_PER_PROFILE_MAX}" in faults(bench, document)["profiles[0].points"]


def test_the_model_and_the_overlays_of_a_profile(bench: Bench) -> None:
    document = with_point(
        bench,
        title="Cell",
        quantity="length",
        unit={"source": "mm", "canonical": "m"},
        validity={"range": [None, 9], "rate_max": 2, "stale_after_s": 60},
        overlay={"precision": 3},
        type="Integer",
        constraint="Status",
    )
    document["profiles"][0] |= {
        "conforms": {"drawer/cell": "Cell"},
        "implements": {"drawer": ["Storage"]},
    }
    profile = bench.plan(document).devices[0].profile
    assert overlays(profile) == {
        "drawer/cell/c0": {
            "title": "Cell",
            "quantity": "length",
            "unit": "m",
            "source_unit": "mm",
            "range": [None, 9],
            "rate_max": 2,
            "stale_after_s": 60,
            "precision": 3,
        }
    }
    node = declared_model(profile).nodes["drawer"]
    assert node.implements == ("Storage",)
    ((path, attribute, conforms),) = node.attributes()
    assert (path, conforms) == (("cell", "c0"), "Cell")
    assert (attribute.constraint, attribute.type) == (Constraint.STATUS, ValueType.INTEGER)


def test_words_of_an_enumeration_are_allowed_by_the_overlay(bench: Bench) -> None:
    document = with_point(bench, type="String", transform={"enum": {0: "off", 1: "on", 2: "on"}})
    (overlay,) = overlays(bench.plan(document).devices[0].profile).values()
    assert overlay == {"enum": ["off", "on"]}


def test_yaml_and_json_are_read() -> None:
    assert read_text("name: a\nprofiles: [{id: p}]\n") == read_text(
        '{"name": "a", "profiles": [{"id": "p"}]}'
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &x [1]\nb: *x\n", "line 2: aliases"),
        ("a: 1\na: 2\n", "line 2: 'a' is given twice"),
        ("a: [", "not readable as YAML"),
        ("- a", "must be a mapping"),
        ("a: !!python/object/apply:os.getcwd []", "not readable as YAML"),
        ("[" * 5_000, "nested too deeply"),
        ("a: " + "x" * CONNECTION_BYTES_MAX, "longer than"),
    ],
)
def test_text_that_is_no_document_is_refused(text: str, words: str) -> None:
    with pytest.raises(TextError, match=words):
        read_text(text)
