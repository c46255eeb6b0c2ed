import math

import cbor2
import numpy as np
import pytest

from ciaas.kernel.decode import Decoder
from ciaas.kernel.sample import DTYPES, Kind, Reason, Verdict
from ciaas.limits import FUTURE_MS
from tests.ciaas.kernel.city import DEVICE, NOW, City, judged, reasons

GOOD, UNCERTAIN, BAD = Verdict.GOOD, Verdict.UNCERTAIN, Verdict.BAD
NONE, MISMATCH = Reason.NONE, Reason.TYPE_MISMATCH
LAMP = f"@update/{DEVICE}/Lamp12/light"


def body(value: str, timestamp: str = "1795300000.5") -> str:
    return f'{{"type":"Number","constraint":"Measure","timestamp":{timestamp},"value":{value}}}'


@pytest.mark.parametrize(
    ("name", "value", "kind", "stored", "verdict", "reason", "raw"),
    [
        ("power", "21.5", Kind.NUMBER, 21.5, GOOD, NONE, None),
        ("power", "5", Kind.NUMBER, 5.0, GOOD, NONE, None),
        ("power", "-0.0", Kind.NUMBER, -0.0, GOOD, NONE, None),
        ("power", "true", Kind.BOOLEAN, 1.0, BAD, MISMATCH, None),
        ("power", '"5"', Kind.TEXT, "5", BAD, MISMATCH, None),
        ("power", "null", Kind.NULL, None, UNCERTAIN, Reason.NULL_VALUE, None),
        ("power", "9007199254740993", Kind.NUMBER, 2.0**53, GOOD, NONE, "9007199254740993"),
        ("power", "1e999", Kind.NULL, None, BAD, Reason.NOT_FINITE, "Infinity"),
        ("power", "NaN", Kind.NULL, None, BAD, Reason.NOT_FINITE, "NaN"),
        ("power", "9" * 400, Kind.NULL, None, BAD, Reason.NOT_FINITE, "9" * 400),
        ("on", "true", Kind.BOOLEAN, 1.0, GOOD, NONE, None),
        ("on", "false", Kind.BOOLEAN, 0.0, GOOD, NONE, None),
        ("on", "1", Kind.INTEGER, 1.0, BAD, MISMATCH, None),
        ("starts", "7", Kind.INTEGER, 7.0, GOOD, NONE, None),
        ("starts", "7.0", Kind.NUMBER, 7.0, BAD, MISMATCH, None),
        ("starts", "false", Kind.BOOLEAN, 0.0, BAD, MISMATCH, None),
        ("starts", "9007199254740992", Kind.INTEGER, 2.0**53, GOOD, NONE, None),
        ("starts", "-9007199254740993", Kind.INTEGER, -(2.0**53), GOOD, NONE, "-9007199254740993"),
        ("starts", str(2**63 - 1), Kind.INTEGER, 2.0**63, GOOD, NONE, str(2**63 - 1)),
        ("starts", str(-(2**63)), Kind.INTEGER, -(2.0**63), GOOD, NONE, str(-(2**63))),
        ("starts", str(2**63), Kind.INTEGER, 2.0**63, BAD, MISMATCH, str(2**63)),
        ("state", '"grün"', Kind.TEXT, "grün", GOOD, NONE, None),
        ("state", "3", Kind.INTEGER, 3.0, BAD, MISMATCH, None),
        ("state", "null", Kind.NULL, None, UNCERTAIN, Reason.NULL_VALUE, None),
    ],
)
def test_values_are_kept_and_judged_by_the_type_of_their_point(
    city: City,
    name: str,
    value: str,
    kind: Kind,
    stored: float | str | None,
    verdict: Verdict,
    reason: Reason,
    raw: str | None,
) -> None:
    decoded = city.hear((f"{LAMP}/{name}", body(value)))
    assert city.rows(decoded) == [(f"Lamp12/light/{name}", 1_795_300_000_500, stored)]
    assert judged(decoded) == [(kind, verdict, reason, raw)]
    assert decoded.aside == []


def test_a_batch_of_all_kinds_keeps_each_in_its_row(city: City) -> None:
    values = ["1.5", "2", "true", '"x"', "null", "1e999", str(2**70), "3.5"]
    together = city.hear(*[(f"{LAMP}/power", body(value)) for value in values])
    apart = [city.hear((f"{LAMP}/power", body(value))) for value in values]
    assert judged(together) == [one for decoded in apart for one in judged(decoded)]
    assert city.rows(together) == [one for decoded in apart for one in city.rows(decoded)]


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (-(2**2000), str(-(2**2000))),
    ],
)
def test_cbor_numbers_that_no_double_holds_are_kept_as_text(
    city: City, value: float, raw: str
) -> None:
    decoded = city.hear((f"{LAMP}/power", cbor2.dumps({"timestamp": 1795300000.0, "value": value})))
    assert judged(decoded) == [(Kind.NULL, BAD, Reason.NOT_FINITE, raw)]


def test_an_integer_of_a_million_digits_is_kept_in_hexadecimal(city: City) -> None:
    value = 2**4_000_000 + 1
    decoded = city.hear((f"{LAMP}/starts", cbor2.dumps({"timestamp": 1.0, "value": value})))
    ((kind, _, reason, raw),) = judged(decoded)
    assert (kind, reason) == (Kind.NULL, Reason.NOT_FINITE)
    assert raw is not None
    assert int(raw, 16) == value


@pytest.mark.parametrize("value", [cbor2.undefined, None])
def test_cbor_null_and_undefined_are_no_value(city: City, value: object) -> None:
    decoded = city.hear((f"{LAMP}/power", cbor2.dumps({"timestamp": 1795300000.0, "value": value})))
    assert judged(decoded) == [(Kind.NULL, UNCERTAIN, Reason.NULL_VALUE, None)]


def test_columns_have_the_types_of_a_frame(city: City) -> None:
    for decoded in (
        city.decoder.decode([]),
        city.hear((f"{LAMP}/power", body("1.5")), (f"{LAMP}/state", body('"x"'))),
    ):
        for name, dtype in DTYPES.items():
            assert getattr(decoded.frame, name).dtype == dtype
    assert decoded.frame.received.tolist() == [NOW, NOW]
    assert decoded.frame.source.tolist() == [city.registry.source(f"mqtt:{DEVICE}")] * 2


@pytest.mark.parametrize(
    ("timestamp", "observed"),
    [
        ("1795300000.5", 1_795_300_000_500),
        ("1795300006.999799", 1_795_300_007_000),
        ("1795300000", 1_795_300_000_000),
        ("0", 0),
        ("0.0014", 1),
        ("1e9", 1_000_000_000_000),
    ],
)
def test_seconds_become_the_nearest_millisecond(city: City, timestamp: str, observed: int) -> None:
    assert city.hear((f"{LAMP}/power", body("1.5", timestamp))).frame.observed.tolist() == [
        observed
    ]


@pytest.mark.parametrize(
    "payload", [body("1.5", "null"), '{"value":1.5}', cbor2.dumps({"value": 1.5})]
)
def test_without_a_timestamp_it_was_observed_when_received(
    city: City, payload: str | bytes
) -> None:
    decoded = city.hear((f"{LAMP}/power", payload))
    assert decoded.frame.observed.tolist() == [NOW]
    assert judged(decoded) == [(Kind.NUMBER, UNCERTAIN, Reason.NO_TIMESTAMP, None)]


@pytest.mark.parametrize("ahead", ["1795300300.001", "1795300000500", "1e300"])
def test_a_future_timestamp_is_set_aside(city: City, ahead: str) -> None:
    on_time = (f"{LAMP}/power", body("1.5", "1795300300"))
    decoded = city.hear(on_time, (f"{LAMP}/power", body("2.5", ahead)), on_time)
    assert decoded.frame.num.tolist() == [1.5, 1.5]
    assert decoded.frame.observed.tolist() == [NOW + FUTURE_MS] * 2
    (aside,) = decoded.aside
    assert aside.reason == "future"
    assert aside.endpoint == DEVICE
    assert aside.payload == body("2.5", ahead).encode()


def test_how_far_ahead_is_a_setting(city: City) -> None:
    strict = Decoder(city.catalogue, city.presence, future_ms=0)
    decoded = strict.decode([city.message(f"{LAMP}/power", body("1.5", "1795300000.001"))])
    assert reasons(decoded) == ["future"]


def test_a_timestamp_before_1970_is_set_aside(city: City) -> None:
    decoded = city.hear((f"{LAMP}/power", body("1.5", "-0.5")))
    assert len(decoded.frame) == 0
    assert reasons(decoded) == ["bad-timestamp"]


def test_the_future_part_of_a_transaction_is_set_aside_alone(city: City) -> None:
    payload = (
        f'{{"attributes":{{"{DEVICE}/Lamp12/light/power":{body("1.5", "9e9")},'
        f'"{DEVICE}/Lamp12/light/level":{body("2.5")}}}}}'
    )
    decoded = city.hear((f"@transaction/{DEVICE}", payload))
    assert city.rows(decoded) == [("Lamp12/light/level", 1_795_300_000_500, 2.5)]
    (aside,) = decoded.aside
    assert aside.reason == "future"
    assert aside.payload == b'{"timestamp": 9000000000.0, "value": 1.5}'
    assert "Lamp12/light/power" in aside.detail


def test_each_row_has_the_time_of_its_own_message(city: City) -> None:
    messages = [
        city.message(f"{LAMP}/power", '{"value":1.5}', NOW + offset) for offset in (5, 3, 9)
    ]
    decoded = city.decoder.decode(messages)
    assert decoded.frame.received.tolist() == [NOW + 5, NOW + 3, NOW + 9]
    assert np.array_equal(decoded.frame.observed, decoded.frame.received)
