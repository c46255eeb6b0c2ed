"""Errors as RFC 9457 problem documents, all of one shape."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, TypeAlias

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from ciaas.kernel.address import AddressError
from ciaas.kernel.uplink import Busy
from ciaas.ports import (
    AnswerTooLarge,
    Conflict,
    DiskFull,
    HistoryError,
    Interrupted,
    KeyReused,
    Missing,
    RegistryError,
    TooSlow,
)
from ciaas.storage.objects import NoRoom, PreconditionFailed, QuotaExceeded, TooLarge
from cpaas.composition.nodes.contract import Fault
from cpaas.limits import PROBLEM_DETAIL_CHARS_MAX, PROBLEM_FAULTS_MAX
from cpaas.processing.errors import BadName, BadQuery, Crowded, Invisible, NotAllowed, TooMuch
from security.aaa.errors import (
    NotAuthenticated,
    NotPossible,
    OverQuota,
    RuleBroken,
    SecondFactorMissing,
    SecondFactorNeeded,
    SetUpClosed,
    Throttled,
    UnknownToken,
    UnknownUser,
)

PROBLEM = "application/problem+json"
UNKNOWN = "nothing of that name is visible to you"
"""The one sentence for what does not exist and for what belongs to others."""
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="borough"'}
_SOON = {"Retry-After": "1"}

_ANSWERS: dict[type[Exception], tuple[HTTPStatus, dict[str, str] | None]] = {
    AddressError: (HTTPStatus.BAD_REQUEST, None),
    Conflict: (HTTPStatus.CONFLICT, None),
    RegistryError: (HTTPStatus.SERVICE_UNAVAILABLE, _SOON),
    KeyReused: (HTTPStatus.UNPROCESSABLE_ENTITY, None),
    DiskFull: (HTTPStatus.INSUFFICIENT_STORAGE, None),
    Interrupted: (HTTPStatus.SERVICE_UNAVAILABLE, _SOON),
    AnswerTooLarge: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, None),
    TooSlow: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, None),
    BadQuery: (HTTPStatus.UNPROCESSABLE_ENTITY, None),
    TooMuch: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, None),
    Crowded: (HTTPStatus.SERVICE_UNAVAILABLE, _SOON),
    Invisible: (HTTPStatus.NOT_FOUND, None),
    NotAllowed: (HTTPStatus.FORBIDDEN, None),
    BadName: (HTTPStatus.BAD_REQUEST, None),
    PreconditionFailed: (HTTPStatus.PRECONDITION_FAILED, None),
    QuotaExceeded: (HTTPStatus.INSUFFICIENT_STORAGE, None),
    NoRoom: (HTTPStatus.INSUFFICIENT_STORAGE, None),
    TooLarge: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, None),
    HistoryError: (HTTPStatus.UNPROCESSABLE_ENTITY, None),
    Busy: (HTTPStatus.SERVICE_UNAVAILABLE, _SOON),
    NotAuthenticated: (HTTPStatus.UNAUTHORIZED, _CHALLENGE),
    RuleBroken: (HTTPStatus.UNPROCESSABLE_ENTITY, None),
    SetUpClosed: (HTTPStatus.CONFLICT, None),
    NotPossible: (HTTPStatus.CONFLICT, None),
}
"""A subclass is answered as the nearest of its parents."""
_ROUTING: dict[int, str] = {
    HTTPStatus.NOT_FOUND: "there is no such path; GET /api/v1/openapi.json lists all",
    HTTPStatus.METHOD_NOT_ALLOWED: "this path does not take that verb; Allow lists those it takes",
}
"""What the framework's router says in a word."""
_Handler: TypeAlias = Callable[[Request, Exception], Awaitable[Response]]


class Problem(HTTPException):
    """A refusal with its HTTP status; ``detail`` tells the caller what to do.

    Args:
        status: Of the answer.
        detail: One sentence.
        headers: Further ones of the answer.
        more: Further members of the problem document.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        headers: dict[str, str] | None = None,
        more: dict[str, Any] | None = None,
    ):
        super().__init__(status.value, detail, headers)
        self.more = more or {}


def not_found() -> Problem:
    """Return the one answer for what does not exist and for what belongs to others."""
    return Problem(HTTPStatus.NOT_FOUND, UNKNOWN)


def unauthenticated(detail: str) -> Response:
    """Return the answer to a request without a valid token."""
    return answer(HTTPStatus.UNAUTHORIZED, detail, _CHALLENGE)


def answer(
    status: HTTPStatus | int,
    detail: str,
    headers: dict[str, str] | None = None,
    **more: Any,
) -> Response:
    """Return a problem document as a response."""
    status = HTTPStatus(status)
    body = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": _writable(detail),
    }
    return Response(msgspec.json.encode(body | more), status, headers, PROBLEM)


def install(app: FastAPI) -> None:
    """Make every error of the application a problem document."""
    for kind, (status, headers) in _ANSWERS.items():
        app.add_exception_handler(kind, _handler(status, headers))
    for kind in (Missing, UnknownUser, UnknownToken):
        app.add_exception_handler(kind, _of_missing)

    @app.exception_handler(Throttled)
    async def of_throttled(request: Request, error: Throttled) -> Response:
        headers = {"Retry-After": str(error.retry_after_s)}
        return answer(HTTPStatus.TOO_MANY_REQUESTS, str(error), headers)

    @app.exception_handler(SecondFactorNeeded)
    async def of_second_factor(request: Request, error: SecondFactorNeeded) -> Response:
        return answer(HTTPStatus.UNAUTHORIZED, str(error), _CHALLENGE, second_factor="needed")

    @app.exception_handler(SecondFactorMissing)
    async def of_no_second_factor(request: Request, error: SecondFactorMissing) -> Response:
        return answer(HTTPStatus.UNAUTHORIZED, str(error), _CHALLENGE, second_factor="missing")

    @app.exception_handler(OverQuota)
    async def of_quota(request: Request, error: OverQuota) -> Response:
        return _of_quota(error)

    @app.exception_handler(Fault)
    async def of_fault(request: Request, error: Fault) -> Response:
        place = {"node": error.node, "param": error.param}
        named = {key: name for key, name in place.items() if name}
        return answer(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), None, **named)

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers) if error.headers else None
        if isinstance(error, Problem):
            return answer(error.status_code, str(error.detail), headers, **error.more)
        return answer(error.status_code, _ROUTING.get(error.status_code, error.detail), headers)

    @app.exception_handler(RequestValidationError)
    async def of_validation(request: Request, error: RequestValidationError) -> Response:
        return _of_faults(error)


def _handler(status: HTTPStatus, headers: dict[str, str] | None) -> _Handler:
    async def handle(request: Request, error: Exception) -> Response:
        return answer(status, str(error), headers)

    return handle


async def _of_missing(request: Request, error: Exception) -> Response:
    # What the stores say names the thing; the answer must not tell it from what others own.
    return answer(HTTPStatus.NOT_FOUND, UNKNOWN)


def _of_faults(error: RequestValidationError) -> Response:
    found = error.errors()
    faults = [
        {
            "where": _writable(".".join(map(str, fault["loc"]))),
            "fault": _writable(fault["msg"].removeprefix("Value error, ")),
        }
        for fault in found[:PROBLEM_FAULTS_MAX]
    ]
    detail = f"{faults[0]['where']}: {faults[0]['fault']}"
    no_json = any(fault["type"] == "json_invalid" for fault in found)
    status = HTTPStatus.BAD_REQUEST if no_json else HTTPStatus.UNPROCESSABLE_ENTITY
    return answer(status, detail, faults=faults)


def _of_quota(error: OverQuota) -> Response:
    """Answer 429 where waiting helps, 403 where only an operator or less use does."""
    told = {"quota": error.quota, "bound": error.bound, "used": error.used}
    if error.retry_after_s is None:
        return answer(HTTPStatus.FORBIDDEN, str(error), None, **told)
    wait = {"Retry-After": str(error.retry_after_s)}
    return answer(HTTPStatus.TOO_MANY_REQUESTS, str(error), wait, **told)


def _writable(text: str) -> str:
    """Return a text that may hold what a stranger sent, short and as UTF-8 can hold it."""
    return text[:PROBLEM_DETAIL_CHARS_MAX].encode(errors="replace").decode()
