"""The wire reader's parser, and its manners towards a real broker."""

from __future__ import annotations

import nkeys
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciaas.computing.link import Delivery, WireError
from ciaas.computing.wire import Credentials, Wire, parse
from ciaas.limits import WIRE_CONTROL_LINE_MAX
from tests.ciaas.computing.city import City

_names = st.text("abcXYZ.@$-_0123456789", min_size=1, max_size=20).map(str.encode)


@st.composite
def _deliveries(draw: st.DrawFn) -> tuple[bytes, Delivery]:
    subject, payload = draw(_names), draw(st.binary(max_size=40))
    sid = draw(st.integers(1, 99)).__str__().encode()
    reply = draw(st.just(b"") | _names)
    words = [subject, sid] + ([reply] if reply else [])
    if draw(st.booleans()):
        header = b"NATS/1.0" + draw(st.sampled_from([b"", b" 408 Request Timeout"])) + b"\r\n\r\n"
        sizes = [b"%d" % len(header), b"%d" % (len(header) + len(payload))]
        text = b"HMSG " + b" ".join(words + sizes) + b"\r\n" + header + payload + b"\r\n"
    else:
        header = b""
        text = b"MSG " + b" ".join([*words, b"%d" % len(payload)]) + b"\r\n" + payload + b"\r\n"
    return text, Delivery(sid, subject, reply, header, payload)


@given(st.lists(_deliveries(), max_size=6), st.data())
def test_a_stream_cut_anywhere_gives_the_same_deliveries(
    sent: list[tuple[bytes, Delivery]], data: st.DataObject
) -> None:
    text = b"PING\r\n".join(part for part, _ in sent) + b"+OK\r\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    found, rest, pings = [], b"", 0
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        deliveries, rest, errors, asked = parse(rest + text[start:end])
        found += deliveries
        pings += asked
        assert not errors
    assert found == [delivery for _, delivery in sent]
    assert rest == b""
    assert pings == max(0, len(sent) - 1)


def test_the_brokers_error_and_an_endless_line_are_errors() -> None:
    assert parse(b"-ERR 'Authorization Violation'\r\n")[2] == ["Authorization Violation"]
    assert parse(b"x" * (WIRE_CONTROL_LINE_MAX + 1))[2] == ["a control line without end"]


def test_a_status_is_told_from_a_message() -> None:
    header = b"NATS/1.0 409 Exceeded MaxRequestBatch\r\n\r\n"
    assert Delivery(b"1", b"s", b"", header, b"").status == 409
    assert Delivery(b"1", b"s", b"", b"NATS/1.0\r\nNmqtt-Pub: 1\r\n\r\n", b"").status == 0
    assert Delivery(b"1", b"s", b"", b"", b"").status == 0


def credentials(city: City, role: str = "core") -> Credentials:
    key = nkeys.from_seed(bytearray(city.seeds[role], "ascii"))
    return Credentials(key.public_key.decode(), key.sign, role)


def test_a_request_is_answered_and_an_unknown_thing_is_an_error(city: City) -> None:
    connection = Wire("127.0.0.1", city.configuration.nats.port, credentials(city))
    try:
        assert connection.request("$JS.API.INFO")["streams"] == 0
        with pytest.raises(WireError, match="stream not found"):
            connection.request("$JS.API.STREAM.INFO.NOWHERE")
        with pytest.raises(WireError, match="nobody answers"):
            connection.request("nobody.there")
    finally:
        connection.close()


def test_a_wrong_key_is_refused_with_the_brokers_words(city: City) -> None:
    right = credentials(city)
    stranger = nkeys.from_seed(bytearray(city.seeds["field"], "ascii"))
    with pytest.raises(WireError, match="Authorization Violation"):
        Wire("127.0.0.1", city.configuration.nats.port, right._replace(sign=stranger.sign))


def test_nobody_listening_is_said_so(city: City) -> None:
    with pytest.raises(WireError, match="no connection to the broker at"):
        Wire("127.0.0.1", 1, credentials(city), timeout_s=1.0)


def test_closing_ends_a_reader_in_another_thread(city: City) -> None:
    connection = Wire("127.0.0.1", city.configuration.nats.port, credentials(city))
    connection.close()
    with pytest.raises(WireError):
        connection.receive(1.0)
