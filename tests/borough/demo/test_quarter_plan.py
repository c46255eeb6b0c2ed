"""The plan of the quarter: who stands where, and that the platform will take it."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from adapters.modbus.adapter import Modbus
from borough.demo.city.dimming import POINT as DIMMING
from borough.demo.city.dimming import dims
from borough.demo.city.places import STREETS, along
from borough.demo.city.plan import by_path, measurands, quarter
from borough.demo.city.thing import Origin, Path
from borough.demo.devices.registers import Register, connection, registers
from ciaas.interoperability.overlay import check_overlay
from ciaas.interoperability.units import conversion
from ciaas.kernel.address import parse_point
from ciaas.sensorisation.connection import check_document


def test_quarter_is_as_wide_as_promised() -> None:
    things = quarter()
    assert len(things) >= 60
    assert len({thing.kind for thing in things}) >= 8
    assert {thing.kind for thing in by_path(Path.MODBUS)} == {
        "road-counter",
        "water-main-meter",
        "light-cabinet",
    }


def test_uuids_and_addresses_are_unique_and_the_same_each_time() -> None:
    addresses = [thing.address(c) for thing in quarter() for c in thing.channels]
    assert len(set(addresses)) == len(addresses)
    assert len({thing.uuid for thing in quarter()}) == len(quarter())
    assert [parse_point(address) for address in addresses] == addresses
    # An earlier start enrolled it under this name: another would leave its history behind.
    assert quarter()[0].uuid == "764ba5f7-ba98-5fbc-b3c4-5492e56dc1b4"


def test_every_place_lies_in_the_quarter() -> None:
    for thing in quarter():
        longitude, latitude = thing.place
        assert 24.935 <= longitude <= 24.953, thing.key
        assert 60.164 <= latitude <= 60.179, thing.key


def test_place_along_a_street_goes_by_length() -> None:
    line = STREETS["Mannerheimintie"]
    assert along("Mannerheimintie", 0) == line[0]
    assert along("Mannerheimintie", 1) == line[-1]
    assert along("Mannerheimintie", -3) == line[0]
    middle = along("Keskuskatu", 0.5)
    assert middle == pytest.approx(np.mean(STREETS["Keskuskatu"], axis=0), abs=1e-6)


def test_overlays_pass_the_platforms_check_and_name_their_origin() -> None:
    for thing in quarter():
        overlay = check_overlay(thing.overlay())
        assert overlay["licence"] and overlay["attribution"]
        replayed = thing.origin is Origin.REPLAYED
        assert replayed == bool(overlay.get("recorded_at"))
        assert replayed == ("between" in overlay)
    for measurand in measurands(quarter()):
        check_overlay(measurand.overlay())


def test_conversion_factors_are_those_of_the_platform() -> None:
    for measurand in measurands(quarter()):
        expected = conversion(measurand.source_unit or measurand.unit, measurand.unit)
        assert (measurand.factor, 0.0) == tuple(expected)


def test_one_class_never_has_two_measurands() -> None:
    found = measurands(quarter())
    assert len({measurand.conforms for measurand in found}) == len(found)


def test_connection_document_is_accepted_and_leads_to_the_same_addresses() -> None:
    things = by_path(Path.MODBUS)
    plan = check_document(connection("field", things, "127.0.0.1", 1502), {"modbus": Modbus})
    planned = {point.address for device in plan.devices for point in device.points}
    assert planned == {
        *(thing.address(c) for thing in things for c in thing.channels),
        *(f"{thing.uuid}/{DIMMING}" for thing in things if dims(thing)),
    }
    assert len({thing.unit_id for thing in things}) == len(things)


def test_registers_do_not_overlap() -> None:
    for thing in by_path(Path.MODBUS):
        end = 0
        for address, _, register in registers(thing):
            assert address == end
            end = address + register.words


def test_registers_hold_the_value_or_the_sign_of_none() -> None:
    count, energy, flow = Register("u16", 0.1, 0xFFFF), Register("u32"), Register("f32")
    assert count.encode(81.3) == [813]
    assert count.encode(float("nan")) == [0xFFFF]
    assert count.encode(-1) == [0]
    assert energy.encode(0x0001_0002) == [1, 2]
    assert energy.encode(1e12) == [0xFFFF, 0xFFFF]
    assert struct.unpack(">f", struct.pack(">2H", *flow.encode(101.5))) == (101.5,)
    assert np.isnan(struct.unpack(">f", struct.pack(">2H", *flow.encode(float("nan"))))[0])
