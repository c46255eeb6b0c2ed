"""Apps write their own points: up to 10,000 samples, answered after their commit."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from http import HTTPStatus
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from fastapi import APIRouter, Header, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from ciaas.kernel.model import Value
from ciaas.kernel.sample import Frame
from ciaas.ports import Commit, Receipt
from cpaas.access.answers.documents import as_json
from cpaas.access.caller import AppWriter, Caller
from cpaas.access.problems import Problem
from cpaas.access.routes.samples.admission import Refused, admit
from cpaas.access.routes.samples.columns import Cell, cell, frame
from cpaas.limits import (
    COMMIT_WAIT_S,
    IDEMPOTENCY_KEY_CHARS_MAX,
    OBSERVATION_TEXT_CHARS_MAX,
    OBSERVATIONS_MAX,
)

router = APIRouter(tags=["observations"])


class Observation(msgspec.Struct, forbid_unknown_fields=True):
    """One sample as an app sends it; ``timestamp`` is UNIX seconds, absent means now."""

    address: str
    value: bool | int | float | str | None
    timestamp: float | None = None


class Observations(msgspec.Struct, forbid_unknown_fields=True):
    """The body of one request."""

    observations: Annotated[
        list[Observation], msgspec.Meta(min_length=1, max_length=OBSERVATIONS_MAX)
    ]


class _Prepared(NamedTuple):
    """A request that was checked, with its good samples."""

    frame: Frame
    refused: Sequence[Mapping[str, object]]
    receipt: Receipt | None
    answered: int | None
    """Commit that answered the same request before."""


_decoder = msgspec.json.Decoder(Observations)
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["observations"],
                    "additionalProperties": False,
                    "properties": {
                        "observations": {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": OBSERVATIONS_MAX,
                            "items": {
                                "type": "object",
                                "required": ["address", "value"],
                                "additionalProperties": False,
                                "properties": {
                                    "address": {"type": "string"},
                                    "value": {
                                        "type": ["boolean", "number", "string", "null"],
                                    },
                                    "timestamp": {
                                        "type": ["number", "null"],
                                        "description": "UNIX seconds; now when absent",
                                    },
                                },
                            },
                        }
                    },
                }
            }
        },
    }
}


@router.post("/observations", status_code=HTTPStatus.CREATED, openapi_extra=_BODY)
async def write(
    request: Request,
    caller: AppWriter,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=IDEMPOTENCY_KEY_CHARS_MAX)
    ] = None,
) -> Response:
    """Record samples of the caller's own points; answered when they are on disk.

    The same ``Idempotency-Key`` with the same body again is answered without writing twice.
    """
    body = await request.body()
    prepared = await run_in_threadpool(_prepare, caller, body, idempotency_key)
    caller.tell(samples=len(prepared.frame), refused=len(prepared.refused))
    if prepared.answered is not None:
        return _answer(caller, prepared, prepared.answered, 0, 0, again=True)
    caller.tell_points(prepared.frame.point)
    owners = caller.city.assurance.chains.projects_of(prepared.frame.point)
    caller.city.people.allowance.admit_write(owners)
    commit = await _committed(caller.city.write(prepared.frame, prepared.receipt))
    stored = len(commit.frame)
    # Nothing new and no repeat either: the same request was written while this one waited.
    again = stored + commit.repeats == 0
    return _answer(caller, prepared, commit.number, stored, commit.repeats, again)


def _prepare(caller: Caller, body: bytes, key: str | None) -> _Prepared:
    city = caller.city
    samples = _parse(body)
    receipt = answered = None
    if key is not None:
        receipt = Receipt(f"{caller.user}:{key}", hashlib.sha256(body).hexdigest())
        answered = city.history.answered(receipt)
    now_ms = city.clock.now_ms()
    credible = _credible(samples, now_ms + city.future_ms)
    checked = [_checked(*each) for each in zip(samples, credible, strict=True)]
    places = admit(caller, _types(samples, checked))
    cells: list[Cell] = []
    rows: list[int] = []
    refused: list[Mapping[str, object]] = []
    for index, found in enumerate(checked):
        place = places.get(samples[index].address)
        if isinstance(found, Refused):
            refused.append({"index": index, "reason": found.reason})
        elif isinstance(place, Refused):
            refused.append({"index": index, "reason": place.reason})
        else:
            cells.append(found)
            rows.append(index)
    if not cells:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"none of the {len(refused)} samples may be written; the first: {refused[0]['reason']}",
            more={"refused": refused},
        )
    numbers = {text: place.id for text, place in places.items() if not isinstance(place, Refused)}
    written = frame(
        np.array([numbers[samples[row].address] for row in rows], np.uint32),
        np.array([samples[row].timestamp for row in rows], np.float64),
        cells,
        now_ms,
        city.registry.source(f"user:{caller.principal.user.name}"),
    )
    return _Prepared(written, refused, receipt, answered)


def _parse(body: bytes) -> Sequence[Observation]:
    try:
        return _decoder.decode(body).observations
    except msgspec.ValidationError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"the body: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(HTTPStatus.BAD_REQUEST, f"the body: {error}") from error


def _types(
    samples: Sequence[Observation], checked: Sequence[Cell | Refused]
) -> Mapping[str, Value]:
    """Return by address the first good value, the first that is not null if there is one."""
    values: dict[str, Value] = {}
    for sample, found in zip(samples, checked, strict=True):
        if values.get(sample.address) is None and isinstance(found, Cell):
            values[sample.address] = sample.value
    return values


def _credible(samples: Sequence[Observation], latest_ms: int) -> Sequence[bool]:
    seconds = np.array([sample.timestamp for sample in samples], np.float64)
    credible: list[bool] = (
        np.isnan(seconds) | (0 <= seconds) & (seconds <= latest_ms / 1000)
    ).tolist()
    return credible


def _checked(sample: Observation, credible: bool) -> Cell | Refused:
    if not credible:
        return Refused("its timestamp is negative or in the future")
    if isinstance(sample.value, str) and len(sample.value) > OBSERVATION_TEXT_CHARS_MAX:
        return Refused(f"a text has at most {OBSERVATION_TEXT_CHARS_MAX} characters")
    try:
        return cell(sample.value)
    except OverflowError:
        return Refused("its value is beyond all numbers of 64 bits; send it as text")


async def _committed(done: Future[Commit]) -> Commit:
    """Wait for a commit without holding a thread.

    Raises:
        Problem: 503 when it takes longer than COMMIT_WAIT_S; it may be recorded all the same.
    """
    # Not `wait_for`: it would cancel the future, which is the writer's to answer.
    waiting = asyncio.wrap_future(done)
    finished, _ = await asyncio.wait({waiting}, timeout=COMMIT_WAIT_S)
    if not finished:
        waiting.add_done_callback(_forget)
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "not recorded yet: the writer is held up; repeat with the same Idempotency-Key",
            {"Retry-After": "5"},
        )
    return waiting.result()


def _forget(late: asyncio.Future[Commit]) -> None:
    """Take note of an outcome that nobody waits for any more, so that none is reported as lost."""
    if not late.cancelled():
        late.exception()


def _answer(
    caller: Caller, prepared: _Prepared, commit: int, stored: int, repeats: int, again: bool
) -> Response:
    caller.tell(commit=commit)
    answer = {
        "commit": commit,
        "stored": stored,
        "repeats": repeats,
        "refused": prepared.refused,
    }
    return as_json(answer, HTTPStatus.OK if again else HTTPStatus.CREATED)
