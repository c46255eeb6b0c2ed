"""Endpoints in cloud.iO's shapes."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from ciaas.kernel.model import EndpointModel, Node, Thing
from ciaas.ports import Endpoint
from cpaas.access.answers import as_json
from cpaas.access.caller import Caller, Configurer, Reader
from cpaas.access.problems import Problem, not_found
from cpaas.limits import LIST_DEFAULT, LIST_MAX
from security.aaa.levels import Level
from security.ports import Grant

router = APIRouter(prefix="/endpoints", tags=["endpoints"])


class NewEndpoint(BaseModel):
    """Optional body of the creation."""

    model_config = {"extra": "forbid"}

    metaData: dict[str, Any] = Field(default_factory=dict)
    uuid: str | None = None


@router.post("", status_code=HTTPStatus.CREATED)
def create(
    caller: Configurer,
    friendly_name: Annotated[str, Query(alias="friendlyName", min_length=1)],
    project: str | None = None,
    body: Annotated[NewEndpoint | None, Body()] = None,
) -> Response:
    """Create an endpoint; the caller gets OWN on it."""
    city, body = caller.city, body or NewEndpoint()
    number = _project(caller, project)
    endpoint = city.provisioning.create(number, friendly_name, body.metaData, body.uuid)
    path = (str(number), endpoint.uuid)
    city.grants.put_grant(Grant(caller.user, path, Level.OWN))
    city.refresh_rights()
    return as_json(entity(caller, endpoint), HTTPStatus.CREATED)


@router.get("")
def listed(
    caller: Reader,
    friendly_name: Annotated[str | None, Query(alias="friendlyName")] = None,
    banned: bool | None = None,
    online: bool | None = None,
    project: str | None = None,
    limit: Annotated[int, Query(ge=1, le=LIST_MAX)] = LIST_DEFAULT,
    after: str | None = None,
) -> Response:
    """List the endpoints the caller may know, oldest first; ``after`` continues a listing."""
    city = caller.city
    wanted = None if project is None else _named_project(caller, project)
    answer = []
    passed = after is None
    for endpoint in city.registry.endpoints(wanted):
        if not passed:
            passed = endpoint.uuid == after
            continue
        if friendly_name not in (None, endpoint.friendly_name):
            continue
        if banned is not None and banned is not endpoint.banned:
            continue
        if not city.rights.under(caller.user, (str(endpoint.project), endpoint.uuid), Level.ACCESS):
            continue
        is_online = city.presence.online(endpoint.uuid)
        if online is not None and online is not is_online:
            continue
        answer.append(
            {
                "uuid": endpoint.uuid,
                "friendlyName": endpoint.friendly_name,
                "banned": endpoint.banned,
                "online": is_online,
            }
        )
        if len(answer) == limit:
            break
    return as_json(answer)


@router.get("/{uuid}")
def read(uuid: str, caller: Reader) -> Response:
    """Return one endpoint with its data model."""
    return as_json(entity(caller, caller.endpoint(uuid)))


@router.get("/{uuid}/online")
def online(uuid: str, caller: Reader) -> Response:
    """Return true while the endpoint's device is connected."""
    return as_json(caller.city.presence.online(caller.endpoint(uuid).uuid))


@router.put("/{uuid}/friendlyName", status_code=HTTPStatus.NO_CONTENT)
def rename(uuid: str, name: Annotated[str, Body(min_length=1)], caller: Configurer) -> None:
    """Give the endpoint another name; a JSON string."""
    endpoint = caller.endpoint(uuid, Level.CONFIGURE)
    caller.city.registry.change_endpoint(endpoint.uuid, friendly_name=name)


@router.put("/{uuid}/metaData", status_code=HTTPStatus.NO_CONTENT)
def describe(uuid: str, metadata: dict[str, Any], caller: Configurer) -> None:
    """Replace the endpoint's metadata; a JSON object."""
    endpoint = caller.endpoint(uuid, Level.CONFIGURE)
    caller.city.registry.change_endpoint(endpoint.uuid, metadata=metadata)


@router.put("/{uuid}/banned", status_code=HTTPStatus.NO_CONTENT)
def ban(uuid: str, banned: Annotated[bool, Body()], caller: Configurer) -> None:
    """Ban or admit the endpoint's device; a banned one is disconnected at once."""
    endpoint = caller.endpoint(uuid, Level.GRANT)
    caller.city.registry.change_endpoint(endpoint.uuid, banned=banned)
    if banned:
        caller.city.presence.disconnect(endpoint.uuid)


@router.delete("/{uuid}")
def delete(uuid: str, caller: Configurer) -> Response:
    """Delete an endpoint: its device is locked out, its history stays for the project's owners."""
    endpoint = caller.endpoint(uuid, Level.OWN)
    revoked = caller.city.provisioning.delete(endpoint)
    caller.city.presence.disconnect(endpoint.uuid)
    return as_json(
        {
            "uuid": endpoint.uuid,
            "certificatesRevoked": revoked,
            "history": "kept: every sample stays stored under its address, readable by who holds "
            "OWN on the project; the address is never used again",
        }
    )


def entity(caller: Caller, endpoint: Endpoint) -> dict[str, Any]:
    """Return an endpoint as cloud.iO writes it; the model only as far as the caller may browse."""
    is_online = caller.city.presence.online(endpoint.uuid)
    held = caller.level(endpoint.project, (endpoint.uuid,))
    model = endpoint.model if held >= Level.BROWSE else None
    return {
        "uuid": endpoint.uuid,
        "friendlyName": endpoint.friendly_name,
        "banned": endpoint.banned,
        "online": is_online,
        "feed": endpoint.feed,
        "metaData": endpoint.metadata if held >= Level.BROWSE else {},
        "dataModel": None if model is None else _model(model, is_online),
    }


def _model(model: EndpointModel, online: bool) -> dict[str, Any]:
    return {
        "version": model.version,
        "messageFormatVersion": model.message_format_version,
        "supportedFormats": list(model.supported_formats),
        "nodes": {name: _node(node, online) for name, node in model.nodes.items()},
    }


def _node(node: Node, online: bool) -> dict[str, Any]:
    return {
        "online": online,
        "implements": list(node.implements),
        "objects": {name: _thing(thing) for name, thing in node.objects.items()},
    }


def _thing(thing: Thing) -> dict[str, Any]:
    attributes: Mapping[str, dict[str, Any]] = {
        name: {"constraint": attribute.constraint, "type": attribute.type}
        | ({} if attribute.value is None else {"value": attribute.value})
        for name, attribute in thing.attributes.items()
    }
    return {
        "conforms": thing.conforms,
        "objects": {name: _thing(inner) for name, inner in thing.objects.items()},
        "attributes": attributes,
    }


def _named_project(caller: Caller, name: str) -> int:
    for project in caller.city.registry.projects():
        if project.name == name and caller.city.rights.under(
            caller.user, (str(project.id),), Level.ACCESS
        ):
            return project.id
    raise not_found(f"no project {name!r} is visible to you")


def _project(caller: Caller, name: str | None) -> int:
    """Return the project to create in: the one named, or the only one open to the caller."""
    if name is not None:
        number = _named_project(caller, name)
        if caller.level(number) < Level.CONFIGURE:
            raise Problem(HTTPStatus.FORBIDDEN, f"this needs CONFIGURE on the project {name!r}")
        return number
    open_to = [
        p.id for p in caller.city.registry.projects() if caller.level(p.id) >= Level.CONFIGURE
    ]
    if len(open_to) == 1:
        return open_to[0]
    raise Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY if open_to else HTTPStatus.FORBIDDEN,
        "name the project with ?project=…" if open_to else "this needs CONFIGURE on a project",
    )
