"""What the broker's log says of refused publishes, subscriptions and strangers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ciaas.computing.admission.ports import Refusal, RefusalKind
from ciaas.computing.admission.refusals import RefusalLog
from ciaas.limits import (
    BROKER_PAYLOAD_BYTES_MAX,
    REFUSALS_PER_BATCH_MAX,
    REFUSALS_PER_MINUTE_MAX,
    REFUSED_CLIENTS_MAX,
    REFUSED_TEXT_CHARS_MAX,
)
from tests.ciaas.computing.city import Authority, new_endpoint, until
from tests.ciaas.computing.doorkeeper import Doorkeeper

Write = Callable[[str], RefusalLog]
STAMP = "[12] 2026/11/22 02:58:38.279773 [ERR] 127.0.0.1:1"


class Reader:
    """A refusal log read until what is looked for has come."""

    def __init__(self, path: Path, reported: Callable[[int], bool]) -> None:
        self.floods: list[str] = []
        self.log = RefusalLog(path, on_flood=self.floods.append, reported=reported)
        self.found: list[Refusal] = []

    def wait(self, client: str, kind: RefusalKind) -> Refusal:
        def look() -> Refusal | None:
            self.found += self.log.read()
            return next((r for r in self.found if (r.client, r.kind) == (client, kind)), None)

        return until(look, f"{kind} of {client}")


@pytest.fixture
def reader(doorkeeper: Doorkeeper) -> Iterator[Reader]:
    log_file = doorkeeper.city.configuration.log_file
    reader = Reader(log_file, doorkeeper.callout.reported)
    yield reader
    reader.log.close()


def test_a_foreign_publish(doorkeeper: Doorkeeper, reader: Reader) -> None:
    device, other = doorkeeper.device(), new_endpoint()
    assert device.connect() == "Success"
    before = time.time_ns() // 1_000_000
    for _ in range(3):
        device.publish(f"@update/{other}/n/o/a", b"x")
    device.publish(f'@update/{other}/say "é\\'.replace(" ", "_"), b"x")
    device.leave()
    refusal = reader.wait(device.client_id, RefusalKind.PUBLISH)
    assert refusal.subject == f"@update.{other}.n.o.a"
    assert before - 1 <= refusal.at <= time.time_ns() // 1_000_000

    def counted() -> bool:
        reader.log.read()
        return reader.log.counts[device.client_id] == 4

    until(counted, "all four")
    assert not reader.floods


def test_odd_characters_come_back_as_they_were(doorkeeper: Doorkeeper, reader: Reader) -> None:
    device = doorkeeper.device()
    assert device.connect() == "Success"
    device.publish('@update/"\\é\u2028/x', b"x")
    device.leave()
    assert reader.wait(device.client_id, RefusalKind.PUBLISH).subject == '@update."\\é\u2028.x'


def test_a_foreign_subscription(doorkeeper: Doorkeeper, reader: Reader) -> None:
    device = doorkeeper.device()
    assert device.connect() == "Success"
    assert not device.subscribe("@update/#")
    device.leave()
    assert reader.wait(device.client_id, RefusalKind.SUBSCRIBE).subject.startswith("@update")


def test_an_oversized_payload(doorkeeper: Doorkeeper, reader: Reader) -> None:
    device = doorkeeper.device()
    assert device.connect() == "Success"
    device.send(f"@update/{device.client_id}/n/o/a", bytes(BROKER_PAYLOAD_BYTES_MAX))
    assert device.ended.wait(10)
    assert "exceeded" in reader.wait(device.client_id, RefusalKind.OVERSIZE).detail


def test_a_topic_that_the_broker_cannot_carry(doorkeeper: Doorkeeper, reader: Reader) -> None:
    device = doorkeeper.device()
    assert device.connect() == "Success"
    device.send(f"@update/{device.client_id}/n/o/with space", b"x")
    assert device.ended.wait(10)
    assert "character" in reader.wait(device.client_id, RefusalKind.PROTOCOL).detail


def test_a_stranger_is_reported_without_a_client(doorkeeper: Doorkeeper, reader: Reader) -> None:
    stranger = doorkeeper.city.device(Authority().issue("stranger"))
    assert stranger.connect() in ("handshake", "closed")
    assert "CN=stranger" in reader.wait("", RefusalKind.HANDSHAKE).detail


def test_a_stranger_cannot_write_lines_about_others(doorkeeper: Doorkeeper, reader: Reader) -> None:
    victim = new_endpoint()
    line = f'{STAMP} - mid:7 - "{victim}" - Publish Violation - Subject "s"'
    stranger = doorkeeper.city.device(Authority().issue("x", organisation=f"o\n{line}\n"))
    assert stranger.connect() in ("handshake", "closed")
    reader.wait("", RefusalKind.HANDSHAKE)
    log = doorkeeper.city.configuration.log_file
    assert f"\n{STAMP} - mid:7 - " in log.read_text(), "the broker prints the name as it is"
    marker = doorkeeper.device()
    assert marker.connect() == "Success"
    marker.publish("foreign", b"x")
    marker.leave()
    reader.wait(marker.client_id, RefusalKind.PUBLISH)
    assert victim not in {refusal.client for refusal in reader.found}


def test_a_refused_login_is_told_once(doorkeeper: Doorkeeper, reader: Reader) -> None:
    device = doorkeeper.device(new_endpoint())
    assert device.connect() == "Not authorized"
    assert doorkeeper.refused(device.client_id).reason == "unknown"
    marker = doorkeeper.device()
    assert marker.connect() == "Success"
    marker.publish("foreign", b"x")
    marker.leave()
    reader.wait(marker.client_id, RefusalKind.PUBLISH)
    assert device.client_id not in {refusal.client for refusal in reader.found}


def test_a_flood_is_reported_once_a_minute(doorkeeper: Doorkeeper, reader: Reader) -> None:
    device = doorkeeper.device()
    assert device.connect() == "Success"
    sent = 2 * REFUSALS_PER_MINUTE_MAX + 2
    for _ in range(sent - 1):
        device.send("foreign", b"x")
    device.publish("foreign", b"x")
    device.leave()

    def counted() -> bool:
        reader.log.read()
        return reader.log.counts.get(device.client_id) == sent

    until(counted, "every refusal")
    # Two at the turn of a minute, of which at least one is over the bound.
    assert reader.floods in ([device.client_id], [device.client_id] * 2)


# -- the log's text alone


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RefusalLog]:
    log = RefusalLog(tmp_path / "broker.log", on_flood=lambda client: None)
    yield log
    log.close()


@pytest.fixture
def write(log: RefusalLog, tmp_path: Path) -> Write:
    def write(lines: str) -> RefusalLog:
        (tmp_path / "broker.log").write_text(lines)
        return log

    return write


def violation(client: str, subject: str, stamp: str = STAMP) -> str:
    return f'{stamp} - mid:7 - "{client}" - Publish Violation - Subject "{subject}"\n'


def test_times_are_utc(write: Write) -> None:
    log = write(violation("u", "s"))
    assert [refusal.at for refusal in log.read()] == [1795316318279]


def test_a_log_line_of_a_login_nobody_decided_is_a_refusal(write: Write) -> None:
    lines = (
        f'{STAMP} - mid:37 - "u" - authentication error\n'
        f'{STAMP} - mid:37 - "u" - unable to connect: authentication error\n'
    )
    log = write(lines)
    assert [(r.client, r.kind, r.count) for r in log.read()] == [("u", RefusalKind.CONNECT, 1)]


def test_many_different_refusals_are_counted_together_beyond_the_bound(write: Write) -> None:
    lines = "".join(violation("u", f"s{n}") for n in range(REFUSALS_PER_BATCH_MAX + 5))
    log = write(lines)
    batch = log.read()
    assert len(batch) == REFUSALS_PER_BATCH_MAX + 1
    assert (batch[-1].client, batch[-1].subject, batch[-1].count) == ("u", "", 5)


def test_many_unproven_clients_share_one_entry_beyond_the_bound(write: Write) -> None:
    line = STAMP + ' - mid:7 - "{}" - invalid character in client ID\n'
    lines = "".join(line.format(n) for n in range(REFUSALS_PER_BATCH_MAX + 5))
    log = write(lines)
    batch = log.read()
    assert len(batch) == REFUSALS_PER_BATCH_MAX + 1
    assert (batch[-1].client, batch[-1].count) == ("", 5)
    assert not log.counts


def test_the_table_of_clients_is_bounded(write: Write) -> None:
    lines = "".join(violation(f"c{n}", "s") for n in range(REFUSED_CLIENTS_MAX + 3))
    log = write(lines)
    while log.read():
        pass
    assert len(log.counts) == REFUSED_CLIENTS_MAX
    assert "c2" not in log.counts
    assert "c3" in log.counts


def test_long_texts_are_cut(write: Write) -> None:
    log = write(violation("u" * 5_000, "é" * 5_000))
    (refusal,) = log.read()
    assert len(refusal.client) == len(refusal.subject) == REFUSED_TEXT_CHARS_MAX


def test_batches_follow_the_file(log: RefusalLog, tmp_path: Path) -> None:
    path = tmp_path / "broker.log"

    async def first_two() -> list[str]:
        clients: list[str] = []
        async for batch in log.follow():
            clients += [refusal.client for refusal in batch]
            if len(clients) == 2:
                break
            with path.open("a") as file:
                file.write(violation("second", "s"))
        return clients

    async def main() -> list[str]:
        reading = asyncio.create_task(first_two())
        await asyncio.sleep(0)
        path.write_text(violation("first", "s"))
        return await asyncio.wait_for(reading, 10)

    assert asyncio.run(main()) == ["first", "second"]
