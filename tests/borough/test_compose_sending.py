"""What mashups send: in bounds, again while it makes sense, and told of when it failed."""

from __future__ import annotations

import asyncio
import http.server
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from borough.clock import MachineClock
from borough.roles import compose_sending as module
from borough.roles.compose_sending import Sending
from ciaas.computing.commands.paper import CommandReply, CommandRequest
from cpaas.composition.running.engine import Order, Telling


class Core:
    """Answers requests as the test says, the last answer again and again."""

    def __init__(self, *answers: CommandReply) -> None:
        self._answers = list(answers)
        self.asked: list[CommandRequest] = []

    async def request(self, subject: str, body: bytes, **_: float) -> Any:
        self.asked.append(msgspec.json.decode(body, type=CommandRequest))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

        class Message:
            data = msgspec.json.encode(answer)

        return Message()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RETRY_S", 0.01)


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[int], list[bytes]]]:
    """A web address: its URL, the statuses it will answer (the last for ever), what it got."""
    statuses, got = [200], []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", statuses, got
    server.shutdown()
    thread.join()
    server.server_close()


def order(at: int | None = None) -> Order:
    now = MachineClock().now_ms()
    return Order("m", "1:c:5", "u/n/o/a", True, now if at is None else at, 60.0)


def telling(url: str) -> Telling:
    return Telling("m", url, {"id": "1", "data": {"value": True}})


def run(sending: Sending, core: Core, failures: list[str], done: Any) -> None:
    """Let it send until the test's condition holds."""

    async def work() -> None:
        tasks = [asyncio.create_task(one) for one in sending.work(core)]  # type: ignore[arg-type]  # one method of it
        for _ in range(500):
            if done():
                break
            await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await sending.close()

    asyncio.run(work())
    assert done(), failures


def made(*allow: str) -> tuple[Sending, list[str]]:
    failures: list[str] = []
    return Sending(MachineClock(), allow, lambda _, said: failures.append(said)), failures


def test_a_command_is_asked_for_until_it_is_recorded() -> None:
    core = Core(CommandReply(why="busy", again=True), CommandReply(id="x", rung="queued"))
    sending, failures = made()
    sending.add([order()], [])
    run(sending, core, failures, lambda: len(core.asked) == 2)
    assert core.asked[0] == core.asked[1], "under the same key, with the same words"
    assert (core.asked[0].user, core.asked[0].key) == ("mashup:m", "1:c:5")
    assert failures == []


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (CommandReply(id="x", rung="rejected", why="above the limit"), "above the limit"),
        (CommandReply(why="no such point"), "no such point"),
    ],
)
def test_a_command_that_is_refused_is_told(reply: CommandReply, said: str) -> None:
    sending, failures = made()
    sending.add([order()], [])
    run(sending, Core(reply), failures, lambda: failures)
    assert said in failures[0]


def test_a_command_that_comes_too_late_is_not_sent() -> None:
    core = Core(CommandReply(id="x", rung="queued"))
    sending, failures = made()
    sending.add([order(at=0)], [])
    run(sending, core, failures, lambda: failures)
    assert "was not sent within its 60 s" in failures[0] and core.asked == []


def test_a_webhook_is_told_again_until_it_takes_it(receiver: Any) -> None:
    url, statuses, got = receiver
    statuses[:] = [503, 200]
    sending, failures = made("127.0.0.0/8")
    sending.add([], [telling(url)])
    run(sending, Core(CommandReply()), failures, lambda: len(got) == 2)
    assert got[0] == got[1] and msgspec.json.decode(got[0])["id"] == "1"


def test_a_webhook_is_tried_a_bounded_number_of_times(
    receiver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MASHUP_WEBHOOK_TRIES", 3)
    url, statuses, got = receiver
    statuses[:] = [500]
    sending, failures = made("127.0.0.0/8")
    sending.add([], [telling(url)])
    run(sending, Core(CommandReply()), failures, lambda: failures)
    assert len(got) == 3 and "it answered 500" in failures[0]


def test_a_webhook_that_refuses_or_may_not_be_reached_is_not_tried_again(receiver: Any) -> None:
    url, statuses, got = receiver
    statuses[:] = [410]
    sending, failures = made("127.0.0.0/8")
    sending.add([], [telling(url)])
    run(sending, Core(CommandReply()), failures, lambda: failures)
    assert len(got) == 1 and "410" in failures[0]
    inside, told = made()
    inside.add([], [telling(url)])
    run(inside, Core(CommandReply()), told, lambda: told)
    assert "not public" in told[0] and len(got) == 1


def test_too_much_is_dropped_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MASHUP_SENDINGS_MAX", 2)
    sending, failures = made()
    sending.add([order(), order(), order()], [])
    assert len(failures) == 1 and "dropped" in failures[0]


def test_what_waits_is_kept_and_taken_back(receiver: Any) -> None:
    url, _, got = receiver
    sending, _ = made()
    assert sending.waiting() is None
    sending.add([order()], [telling(url)])
    kept = sending.waiting()
    assert kept is not None and len(kept) == 2
    core = Core(CommandReply(id="x", rung="queued"))
    later, failures = made("127.0.0.0/8")
    later.take_back(kept)
    run(later, core, failures, lambda: core.asked and got)
    assert core.asked[0].key == "1:c:5"
    assert later.waiting() == []
    later.kept()
    assert later.waiting() is None
