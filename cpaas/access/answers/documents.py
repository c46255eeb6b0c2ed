"""JSON answers, and single values and times as JSON writes them."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
from fastapi.responses import Response

from ciaas.kernel.sample import Kind, Millis, Reason, Verdict

Written = bool | int | float | str | None
"""A value as an answer has it."""

VERDICTS = {verdict.value: verdict.name.lower() for verdict in Verdict}
REASONS = {reason.value: reason.name.lower().replace("_", "-") for reason in Reason}

EXACT = 2**53
"""Below it a number of 64 bits holds every integer; at it, also its neighbour."""


def as_json(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON response; a number that is not finite becomes null."""
    return Response(msgspec.json.encode(body), status, headers, "application/json")


def value_of(kind: int, num: float, txt: str | None) -> Written:
    """Return one sample's value in the type it was sent as; None for what JSON cannot hold.

    An integer from 2**53 on is not kept exactly in ``num`` and comes as a number.
    """
    if kind == Kind.TEXT:
        return txt
    if kind == Kind.NULL or not math.isfinite(num):
        return None
    if kind == Kind.BOOLEAN:
        return bool(num)
    if kind == Kind.INTEGER and abs(num) < EXACT:
        return int(num)
    return float(num)


def times(moments: Millis) -> list[str]:
    """Return RFC 3339 texts in UTC with milliseconds."""
    return [f"{text.decode()}Z" for text in instants(moments)]


def instants(moments: Millis) -> list[bytes]:
    """Return `times` as ASCII without the Z at their end."""
    texts: list[Any] = moments.astype("datetime64[ms]").astype("S").tolist()
    return texts


def rfc3339(moment: int) -> str:
    """Return one time, milliseconds since 1970 UTC, as `times`."""
    return times(np.array([moment], np.int64))[0]
