"""What the writer keeps in memory, all of it found again in the file when it is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ciaas.ports import KeyReused, Receipt, StreamId
from ciaas.storage.history.columns import to_frame
from ciaas.storage.history.database import Cursor
from ciaas.storage.history.segments.fold import newest_of
from ciaas.storage.history.segments.layout import Layout
from ciaas.storage.history.writing import ingested
from ciaas.storage.history.writing.coverage import Coverage
from ciaas.storage.history.writing.latest import Latest


class Answer(NamedTuple):
    """What an idempotency key was answered with."""

    digest: str
    commit: int
    at: int


@dataclass(slots=True)
class Memory:
    """State of the one writer; readers only look at single fields."""

    latest: Latest = field(default_factory=Latest)
    coverage: dict[StreamId, Coverage] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    last_commit: int = 0
    samples: int = 0
    repeats: int = 0
    aside: int = 0
    """Number of the newest part set aside; they count from 1."""
    aside_dropped: int = 0

    def answered(self, receipt: Receipt) -> int | None:
        """Return the commit that answered a key, None for a new one.

        Raises:
            KeyReused: the key was used with another body.
        """
        answer = self.answers.get(receipt.key)
        if answer is None:
            return None
        if answer.digest != receipt.digest:
            raise KeyReused("this idempotency key was used for another body: choose a new key")
        return answer.commit

    def counts(self) -> Mapping[str, int]:
        """Return the running totals since the first start."""
        return {
            "samples": self.samples,
            "repeats": self.repeats,
            "aside": self.aside,
            "aside_dropped": self.aside_dropped,
            "commits": self.last_commit,
        }


def remember(cursor: Cursor, layout: Layout, ranges_max: int) -> Memory:
    """Read the state back from the file."""
    tally = tallied(cursor)
    number, samples, repeats = cursor.execute(
        "SELECT coalesce(max(number), 0), coalesce(sum(rows), 0), coalesce(sum(repeats), 0) "
        'FROM "commit"'
    ).fetchall()[0]
    (aside,) = cursor.execute("SELECT coalesce(max(number), 0) FROM aside").fetchall()[0]
    memory = Memory(
        coverage=dict(ingested.covered(cursor, ranges_max)),
        answers={
            key: Answer(digest, commit, at)
            for key, digest, commit, at in cursor.execute(
                "SELECT key, digest, commit_no, epoch_ms(answered_at) FROM receipt"
            ).fetchall()
        },
        last_commit=number,
        samples=int(samples),
        repeats=int(repeats) + tally.get("repeats", 0),
        aside=aside,
        aside_dropped=tally.get("aside_dropped", 0),
    )
    tails = [tail.number for tail in layout.tails if tail.rows]
    newest = to_frame(cursor.execute(newest_of(tails)).fetchnumpy())
    memory.latest.update(newest.select(np.argsort(newest.point)))
    return memory


def tallied(cursor: Cursor) -> dict[str, int]:
    """Return the sums that no commit carries."""
    rows = cursor.execute("SELECT name, sum(count)::UBIGINT FROM tally GROUP BY name").fetchall()
    return dict(rows)
