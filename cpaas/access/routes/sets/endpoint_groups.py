"""Endpoint groups: named sets of a project's endpoints, which grants may name."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from ciaas.kernel.address import EndpointId
from ciaas.limits import SET_NAME_CHARS_MAX
from ciaas.management.sets.ports import EndpointGroup
from ciaas.ports import Conflict, Missing, Project
from cpaas.access.answers.documents import as_json
from cpaas.access.caller import Caller, Granter, Reader
from cpaas.access.problems import Problem, not_found
from cpaas.access.routes.sets.governing import SetName, governed
from security.aaa.extents import SetExtent, SetKind
from security.aaa.levels import Level

router = APIRouter(prefix="/endpoint-groups", tags=["rights"])


@router.get("")
def listed(caller: Reader, project: str | None = None) -> Response:
    """List the endpoint groups of a project, or of all in which the caller holds DESCRIBE."""
    owners = (
        caller.projects(Level.DESCRIBE)
        if project is None
        else [caller.project(project, Level.DESCRIBE)]
    )
    return as_json(
        [
            _entity(caller, owner, group)
            for owner in owners
            for group in caller.city.entitlements.sets.endpoint_groups(owner.id)
        ]
    )


@router.get("/{project}/{name}")
def one(project: str, name: str, caller: Reader) -> Response:
    """Return an endpoint group with those of its endpoints that the caller may know."""
    owner = caller.project(project, Level.DESCRIBE)
    return as_json(_entity(caller, owner, _named(caller, owner, name)))


@router.put("/{project}/{name}")
def put(project: str, name: SetName, caller: Granter) -> Response:
    """Make an endpoint group, empty at first; one that is there already stays as it is."""
    owner = caller.project(project, Level.GRANT)
    try:
        group = caller.city.entitlements.sets.add_endpoint_group(owner.id, name)
    except Conflict as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    return as_json(_entity(caller, owner, group))


@router.delete("/{project}/{name}", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def remove(project: str, name: str, caller: Granter) -> None:
    """Remove an endpoint group, and with it every grant on it."""
    group = _governed(caller, project, name)
    caller.city.entitlements.sets.remove_endpoint_group(group.id)
    caller.city.refresh_rights()


@router.put(
    "/{project}/{name}/members/{uuid}",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
)
def join(project: str, name: str, uuid: str, caller: Granter) -> None:
    """Put an endpoint of the project into a group; whoever holds the group holds it at once."""
    group = _governed(caller, project, name)
    endpoint = caller.endpoint(uuid)
    try:
        caller.city.entitlements.sets.add_endpoint(group.id, endpoint.uuid)
    except Missing:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, "an endpoint group has endpoints of its own project"
        ) from None
    except Conflict as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    caller.city.refresh_rights()


@router.delete(
    "/{project}/{name}/members/{uuid}",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
)
def leave(project: str, name: str, uuid: str, caller: Granter) -> None:
    """Take an endpoint out of a group."""
    group = _governed(caller, project, name)
    endpoint = caller.endpoint(uuid)
    if not caller.city.entitlements.sets.remove_endpoint(group.id, endpoint.uuid):
        raise not_found()
    caller.city.refresh_rights()


def _governed(caller: Caller, project: str, name: str) -> EndpointGroup:
    owner = caller.project(project, Level.GRANT)
    group = _named(caller, owner, name)
    governed(caller, SetExtent(SetKind.ENDPOINTS, str(owner.id), str(group.id)))
    return group


def _named(caller: Caller, owner: Project, name: str) -> EndpointGroup:
    try:
        return caller.city.entitlements.sets.endpoint_group(owner.id, name[:SET_NAME_CHARS_MAX])
    except Missing:
        raise not_found() from None


def _entity(caller: Caller, owner: Project, group: EndpointGroup) -> dict[str, Any]:
    known = map(
        caller.city.catalogue.endpoint,
        map(EndpointId, caller.city.entitlements.sets.endpoints_of(group.id)),
    )
    return {
        "project": owner.name,
        "name": group.name,
        "endpoints": [one.uuid for one in known if one is not None and caller.knows(one)],
    }
