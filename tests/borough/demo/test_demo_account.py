"""The account: ledgers made by hand against a history made by hand, over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from borough.demo import account as account_module
from borough.demo.account import Accountant, gaps, history, percentiles, quarantined
from borough.demo.devices.ledger import Ledger, segments
from borough.demo.devices.sample import Reading
from borough.demo.platform_api import NotFound, Platform, PlatformError
from tests.borough.demo.quarter_broker import comes_true
from tests.borough.demo.small_platform import TOKEN, SmallPlatform, rfc3339

T = TypeVar("T")
START = 1_795_300_000_123
A, B = "a/n/o/x", "b/n/o/x"


def using(platform: SmallPlatform, work: Callable[[Platform], Awaitable[T]]) -> T:
    async def run(http: str) -> T:
        async with Platform(http, TOKEN) as connection:
            return await work(connection)

    with platform.served() as http:
        return asyncio.run(run(http))


def ledger(folder: Path, *readings: Reading, name: str = "one") -> None:
    book = Ledger(folder, name)
    book.add(readings)
    book.close()


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is lost here stays lost: nothing is gained by waiting for it."""
    monkeypatch.setattr(account_module, "SETTLE_S_MAX", 0.0)


def settle(
    platform: SmallPlatform,
    folder: Path,
    factors: dict[str, float] | None = None,
    closed_only: bool = False,
) -> account_module.Account:
    async def work(connection: Platform) -> account_module.Account:
        accountant = Accountant(connection, folder, factors or {})
        await accountant.settle(closed_only=closed_only)
        return accountant.account

    return using(platform, work)


def test_ledger_that_agrees_with_history_is_settled_and_removed(tmp_path: Path) -> None:
    platform = SmallPlatform()
    readings = [Reading(address, START + n, n / 3) for n in range(50) for address in (A, B)]
    for address, moment, value in readings:
        platform.history.setdefault(address, []).append((moment, value, "good"))
    ledger(tmp_path, *readings)
    found = settle(platform, tmp_path)
    assert (found.acked, found.stored, found.lost, found.duplicates) == (100, 100, 0, 0)
    assert found.verdicts == {"good": 100}
    assert segments(tmp_path) == []


def test_missing_time_other_time_and_other_value_are_lost(tmp_path: Path) -> None:
    platform = SmallPlatform()
    platform.history[A] = [
        (START, 1.0, "good"),
        (START + 11, 2.0, "good"),
        (START + 20, 4.0, "bad"),
    ]
    ledger(
        tmp_path,
        Reading(A, START, 1.0),
        Reading(A, START + 10, 2.0),
        Reading(A, START + 20, 3.0),
        Reading(A, START + 30, 4.0),
    )
    found = settle(platform, tmp_path)
    assert (found.acked, found.stored, found.lost) == (4, 1, 3)
    assert f"lost {A} {START + 10}" in found.examples
    assert [path.suffix for path in tmp_path.iterdir()] == [".disputed"]


def test_point_that_history_does_not_know_is_lost_and_others_are_not(tmp_path: Path) -> None:
    platform = SmallPlatform()
    platform.history[A] = [(START, 1.0, "good")]
    ledger(tmp_path, Reading(A, START, 1.0), Reading(B, START, 1.0))
    found = settle(platform, tmp_path)
    assert (found.stored, found.lost) == (1, 1)


def test_null_in_history_is_not_the_value_sent(tmp_path: Path) -> None:
    platform = SmallPlatform()
    platform.history[A] = [(START, None, "bad")]
    ledger(tmp_path, Reading(A, START, 0.0))
    assert settle(platform, tmp_path).lost == 1


def test_row_that_stands_twice_is_a_duplicate(tmp_path: Path) -> None:
    platform = SmallPlatform()
    platform.history[A] = [(START, 1.0, "good"), (START, 1.0, "good"), (START + 1, 2.0, "good")]
    ledger(tmp_path, Reading(A, START, 1.0), Reading(A, START + 1, 2.0))
    found = settle(platform, tmp_path)
    assert (found.stored, found.lost, found.duplicates) == (2, 0, 1)
    assert found.examples == [f"doubled {A} {START}"]


def test_sample_acknowledged_twice_counts_once(tmp_path: Path) -> None:
    platform = SmallPlatform()
    platform.history[A] = [(START, 1.0, "good")]
    ledger(tmp_path, Reading(A, START, 1.0), Reading(A, START, 1.0))
    found = settle(platform, tmp_path)
    assert (found.acked, found.stored, found.duplicates) == (1, 1, 0)


def test_conversion_of_units_is_followed(tmp_path: Path) -> None:
    platform = SmallPlatform()
    platform.history[A] = [(START, 13775.644, "good")]
    ledger(tmp_path, Reading(A, START, 13_775_644.0))
    assert settle(platform, tmp_path, {A: 0.001}).lost == 0
    ledger(tmp_path, Reading(A, START, 13_775_645.0))
    assert settle(platform, tmp_path, {A: 0.001}).lost == 1


def test_only_closed_segments_are_settled_while_devices_run(tmp_path: Path) -> None:
    platform = SmallPlatform()
    platform.history[A] = [(START + n, 1.0, "good") for n in range(3)]
    book = Ledger(tmp_path, "one", segment_bytes=40)
    for n in range(3):
        book.add((Reading(A, START + n, 1.0),))
        book.flush()
    before = len(segments(tmp_path))
    found = settle(platform, tmp_path, closed_only=True)
    assert before > 1 and len(segments(tmp_path)) == 1
    book.close()
    assert found.acked + settle(platform, tmp_path).acked == 3


def test_sample_that_is_recorded_late_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_module, "SETTLE_S_MAX", 20.0)
    platform = SmallPlatform()
    platform.history[A] = []
    ledger(tmp_path, Reading(A, START, 1.0))

    async def work(connection: Platform) -> int:
        accountant = Accountant(connection, tmp_path, {})
        settling = asyncio.create_task(accountant.settle())
        await comes_true(lambda: platform.asked["GET history"])
        platform.history[A].append((START, 1.0, "good"))
        await settling
        return accountant.account.lost

    assert using(platform, work) == 0


def test_history_is_read_over_all_its_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_module, "HISTORY_ROWS_MAX", 7)
    platform = SmallPlatform()
    platform.history[A] = [(START + n, float(n), "good") for n in range(30)]
    platform.history[B] = [(START + 5 * n, float(n), "good") for n in range(7)]
    found = using(platform, lambda p: history(p, [A, B], START + 1, START + 28))
    assert [row["value"] for row in found[A]] == list(range(1, 29))
    assert [row["value"] for row in found[B]] == [1, 2, 3, 4, 5]


def test_many_points_are_asked_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_module, "HISTORY_ADDRESSES_MAX", 4)
    platform = SmallPlatform()
    readings = [Reading(f"p{n}/n/o/x", START + n, 1.0) for n in range(10)]
    for address, moment, value in readings:
        platform.history[address] = [(moment, value, "good")]
    ledger(tmp_path, *readings)
    assert settle(platform, tmp_path).stored == 10
    assert platform.asked["GET history"] == 3


def test_gaps_are_silences_of_a_device_longer_than_two_and_a_half_polls() -> None:
    platform = SmallPlatform()
    seen = [0, 2_000, 4_000, 9_000, 14_001]
    platform.history[A] = [(START + 10_000 + at, 1.0, "good") for at in seen]
    platform.history[B] = [(START + 10_000 + at, 1.0, "bad") for at in (6_500, 11_500)]
    end = START + 10_000 + 16_000

    def count(*devices: list[str], until: int = end) -> tuple[int, int]:
        silent, rows, _ = using(platform, lambda p: gaps(p, devices, START, until, 2.0))
        return silent, rows

    assert count([A]) == (1, 5)  # 9.000 to 14.001 s; exactly 5 s is none
    assert count([A, B]) == (0, 7)  # another point of the device spoke in between
    assert count([A], [B]) == (1, 7)
    assert count([B], until=end + 1_000) == (1, 2)  # silent at the end
    assert count(["c/n/o/x"]) == (1, 0)  # never heard of
    assert using(platform, lambda p: gaps(p, [[A, B]], START, end, 2.0))[2] == {
        "good": 5,
        "bad": 2,
    }


def test_what_could_not_be_read_before_the_first_value_is_a_start_and_no_gap() -> None:
    platform = SmallPlatform()
    nothing: list[tuple[int, float | None, str]] = [
        (START, None, "bad"),
        (START + 3_000, None, "bad"),
    ]
    seen = [(START + at, 1.0, "good") for at in (11_000, 13_000, 15_000)]
    platform.history[A] = [*nothing, *seen]
    platform.history[B] = nothing

    def silent(address: str, until: int) -> int:
        return using(platform, lambda p: gaps(p, [[address]], START, until, 2.0))[0]

    assert silent(A, START + 16_000) == 0
    assert silent(A, START + 21_000) == 1
    platform.history[A].insert(3, (START + 12_000, None, "bad"))
    assert silent(A, START + 16_000) == 0
    assert silent(B, START + 4_000) == 1, "it never had a value"


def test_quarantine_is_counted_for_our_endpoints_since_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(account_module, "QUARANTINE_PAGE_MAX", 4)
    platform = SmallPlatform()
    platform.quarantine = [
        {
            "number": 100 - n,
            "received_at": rfc3339(START + 1_000 - 100 * n),
            "endpoint": "ours" if n % 2 else "theirs",
        }
        for n in range(20)
    ]
    assert using(platform, lambda p: quarantined(p, {"ours"}, START)) == 5
    assert using(platform, lambda p: quarantined(p, {"nobody"}, START)) == 0


def test_percentiles_of_latencies() -> None:
    assert percentiles([]) == {"p50": None, "p99": None}
    assert percentiles([float(n) for n in range(1, 102)]) == {"p50": 51.0, "p99": 100.0}


def test_platform_that_is_busy_is_asked_again_and_one_that_refuses_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    platform = SmallPlatform()
    platform.fail_next = [503, 503]
    assert using(platform, lambda p: p.get("/projects")) == [{"name": "city"}]
    platform.fail_next = [500]
    with pytest.raises(PlatformError, match="500, not now"):
        using(platform, lambda p: p.get("/projects"))
    monkeypatch.setattr("borough.demo.platform_api.ANSWER_S_MAX", 0.0)
    platform.fail_next = [503] * 5
    with pytest.raises(PlatformError, match="503, not now"):
        using(platform, lambda p: p.get("/projects"))
    platform.fail_next = []
    with pytest.raises(NotFound, match="no route"):
        using(platform, lambda p: p.get("/nowhere"))


def test_platform_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("borough.demo.platform_api.ANSWER_S_MAX", 0.0)

    async def ask() -> None:
        async with Platform("http://127.0.0.1:9", TOKEN) as connection:
            await connection.get("/projects")

    with pytest.raises(PlatformError, match="no answer from the platform"):
        asyncio.run(ask())
