"""The account: ledgers of devices against the public history, and against the rows on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from borough.clock import MachineClock
from ciaas.kernel.sample import Frame
from ciaas.storage.history import open_history
from tests.promises.device import Ledger
from tests.promises.platform import until

PAGE_ROWS = 5_000
Stored = Mapping[tuple[str, int], float]


@dataclass(frozen=True)
class Account:
    """What became of the samples of a ledger."""

    sent: int
    acked: int
    stored: int
    missing: int
    """Acknowledged and not in history."""
    altered: int
    """In history with another value than the one sent."""
    duplicate: int
    """Listed more than once by the API."""
    invented: int
    """In history and never sent."""

    def __str__(self) -> str:
        return (
            f"sent {self.sent}, acknowledged {self.acked}, stored {self.stored}, missing "
            f"{self.missing}, duplicate {self.duplicate}, altered {self.altered}, "
            f"invented {self.invented}"
        )

    @property
    def clean(self) -> bool:
        return not (self.missing or self.altered or self.duplicate or self.invented)


def settle(client: httpx.Client, ledger: Ledger, beside: int = 0) -> Account:
    """Compare once everything that is under way is recorded.

    ``beside`` is how many samples history has that are in no ledger.
    """

    def recorded() -> bool:
        status = client.get("/status").raise_for_status().json()
        return bool(status["backlog"] == 0 and status["samples"] >= len(ledger.acked) + beside)

    # Not an assertion: what is missing after this time is what the account shall tell.
    try:
        until(recorded, "the record of all samples")
    except AssertionError:
        pass
    return compare(client, ledger)


def compare(client: httpx.Client, ledger: Ledger) -> Account:
    """Compare with what the API tells now."""
    counted: Counter[tuple[str, int]] = Counter()
    stored: dict[tuple[str, int], float] = {}
    for address in {address for address, _ in ledger.sent}:
        for moment, value in series(client, address):
            counted[address, moment] += 1
            stored[address, moment] = value
    return Account(
        sent=len(ledger.sent),
        acked=len(ledger.acked),
        stored=len(stored),
        missing=len(ledger.acked - stored.keys()),
        altered=sum(ledger.sent.get(key, value) != value for key, value in stored.items()),
        duplicate=sum(counted.values()) - len(counted),
        invented=len(stored.keys() - ledger.sent.keys()),
    )


def series(client: httpx.Client, address: str) -> Iterable[tuple[int, float]]:
    """Yield times in milliseconds and values of a point, from all pages of the history API."""
    start = 0
    while True:
        asked = {"from": _text(start), "max": str(PAGE_ROWS)}
        answer = client.get(f"/history/{address}", params=asked)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return
        for row in answer.raise_for_status().json():
            start = round(datetime.fromisoformat(row["time"]).timestamp() * 1000) + 1
            yield start - 1, row["value"]
        if "Borough-Truncated" not in answer.headers:
            return


def rows_on_disk(history: Path) -> tuple[Frame, list[int]]:
    """Return every row of a history at rest, all revisions, and the commit number of each."""
    with open_history(history, clock=MachineClock()) as store:
        commits = list(store.commits(0))
    numbers = [commit.number for commit in commits for _ in range(len(commit.frame))]
    return Frame.concat([commit.frame for commit in commits]), numbers


def _text(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat()
