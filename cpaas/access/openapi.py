"""The description of the API, as OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from cpaas.access.problems import PROBLEM

_PROBLEM_SCHEMA = {
    "type": "object",
    "title": "Problem",
    "description": "A problem document of RFC 9457; detail says what to do.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "faults": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"where": {"type": "string"}, "fault": {"type": "string"}},
            },
        },
    },
}
_FASTAPI_ERRORS = ("HTTPValidationError", "ValidationError")


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the description; made once, on first use."""
    if app.openapi_schema is None:
        app.openapi_schema = _with_problems(
            get_openapi(
                title=app.title,
                version=app.version,
                description="Last values, history, endpoints, rights and the record of a city.",
                routes=app.routes,
            )
        )
    return app.openapi_schema


def _with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """Tell of every operation that its errors are problem documents, and not FastAPI's own."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in _FASTAPI_ERRORS:
        schemas.pop(name, None)
    schemas["Problem"] = _PROBLEM_SCHEMA
    problem = {
        "description": "Refused; the detail says what to do",
        "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = problem
    return document
