"""The account: what the devices' ledgers say against what the public history says."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from borough.demo.devices.ledger import read_segment, segment_number, segments
from borough.demo.limits import (
    HISTORY_ADDRESSES_MAX,
    HISTORY_ROWS_MAX,
    QUARANTINE_PAGE_MAX,
    SETTLE_S_MAX,
)
from borough.demo.platform_api import NotFound, Platform

Row = Mapping[str, Any]
"""One sample of history: time, value, verdict and perhaps reason."""
GAP_INTERVALS = 2.5
"""A polled device has a gap when it was silent for longer than so many poll intervals."""
_EXAMPLES_MAX = 5
_AGAIN_S = 0.5


@dataclass(slots=True)
class Account:
    """Totals over the ledgers settled so far."""

    acked: int = 0
    """Distinct samples that the ledgers count."""
    stored: int = 0
    """Of these, how many history has with the same time and value."""
    lost: int = 0
    duplicates: int = 0
    """Rows of history beyond the first for one point and time."""
    verdicts: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    """The first samples that were lost or doubled, to look into."""


class Accountant:
    """Settles ledgers and removes those that agree with history.

    Args:
        platform: where history is asked for.
        folder: of the ledgers.
        factors: from a delivered value to the one stored, for points whose unit is converted.
    """

    def __init__(self, platform: Platform, folder: Path, factors: Mapping[str, float]) -> None:
        self._platform = platform
        self._folder = folder
        self._factors = factors
        self.account = Account()

    async def settle(self, *, closed_only: bool = False) -> None:
        """Settle every ledger, or those that their process has closed by going on in another.

        A ledger with lost or doubled samples is kept for who looks into it.

        Raises:
            PlatformError: history did not answer.
        """
        files = segments(self._folder)
        newest: dict[str, int] = {}
        for path in files:
            name = path.stem.rpartition("-")[0]
            newest[name] = max(newest.get(name, 0), segment_number(path))
        for path in files:
            if closed_only and segment_number(path) == newest[path.stem.rpartition("-")[0]]:
                continue
            before = self.account.lost + self.account.duplicates
            await self._settle_one(path)
            agreed = self.account.lost + self.account.duplicates == before
            path.rename(path.with_suffix(".disputed")) if not agreed else path.unlink()

    async def _settle_one(self, path: Path) -> None:
        promised: dict[str, dict[int, float]] = defaultdict(dict)
        for address, moment, value in read_segment(path):
            promised[address][moment] = value * self._factors.get(address, 1.0)
        deadline = time.monotonic() + SETTLE_S_MAX
        self.account.acked += sum(map(len, promised.values()))
        # What was acknowledged a moment ago may not be recorded yet: ask again for what misses.
        while promised:
            last = time.monotonic() >= deadline
            promised = await self._compare(promised, final=last)
            if promised:
                await asyncio.sleep(_AGAIN_S)

    async def _compare(
        self, promised: Mapping[str, dict[int, float]], *, final: bool
    ) -> dict[str, dict[int, float]]:
        """Settle the points that agree, or all when final; return those to ask for again."""
        again = {}
        addresses = sorted(promised)
        for at in range(0, len(addresses), HISTORY_ADDRESSES_MAX):
            group = addresses[at : at + HISTORY_ADDRESSES_MAX]
            start = min(min(promised[address]) for address in group)
            end = max(max(promised[address]) for address in group)
            found = await history(self._platform, group, start, end)
            for address in group:
                if not self._settle_point(address, promised[address], found[address], final):
                    again[address] = promised[address]
        return again

    def _settle_point(
        self, address: str, promised: Mapping[int, float], rows: Sequence[Row], final: bool
    ) -> bool:
        """Compare one point; False when something is missing that may still come."""
        stored: dict[int, Row] = {}
        doubled = []
        for row in rows:
            moment = milliseconds(row["time"])
            if moment in stored:
                doubled.append(moment)
            stored[moment] = row
        missing = [
            moment
            for moment, value in promised.items()
            if moment not in stored or not _same(stored[moment]["value"], value)
        ]
        if missing and not final:
            return False
        account = self.account
        account.stored += len(promised) - len(missing)
        account.lost += len(missing)
        account.duplicates += len(doubled)
        account.verdicts.update(
            stored[moment]["verdict"] for moment in promised if moment in stored
        )
        for word, moments in (("lost", missing), ("doubled", doubled)):
            room = _EXAMPLES_MAX - len(account.examples)
            account.examples += [f"{word} {address} {moment}" for moment in moments[:room]]
        return True


async def history(
    platform: Platform, addresses: Sequence[str], start: int, end: int
) -> dict[str, list[Row]]:
    """Return all rows of the points between two times in milliseconds, both included, all pages.

    A point that the platform does not know has none.

    Raises:
        PlatformError: history did not answer.
    """
    found: dict[str, list[Row]] = {address: [] for address in addresses}
    asking = dict.fromkeys(addresses, start)
    while asking:
        # Points that stand at the same time go into one request.
        since = min(asking.values())
        group = [address for address, at in asking.items() if at == since]
        page = await _page(platform, group, since, end)
        for address in group:
            rows = page.get(address, [])
            found[address] += rows
            if len(rows) < HISTORY_ROWS_MAX:
                del asking[address]
            else:
                asking[address] = milliseconds(rows[-1]["time"]) + 1
    return found


async def _page(
    platform: Platform, addresses: Sequence[str], start: int, end: int
) -> Mapping[str, list[Row]]:
    query = {
        "address": list(addresses),
        "from": timestamp(start),
        "to": timestamp(end),
        "max": HISTORY_ROWS_MAX,
    }
    try:
        page: Mapping[str, list[Row]] = await platform.get("/history", query)
        return page
    except NotFound:
        if len(addresses) == 1:
            return {}
    parts = [await _page(platform, [address], start, end) for address in addresses]
    return {address: rows for part in parts for address, rows in part.items()}


async def gaps(
    platform: Platform, devices: Iterable[Sequence[str]], start: int, end: int, interval_s: float
) -> tuple[int, int, Counter[str]]:
    """Return the gaps of polled devices, the rows they delivered, and the rows' verdicts.

    A device, given by the addresses of its points, is silent between two times of any of them. The
    time up to its first value is its start, not a gap: at a second start field asks before the
    quarter's servers listen, and records that it could not read. Silence after the last one counts.

    Raises:
        PlatformError: history did not answer.
    """
    silent, delivered, verdicts = 0, 0, Counter[str]()
    longest_ms = GAP_INTERVALS * interval_s * 1_000
    for addresses in devices:
        found = await history(platform, addresses, start, end)
        rows = [row for rows in found.values() for row in rows]
        delivered += len(rows)
        verdicts.update(row["verdict"] for row in rows)
        times = np.array([milliseconds(row["time"]) for row in rows], np.int64)
        valued = times[[row["value"] is not None for row in rows]]
        if not len(valued):
            silent += 1
            continue
        moments = np.unique([*times[times >= valued.min()], end])
        silent += int(np.count_nonzero(np.diff(moments) > longest_ms))
    return silent, delivered, verdicts


async def quarantined(platform: Platform, endpoints: set[str], start: int) -> int:
    """Count what was set aside of these endpoints since a time in milliseconds.

    Raises:
        PlatformError: the quarantine did not answer.
    """
    count = 0
    query: dict[str, Any] = {"limit": QUARANTINE_PAGE_MAX}
    while page := await platform.get("/quarantine", query):
        recent = [entry for entry in page if milliseconds(entry["received_at"]) >= start]
        count += sum(entry["endpoint"] in endpoints for entry in recent)
        if len(recent) < QUARANTINE_PAGE_MAX:
            break
        query["before"] = page[-1]["number"]
    return count


def percentiles(latencies_ms: Sequence[float]) -> dict[str, float | None]:
    """Return p50 and p99, None without any."""
    if not latencies_ms:
        return {"p50": None, "p99": None}
    p50, p99 = np.percentile(latencies_ms, [50, 99]).round(1).tolist()
    return {"p50": p50, "p99": p99}


def milliseconds(text: str) -> int:
    """Read RFC 3339 with milliseconds."""
    return round(datetime.fromisoformat(text).timestamp() * 1_000)


def timestamp(moment: int) -> str:
    """Write milliseconds since 1970 UTC as RFC 3339."""
    return datetime.fromtimestamp(moment / 1_000, UTC).isoformat(timespec="milliseconds")


def _same(stored: object, delivered: float) -> bool:
    """Compare numbers; a conversion of units may cost the last digits."""
    return isinstance(stored, int | float) and math.isclose(
        stored, delivered, rel_tol=1e-12, abs_tol=1e-12
    )
