"""Connections: which adapter reads which devices, one document each."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from ciaas.ports import Connection
from cpaas.access.answers import as_json
from cpaas.access.caller import Caller, Configurer, Reader
from cpaas.access.problems import Problem, not_found
from security.aaa.levels import Level

router = APIRouter(prefix="/connections", tags=["connections"])


@router.get("")
def listed(caller: Reader) -> Response:
    """List the connections of projects the caller may configure."""
    return as_json(
        [
            {"name": c.name, "adapter": c.adapter, "revision": c.revision, "enabled": c.enabled}
            for c in caller.city.registry.connections()
            if caller.level(c.project) >= Level.CONFIGURE
        ]
    )


@router.get("/{name}")
def read(name: str, caller: Reader) -> Response:
    """Return one connection's document."""
    connection = _own(caller, name)
    if connection is None:
        raise not_found()
    return as_json(dict(connection.document))


@router.put("/{name}")
def put(
    name: str, document: dict[str, Any], caller: Configurer, project: str | None = None
) -> Response:
    """Create or replace a connection; its endpoints and points are registered at once.

    The same document again changes nothing. A wrong one is refused whole, and what ran goes on.
    """
    connection = _own(caller, name)
    number = _project(caller, project) if connection is None else connection.project
    if document.setdefault("name", name) != name:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"name: must be {name!r} as in the path")
    try:
        answer = caller.city.connections.put(number, document)
    except ValueError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    return as_json(answer)


@router.delete("/{name}", status_code=HTTPStatus.NO_CONTENT)
def delete(name: str, caller: Configurer) -> None:
    """End a connection; its endpoints and their history stay."""
    if _own(caller, name) is None:
        raise not_found()
    caller.city.registry.delete_connection(name)


def _own(caller: Caller, name: str) -> Connection | None:
    """Return the connection when it exists and the caller may configure its project."""
    for connection in caller.city.registry.connections():
        if connection.name == name:
            if caller.level(connection.project) < Level.CONFIGURE:
                raise not_found()
            return connection
    return None


def _project(caller: Caller, name: str | None) -> int:
    for project in caller.city.registry.projects():
        if name in (None, project.name) and caller.level(project.id) >= Level.CONFIGURE:
            return project.id
    raise not_found("no project that you may configure has that name")
