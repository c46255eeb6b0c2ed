"""Parts of the client by themselves: tries, waits, event streams, tables."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from borough_client import BoroughError, Refused, Rejected, Table, Unreachable
from borough_client.commands import Command
from borough_client.limits import OBSERVATIONS_PER_REQUEST, RETRY_S_MAX, TRIES_MAX
from borough_client.live import as_params, events, follow
from borough_client.observations import Observations
from borough_client.transport import Transport, retry_after_s
from tests.cpaas.conftest import NO_TLS

SAMPLES = 'event: samples\nid: 0:5\ndata: [{"value":1}]\n\n'


class Platform:
    """Answers what a test says, one answer after another."""

    def __init__(self, *answers: httpx.Response | Exception):
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []
        self.waits: list[float] = []

    def client(self) -> Transport:
        made = Transport("http://city", "bor_secret", ca=NO_TLS, sleep=self.waits.append)
        made._http.close()
        made._http = httpx.Client(
            base_url="http://city/api/v1", transport=httpx.MockTransport(self.answer)
        )
        return made

    def answer(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def busy(after: str | None = None) -> httpx.Response:
    headers = {} if after is None else {"Retry-After": after}
    return httpx.Response(503, json={"detail": "busy"}, headers=headers)


def test_what_the_platform_asks_to_wait_is_waited() -> None:
    platform = Platform(busy("7"), httpx.ConnectError("gone"), httpx.Response(200, json=1))
    with platform.client() as client:
        assert client.ask("GET", "/x").json() == 1
    assert platform.waits[0] == 7.0
    assert 0 < platform.waits[1] < 1


def test_tries_are_bounded_and_writes_are_sent_once() -> None:
    platform = Platform(*(busy() for _ in range(TRIES_MAX)))
    with platform.client() as client, pytest.raises(Unreachable, match="busy"):
        client.ask("GET", "/x")
    assert len(platform.asked) == TRIES_MAX
    platform = Platform(busy())
    with platform.client() as client, pytest.raises(Unreachable):
        client.ask("POST", "/x", body={})
    assert platform.waits == []


def test_a_refusal_is_final_and_need_not_be_a_problem_document() -> None:
    platform = Platform(httpx.Response(400, text="<html>"), httpx.Response(422, json=[1]))
    with platform.client() as client:
        for _ in range(2):
            with pytest.raises(Refused, match="no reason"):
                client.ask("GET", "/x")


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [(None, 0.0), ("3", 3.0), ("-1", 0.0), ("soon", 0.0), ("99999", RETRY_S_MAX),
     ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("Fri, 31 Dec 9999 23:59:59 GMT", RETRY_S_MAX)],
)  # fmt: skip
def test_retry_after(header: str | None, wait_s: float) -> None:
    assert retry_after_s(header) == wait_s


def test_a_batch_that_failed_is_sent_again_under_its_key() -> None:
    stored = httpx.Response(201, json={"stored": 2, "repeats": 0, "refused": []})
    platform = Platform(*(busy() for _ in range(TRIES_MAX)), stored, stored)
    with platform.client() as client:
        sending = Observations(client, batch=2)
        sending.add("a", 1)
        with pytest.raises(Unreachable):
            sending.add("b", 2)
        sending.add("c", 3)
    keys = {request.headers["Idempotency-Key"] for request in platform.asked[: TRIES_MAX + 1]}
    bodies = {request.content for request in platform.asked[: TRIES_MAX + 1]}
    assert (len(keys), len(bodies)) == (1, 1)
    assert platform.asked[-1].headers["Idempotency-Key"] not in keys


@pytest.mark.parametrize("batch", [0, OBSERVATIONS_PER_REQUEST + 1])
def test_a_batch_is_bounded(batch: int) -> None:
    with Platform().client() as client, pytest.raises(ValueError, match="samples"):
        Observations(client, batch)


def lines(text: str) -> Iterator[str]:
    return iter(text.split("\n"))


def test_events_of_a_stream() -> None:
    text = (
        f": hello\nretry: 2000\n\nid: 0:4\n\n{SAMPLES}event: gap\ndata: {{}}\ndata:\n\nevent: cut"
    )
    found = list(events(lines(text)))
    assert [(event.kind, event.id) for event in found] == [
        ("position", "0:4"), ("samples", "0:5"), ("gap", ""),
    ]  # fmt: skip
    assert found[1].data == [{"value": 1}]


def test_what_is_no_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BoroughError, match="no JSON"):
        list(events(lines("data: <html>\n\n")))
    monkeypatch.setattr("borough_client.live.LIVE_EVENT_CHARS_MAX", 3)
    with pytest.raises(BoroughError, match="longer"):
        list(events(lines("data: 1234\n\n")))


def test_a_feed_goes_on_after_a_break() -> None:
    broken = httpx.Response(200, text=SAMPLES + "event: samples\ndata: [")
    rest = httpx.Response(200, text=SAMPLES.replace("0:5", "0:6"))
    token = httpx.Response(200, text='event: end\ndata: {"reason":"token"}\n\n')
    gone = httpx.Response(401, json={"detail": "the token has ended"})
    platform = Platform(broken, httpx.ReadTimeout("silence"), busy(), rest, token, gone)
    with platform.client() as client, pytest.raises(Refused, match="the token has ended"):
        seen: list[str] = []
        seen.extend(e.id for e in follow(client, {}, after="0:1", sleep=platform.waits.append))
    assert seen == ["0:5", "0:6"]
    resumed = [request.headers["Last-Event-ID"] for request in platform.asked]
    assert resumed == ["0:1", "0:5", "0:5", "0:5", "0:6", "0:6"]


def test_filters_as_parameters() -> None:
    asked = {"class_": ["A", "B"], "value": ">4", "silent": 600, "state": None, "flag": True}
    assert as_params(asked) == {
        "class": ["A", "B"], "value": ">4", "silent": "600", "flag": "true",
    }  # fmt: skip


def test_a_command_that_was_refused_holds_the_command() -> None:
    document = {
        "id": "1", "address": "a", "value": 1, "state": "rejected", "ended": True, "rungs": [],
        "number": 4,
    }  # fmt: skip
    refusal = httpx.Response(409, json={"detail": "locked", "command": document})
    with Platform(refusal).client() as client, pytest.raises(Rejected, match="locked") as told:
        client.ask("PUT", "/data/a", body={"value": 1})
    command = Command.of(told.value.problem["command"])
    assert (command.state, command.verified) == ("rejected", False)


def test_without_pandas_a_frame_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    true_import = builtins.__import__

    def without(name: str, *more: Any, **named: Any) -> Any:
        if name == "pandas":
            raise ModuleNotFoundError(name)
        return true_import(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=r"borough-client\[pandas\]"):
        Table({"a": [1]}).to_pandas()
    assert len(Table({})) == 0


def test_what_is_no_certificate_of_an_authority_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"authority/ca\.pem"):
        Transport("https://city", "bor_x", ca=tmp_path / "none.pem")
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing\n")
    with pytest.raises(ValueError, match=r"authority/ca\.pem"):
        Transport("https://city", "bor_x", ca=str(empty))


def test_verdicts_are_ordered_and_an_empty_table_is_a_frame() -> None:
    times = ["2025-03-30T00:30:00.000Z", "2025-03-30T01:30:00.000Z", "2025-10-26T00:30:00.000Z"]
    columns: dict[str, list[Any]] = {
        "time": times,
        "value": [1, None, 3],
        "verdict": ["good", "bad", "uncertain"],
    }
    frame = Table(columns, "Europe/Zurich").to_pandas()
    assert list(frame[frame["verdict"] <= "uncertain"]["value"]) == [1, 3]
    assert [str(time) for time in frame.index] == [
        "2025-03-30 01:30:00+01:00", "2025-03-30 03:30:00+02:00", "2025-10-26 02:30:00+02:00",
    ]  # fmt: skip
    empty = Table({"time": [], "value": [], "verdict": []}, "Europe/Zurich").to_pandas()
    assert len(empty) == 0
    assert str(getattr(empty.index, "tz", None)) == "Europe/Zurich"
