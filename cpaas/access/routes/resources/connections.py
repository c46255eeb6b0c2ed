"""Connections: which adapter reads which devices, one document each."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import Response

from ciaas.kernel.address import AddressError, check_endpoint
from ciaas.limits import CONNECTION_NAME_CHARS_MAX
from ciaas.ports import Connection
from cpaas.access.answers.documents import as_json
from cpaas.access.caller import Caller, Configurer, Reader
from cpaas.access.problems import Problem, not_found
from security.aaa.levels import Level

router = APIRouter(prefix="/connections", tags=["connections"])

Name = Annotated[str, Path(max_length=CONNECTION_NAME_CHARS_MAX)]


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
def read(name: Name, caller: Reader) -> Response:
    """Return one connection's document."""
    connection = _own(caller, name)
    if connection is None:
        raise not_found()
    return as_json(dict(connection.document))


@router.put("/{name}")
def put(
    name: Name, document: dict[str, Any], caller: Configurer, project: str | None = None
) -> Response:
    """Create or replace a connection; its endpoints and points are registered at once.

    The same document again changes nothing. A wrong one is refused whole, and what ran goes on.
    """
    connection = _own(caller, name)
    if connection is None:
        owner = caller.project(project, Level.CONFIGURE).id
    else:
        owner = connection.project
    if document.setdefault("name", name) != name:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"name: must be {name!r} as in the path")
    _refuse_foreign(caller, owner, document)
    try:
        answer = caller.city.connections.put(owner, document)
    except ValueError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    caller.tell(revision=answer["revision"])
    return as_json(answer)


@router.delete("/{name}", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def delete(name: Name, caller: Configurer) -> None:
    """End a connection; its endpoints and their history stay."""
    if _own(caller, name) is None:
        raise not_found()
    caller.city.registry.delete_connection(name)


def _own(caller: Caller, name: str) -> Connection | None:
    """Return the connection, None when there is none of that name.

    Raises:
        Problem: 404 when it belongs to a project that the caller may not configure.
    """
    for connection in caller.city.registry.connections():
        if connection.name == name:
            if caller.level(connection.project) < Level.CONFIGURE:
                raise not_found()
            return connection
    return None


def _refuse_foreign(caller: Caller, project: int, document: dict[str, Any]) -> None:
    """Refuse UUIDs that are not of this project: whether they exist is nobody else's to learn."""
    devices = document.get("devices")
    if caller.admin or not isinstance(devices, list):
        return
    for device in devices:
        stated = device.get("uuid") if isinstance(device, dict) else None
        if not isinstance(stated, str):
            continue
        try:
            endpoint = caller.city.catalogue.endpoint(check_endpoint(stated))
        except AddressError:
            continue  # the document's own check names the place
        if endpoint is None or endpoint.project != project:
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"device {str(device.get('id'))[:64]!r}: no endpoint {stated} of this project is "
                "visible to you; leave the uuid out to have an endpoint made",
            )
