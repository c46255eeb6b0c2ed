"""A filter as a condition on the rows of a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from ciaas.kernel.address import EndpointId
from ciaas.kernel.sample import Frame, Millis, Verdict
from ciaas.management.directory.filter import Comparison, Filter, State
from ciaas.management.directory.index.coding import fold
from ciaas.management.directory.index.columns import Column, Index, Table
from ciaas.management.directory.matching.condition import (
    Both,
    Condition,
    Either,
    Known,
    Mask,
    Not,
    Rows,
    Sampled,
)

_UUID_BEGIN = re.compile(r"[0-9a-f]{8}[0-9a-f-]{0,28}")
"""A shorter word would be found in the UUIDs of things that it does not mean."""
_VERDICTS = {verdict.name.lower(): int(verdict) for verdict in Verdict}


@dataclass(frozen=True, slots=True)
class Moment:
    """What holds now for one caller and is in no index. Arrays are by an endpoint's code."""

    browsable: Callable[[Rows], Mask]
    """Tells of which endpoints the caller may see the metadata."""
    projects: Mapping[str, int]
    """Number by name."""
    now_ms: int
    online: Mask | None = None
    """None when the filter asks for no state."""
    expiring: Mask | None = None
    """Whose certificate nears its end; None when the filter does not ask for it."""
    quiet_since: Millis | None = None
    """When the newest sample of an endpoint arrived; None judges each point's sample by itself."""


def condition(filter: Filter, index: Index, table: Table, moment: Moment) -> Condition:
    """Return a filter as a condition on the rows of a table; with the index's lock held."""
    known = table.alive
    for mask in _facets(filter, index, table, moment):
        known = known & mask
    parts: list[Condition] = [Known(known)]
    parts += (Sampled(len(table), test) for test in _samples(filter, moment))
    parts += (condition(inner, index, table, moment) for inner in filter.every)
    if filter.either:
        parts.append(Either([condition(one, index, table, moment) for one in filter.either]))
    if filter.no is not None:
        parts.append(Not(condition(filter.no, index, table, moment)))
    if all(isinstance(part, Known) for part in parts[1:]):
        return Known(Both(parts).certain())
    return Both(parts)


def of_samples(filter: Filter, frame: Frame) -> Mask:
    """Return which rows fulfil what a filter without inner filters asks of value and verdict."""
    met = np.ones(len(frame), np.bool_)
    for test in _value_tests(filter):
        met &= test(frame)
    return met


def _facets(filter: Filter, index: Index, table: Table, moment: Moment) -> list[Mask]:
    """Return the masks of what the index knows, one for each key given."""
    masks: list[Mask] = []
    if filter.text:
        masks.append(_any(_of_text(entry, index, table, moment) for entry in filter.text))
    if filter.classes:
        masks.append(index.classes.among(filter.classes)[table.classes])
    if filter.implements:
        wanted = set(filter.implements)
        masks.append(index.implements.where(lambda of: not wanted.isdisjoint(of))[table.implements])
    if filter.tag:
        tags = set(filter.tag)
        masks.append(index.tags.where(lambda of: not tags.isdisjoint(of))[table.tags])
    if filter.project:
        numbers = [moment.projects[name] for name in filter.project if name in moment.projects]
        masks.append(np.isin(index.project_column(table), numbers))
    if filter.address:
        masks.append(_any(_of_prefix(prefix, index, table) for prefix in filter.address))
    if filter.constraint:
        masks.append(index.constraints.among(filter.constraint)[table.constraint])
    if filter.unit:
        masks.append(index.units.among(filter.unit)[table.unit])
    if filter.quantity:
        masks.append(index.quantities.among(filter.quantity)[table.quantity])
    if filter.near or filter.box:
        lat, lon = index.place_columns()
        masks += (
            _any(area.holds(lat, lon) for area in areas)[table.place]
            for areas in (filter.near, filter.box)
            if areas
        )
    if filter.state:
        masks.append(_any(_in_state(state, table, moment) for state in filter.state))
    if filter.silent is not None and moment.quiet_since is not None:
        since = moment.now_ms - round(filter.silent * 1_000)
        masks.append((moment.quiet_since < since)[table.endpoint])
    return masks


def _in_state(state: State, table: Table, moment: Moment) -> Mask:
    """Return the rows whose endpoint is in a state."""
    assert moment.online is not None, "a filter that asks for a state is given one"
    if state is State.CERTIFICATE_EXPIRES:
        assert moment.expiring is not None, "likewise"
        return moment.expiring[table.endpoint]
    online = moment.online[table.endpoint]
    return online if state is State.ONLINE else ~online


def _samples(filter: Filter, moment: Moment) -> list[Callable[[Frame], Mask]]:
    """Return the tests that a sample has to pass."""
    tests = _value_tests(filter)
    if filter.silent is not None and moment.quiet_since is None:
        since = moment.now_ms - round(filter.silent * 1_000)
        tests.append(lambda frame: np.asarray(frame.received < since))
    return tests


def _value_tests(filter: Filter) -> list[Callable[[Frame], Mask]]:
    tests: list[Callable[[Frame], Mask]] = []
    if filter.value:
        tests.append(_compared(filter.value))
    if filter.verdict:
        wanted = [_VERDICTS[verdict] for verdict in filter.verdict]
        tests.append(lambda frame: np.isin(frame.verdict, wanted))
    return tests


def _compared(conditions: Sequence[Comparison]) -> Callable[[Frame], Mask]:
    return lambda frame: _any(one.mask(frame) for one in conditions)


def _of_text(entry: str, index: Index, table: Table, moment: Moment) -> Mask:
    """Return the rows in which each word occurs; an empty entry holds for all."""
    found = np.ones(len(table), np.bool_)
    for word in fold(entry).split():
        found &= _with_word(word, index, table, moment)
    return found


def _with_word(word: str, index: Index, table: Table, moment: Moment) -> Mask:
    named = index.names.holding(word)[index.name_of]
    if _UUID_BEGIN.fullmatch(word):
        begun = index.uuids.where(lambda uuid: uuid.startswith(word))
        named[: len(begun)] |= begun
    told = np.flatnonzero(index.metadata.holding(word)[index.metadata_of])
    named[told[moment.browsable(told)]] = True
    here = named[table.endpoint]
    here |= index.path_texts.holding(word)[_column(index.path_text_of)][table.path]
    here |= index.class_texts.holding(word)[_column(index.class_text_of)][table.classes]
    here |= index.words.holding(word)[table.words]
    return here


def _of_prefix(prefix: str, index: Index, table: Table) -> Mask:
    uuid, _, path = prefix.partition("/")
    code = index.uuids.known(EndpointId(uuid))
    here = table.endpoint == code if code else np.zeros(len(table), np.bool_)
    if path:
        below = path + "/"
        paths = index.paths.where(lambda of: of == path or of.startswith(below))
        here &= paths[table.path]
    return here


def _column(codes: Sequence[int]) -> Column:
    return np.array(codes, np.int32)


def _any(masks: Iterable[Mask]) -> Mask:
    return np.asarray(reduce(np.logical_or, masks), np.bool_)
