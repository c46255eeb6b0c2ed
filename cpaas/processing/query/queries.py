"""Structured queries: from a document to rows, as one user may have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa

from ciaas.ports import Clock, HistoryStore, WindowsPart
from cpaas.processing.query.document import QueryDocument
from cpaas.processing.query.filling import filled
from cpaas.processing.query.plan import Plan, plan
from cpaas.processing.query.selection import Chooser
from cpaas.processing.query.table import aligned_table, limited, long_tables, ordered, schema_of
from security.aaa.subjects import Who

Spending: TypeAlias = Callable[[Sequence[int]], Callable[[], AbstractContextManager[None]]]
"""Returns what makes blocks of work on points whose time counts; raises OverQuota."""


def _nobody_counts(points: Sequence[int]) -> Callable[[], AbstractContextManager[None]]:
    return nullcontext


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a query, made while it is read."""

    plan: Plan
    schema: Any
    """Of all tables, as Arrow has it."""
    tables: Iterator[Any]
    """Each step may work in history; what it raises, `HistoryStore.windows` says."""


@dataclass(frozen=True, slots=True)
class Queries:
    """Answers queries. Any thread may ask; who asks bounds how many at a time."""

    chooser: Chooser
    history: HistoryStore
    clock: Clock
    spending: Spending = _nobody_counts

    def ask(self, user: Who, document: QueryDocument) -> Answer:
        """Return an answer whose rows are not yet worked out.

        Raises:
            BadQuery, TooMuch, Invisible, NotAllowed: as they say.
            AddressError: a prefix is none.
            FilterError: the filter cannot be asked.
            OverQuota: a project has had its seconds of this hour.
        """
        chosen = self.chooser.choose(user, document.select, document.group)
        spent = self.spending([point.id for point in chosen.points])
        made = plan(document, chosen, self.clock.now_ms())
        return Answer(made, schema_of(made), _timed(self._tables(made), spent))

    def _tables(self, made: Plan) -> Iterator[Any]:
        document = made.document
        if not made.chosen.points:
            yield schema_of(made).empty_table()
            return
        functions = [measure.function for measure in document.measures]
        parts = self.history.windows(made.question())
        full = (filled(part, functions, document.fill, made.edges) for part in parts)
        yield from limited(_laid_out(made, full), document.limit)


def _timed(
    tables: Iterator[Any], spent: Callable[[], AbstractContextManager[None]]
) -> Iterator[Any]:
    """Yield what comes, counting the time of each step but not of who takes it."""
    while True:
        with spent():
            table = next(tables, None)
        if table is None:
            return
        yield table


def _laid_out(made: Plan, parts: Iterator[WindowsPart]) -> Iterator[Any]:
    """Yield the tables in order: as the parts come, unless all of them are needed at once."""
    if made.document.align:
        yield ordered(made, aligned_table(made, parts))
    elif made.document.order:
        yield ordered(made, pa.concat_tables(list(long_tables(made, parts))))
    else:
        yield from long_tables(made, parts)
