"""Apps write their own points: up to 10,000 samples, answered after their commit."""

from __future__ import annotations

import hashlib
import math
from concurrent.futures import TimeoutError as CommitTimeout
from http import HTTPStatus
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from fastapi import APIRouter, Header, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from ciaas.kernel.address import AddressError, EndpointId, parse_point
from ciaas.kernel.model import Constraint, Value, ValueType
from ciaas.kernel.sample import Frame, Kind, Reason, Verdict
from ciaas.ports import Conflict, Feed, Missing, NewPoint, Point, Receipt
from cpaas.access.answers import as_json
from cpaas.access.caller import AppWriter, Caller
from cpaas.access.problems import Problem
from cpaas.limits import COMMIT_WAIT_S, IDEMPOTENCY_KEY_CHARS_MAX, OBSERVATIONS_MAX
from security.aaa.levels import Level

router = APIRouter(tags=["observations"])

_EXACT = 2**53
_INT64 = 2**63


class Observation(msgspec.Struct, forbid_unknown_fields=True):
    """One sample as an app sends it; ``timestamp`` is UNIX seconds, absent means now."""

    address: str
    value: bool | int | float | str | None
    timestamp: float | None = None


class Observations(msgspec.Struct, forbid_unknown_fields=True):
    """The body of one request."""

    observations: list[Observation]


class Refused(NamedTuple):
    """Why the samples of one address, or one sample, are not written."""

    reason: str


_decoder = msgspec.json.Decoder(Observations)


@router.post("/observations", status_code=HTTPStatus.CREATED)
async def write(
    request: Request,
    caller: AppWriter,
    idempotency_key: Annotated[str | None, Header(max_length=IDEMPOTENCY_KEY_CHARS_MAX)] = None,
) -> Response:
    """Record samples of the caller's own points; answered when they are on disk.

    The same ``Idempotency-Key`` with the same body again is answered without writing twice.
    """
    body = await request.body()
    return await run_in_threadpool(_write, caller, body, idempotency_key)


def _write(caller: Caller, body: bytes, key: str | None) -> Response:
    city = caller.city
    receipt = None
    if key is not None:
        receipt = Receipt(f"{caller.user}:{key}", hashlib.sha256(body).hexdigest())
        if (before := city.history.answered(receipt)) is not None:
            return as_json({"commit": before, "stored": 0, "repeats": 0, "refused": []})
    samples = _parse(body)
    now_ms = city.clock.now_ms()
    points: dict[str, Point | Refused] = {}
    admitted: list[tuple[Point, Observation]] = []
    refused: list[dict[str, object]] = []
    for index, sample in enumerate(samples):
        if sample.address not in points:
            points[sample.address] = _point(caller, sample)
        point = points[sample.address]
        if isinstance(point, Refused):
            refused.append({"index": index, "reason": point.reason})
        elif not _credible(sample.timestamp, now_ms + city.future_ms):
            refused.append({"index": index, "reason": "its timestamp is negative or in the future"})
        else:
            admitted.append((point, sample))
    if not admitted:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"none of the {len(refused)} samples may be written; the first: {refused[0]['reason']}",
        )
    source = city.registry.source(f"user:{caller.principal.user.name}")
    done = city.write(_frame(admitted, now_ms, source), receipt)
    try:
        commit = done.result(COMMIT_WAIT_S)
    except CommitTimeout:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "not recorded yet: the writer is held up; repeat with the same Idempotency-Key",
        ) from None
    answer = {
        "commit": commit.number,
        "stored": len(commit.frame),
        "repeats": commit.repeats,
        "refused": refused,
    }
    return as_json(answer, HTTPStatus.CREATED)


def _parse(body: bytes) -> list[Observation]:
    try:
        observations = _decoder.decode(body).observations
    except (msgspec.DecodeError, RecursionError) as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"the body: {error}") from error
    if not 1 <= len(observations) <= OBSERVATIONS_MAX:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"send 1 to {OBSERVATIONS_MAX} observations a request, not {len(observations)}",
        )
    return observations


def _point(caller: Caller, sample: Observation) -> Point | Refused:
    """Return the point to write, registering a new one for who may configure the endpoint."""
    city = caller.city
    unknown = Refused("nothing of that name is visible to you")
    try:
        address = parse_point(sample.address)
        endpoint = city.registry.endpoint(EndpointId(address.split("/", 1)[0]))
    except AddressError as error:
        return Refused(str(error))
    except Missing:
        return unknown
    held = caller.level(endpoint.project, address.split("/"))
    if held < Level.ACCESS:
        return unknown
    if held < Level.WRITE:
        return Refused(f"this needs the level WRITE; you hold {held.name}")
    if endpoint.feed not in (None, Feed.APP):
        return Refused(f"the endpoint is fed by its {endpoint.feed}: an app may not forge readings")
    try:
        point = city.registry.point(address)
        if not point.removed:
            return point
    except Missing:
        pass
    if held < Level.CONFIGURE:
        return Refused("the point does not exist; the level CONFIGURE is needed to add it")
    try:
        if endpoint.feed is None:
            city.registry.change_endpoint(endpoint.uuid, feed=Feed.APP)
        new = NewPoint(address, Constraint.MEASURE, _type_of(sample.value))
        return city.registry.ensure_points([new])[0]
    except Conflict as error:
        return Refused(str(error))


def _credible(timestamp: float | None, latest_ms: int) -> bool:
    return timestamp is None or (
        math.isfinite(timestamp) and 0 <= timestamp and timestamp * 1000 <= latest_ms
    )


def _type_of(value: Value) -> ValueType:
    match value:
        case bool():
            return ValueType.BOOLEAN
        case str():
            return ValueType.STRING
        case _:
            return ValueType.NUMBER


def _frame(admitted: list[tuple[Point, Observation]], now_ms: int, source: int) -> Frame:
    rows = len(admitted)
    kinds, numbers, texts, raws = zip(*(_columns(s.value) for _, s in admitted), strict=True)
    untimed = np.array([s.timestamp is None for _, s in admitted])
    observed = [now_ms if s.timestamp is None else round(s.timestamp * 1000) for _, s in admitted]
    return Frame(
        point=np.array([point.id for point, _ in admitted], np.uint32),
        observed=np.array(observed, np.int64),
        received=np.full(rows, now_ms, np.int64),
        kind=np.array(kinds, np.uint8),
        num=np.array(numbers, np.float64),
        txt=np.array(texts, np.object_),
        verdict=np.where(untimed, Verdict.UNCERTAIN, Verdict.GOOD).astype(np.uint8),
        reason=np.where(untimed, Reason.NO_TIMESTAMP, Reason.NONE).astype(np.uint16),
        raw=np.array(raws, np.object_),
        source=np.full(rows, source, np.uint32),
        revision=np.zeros(rows, np.uint16),
    )


def _columns(value: Value) -> tuple[Kind, float, str | None, str | None]:
    """Return kind, number, text and, where the number is not exact, the raw text of a value."""
    match value:
        case None:
            return Kind.NULL, math.nan, None, None
        case bool():
            return Kind.BOOLEAN, float(value), None, None
        case int():
            exact = abs(value) <= _EXACT
            kind = Kind.INTEGER if abs(value) < _INT64 else Kind.NUMBER
            return kind, float(value), None, None if exact else str(value)
        case float():
            return Kind.NUMBER, value, None, None
        case str():
            return Kind.TEXT, math.nan, value, None
