"""Errors as RFC 9457 problem documents, all of one shape."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from ciaas.kernel.address import AddressError
from ciaas.kernel.uplink import Busy
from ciaas.ports import Conflict, DiskFull, HistoryError, KeyReused, Missing
from security.aaa.errors import (
    NotAuthenticated,
    RuleBroken,
    SetUpClosed,
    Throttled,
    UnknownToken,
    UnknownUser,
)

PROBLEM = "application/problem+json"


class Problem(Exception):
    """A refusal with its HTTP status; ``detail`` tells the caller what to do."""

    def __init__(self, status: HTTPStatus, detail: str, headers: dict[str, str] | None = None):
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers or {}


def not_found(what: str = "nothing of that name is visible to you") -> Problem:
    """Return the one answer for what does not exist and for what belongs to others."""
    return Problem(HTTPStatus.NOT_FOUND, what)


def answer(
    status: HTTPStatus | int,
    detail: str,
    headers: dict[str, str] | None = None,
    **more: Any,
) -> Response:
    """Return a problem document as a response."""
    status = HTTPStatus(status)
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    return Response(msgspec.json.encode(body | more), status, headers, PROBLEM)


def install(app: FastAPI) -> None:
    """Make every error of the application a problem document."""
    answers: dict[type[Exception], HTTPStatus] = {
        AddressError: HTTPStatus.BAD_REQUEST,
        Missing: HTTPStatus.NOT_FOUND,
        Conflict: HTTPStatus.CONFLICT,
        KeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
        DiskFull: HTTPStatus.INSUFFICIENT_STORAGE,
        Busy: HTTPStatus.SERVICE_UNAVAILABLE,
        HistoryError: HTTPStatus.SERVICE_UNAVAILABLE,
        NotAuthenticated: HTTPStatus.UNAUTHORIZED,
        RuleBroken: HTTPStatus.UNPROCESSABLE_ENTITY,
        SetUpClosed: HTTPStatus.CONFLICT,
        UnknownUser: HTTPStatus.NOT_FOUND,
        UnknownToken: HTTPStatus.NOT_FOUND,
    }

    async def of_known(request: Request, error: Exception) -> Response:
        return answer(answers[type(error)], str(error))

    for kind in answers:
        app.add_exception_handler(kind, of_known)

    @app.exception_handler(Problem)
    async def of_problem(request: Request, error: Problem) -> Response:
        return answer(error.status, error.detail, error.headers)

    @app.exception_handler(Throttled)
    async def of_throttled(request: Request, error: Throttled) -> Response:
        headers = {"Retry-After": str(error.retry_after_s)}
        return answer(HTTPStatus.TOO_MANY_REQUESTS, str(error), headers)

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers) if error.headers else None
        return answer(error.status_code, str(error.detail), headers)

    @app.exception_handler(RequestValidationError)
    async def of_validation(request: Request, error: RequestValidationError) -> Response:
        faults = [
            {"where": ".".join(map(str, fault["loc"])), "fault": fault["msg"]}
            for fault in error.errors()
        ]
        first = faults[0]
        detail = f"{first['where']}: {first['fault']}"
        return answer(HTTPStatus.UNPROCESSABLE_ENTITY, detail, faults=faults)
