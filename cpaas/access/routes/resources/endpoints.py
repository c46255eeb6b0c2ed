"""Endpoints in cloud.iO's shapes."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from ciaas.kernel.address import check_endpoint
from ciaas.limits import FRIENDLY_NAME_CHARS_MAX
from ciaas.ports import Endpoint
from cpaas.access.answers.described import EndpointEntity, EndpointSummary, answers
from cpaas.access.answers.documents import as_json
from cpaas.access.answers.endpoint import entity, summary
from cpaas.access.caller import Caller, Configurer, Reader
from cpaas.access.problems import Problem, not_found
from cpaas.limits import LIST_DEFAULT, LIST_MAX
from security.aaa.levels import Level
from security.ports import Grant

router = APIRouter(prefix="/endpoints", tags=["endpoints"])

FriendlyName = Annotated[
    str, Query(alias="friendlyName", min_length=1, max_length=FRIENDLY_NAME_CHARS_MAX)
]


class NewEndpoint(BaseModel):
    """Optional body of the creation."""

    model_config = {"extra": "forbid"}

    metaData: dict[str, Any] = Field(default_factory=dict)
    uuid: str | None = Field(None, description="for administrators; None has one drawn")


@router.post("", status_code=HTTPStatus.CREATED, responses=answers(EndpointEntity, 201))
def create(
    caller: Configurer,
    friendly_name: FriendlyName,
    project: str | None = None,
    body: Annotated[NewEndpoint | None, Body()] = None,
) -> Response:
    """Create an endpoint; the caller gets OWN on it."""
    city, body = caller.city, body or NewEndpoint(uuid=None)
    if body.uuid is not None and not caller.admin:
        # Whether it is taken would tell of other tenants' endpoints.
        raise Problem(
            HTTPStatus.FORBIDDEN, "the UUID is an administrator's to choose: leave it out"
        )
    owner = caller.project(project, Level.CONFIGURE)
    endpoint = city.provisioning.create(owner.id, friendly_name, body.metaData, body.uuid)
    caller.tell(endpoint=endpoint.uuid, project=owner.name)
    if caller.level(owner.id, (endpoint.uuid,)) < Level.OWN:
        city.grants.put_grant(Grant(caller.user, (str(owner.id), endpoint.uuid), Level.OWN))
        city.refresh_rights()
    return as_json(entity(caller, endpoint, online=False), HTTPStatus.CREATED)


@router.get("", responses=answers(list[EndpointSummary]))
def listed(
    caller: Reader,
    friendly_name: Annotated[str | None, Query(alias="friendlyName")] = None,
    banned: bool | None = None,
    online: bool | None = None,
    project: str | None = None,
    limit: Annotated[int, Query(ge=1, le=LIST_MAX)] = LIST_DEFAULT,
    after: str | None = None,
) -> Response:
    """List the endpoints the caller may know, oldest first.

    ``after`` is the last UUID of the page before.
    """
    city = caller.city
    owner = None if project is None else caller.project(project, Level.ACCESS).id
    passed = ("", "") if after is None else _place(_reached(caller, after))
    answer: list[dict[str, Any]] = []
    for endpoint in sorted(city.catalogue.endpoints(), key=_place):
        if len(answer) == limit:
            break
        if (
            _place(endpoint) <= passed
            or owner not in (None, endpoint.project)
            or (friendly_name and friendly_name != endpoint.friendly_name)
            or banned not in (None, endpoint.banned)
            or not caller.knows(endpoint)
        ):
            continue
        is_online = city.presence.online(endpoint.uuid)
        if online in (None, is_online):
            answer.append(summary(caller, endpoint, is_online))
    return as_json(answer)


@router.get("/{uuid}", responses=answers(EndpointEntity))
def read(uuid: str, caller: Reader) -> Response:
    """Return one endpoint with as much of its data model as the caller may browse."""
    endpoint = caller.endpoint(uuid)
    return as_json(entity(caller, endpoint, caller.city.presence.online(endpoint.uuid)))


@router.get("/{uuid}/online", responses=answers(bool))
def online(uuid: str, caller: Reader) -> Response:
    """Return true while the endpoint's device is connected, or its adapter reads it."""
    return as_json(caller.city.presence.online(caller.endpoint(uuid).uuid))


@router.put("/{uuid}/friendlyName", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def rename(uuid: str, friendly_name: FriendlyName, caller: Configurer) -> None:
    """Give the endpoint another name."""
    endpoint = caller.endpoint(uuid, Level.CONFIGURE)
    caller.city.registry.change_endpoint(endpoint.uuid, friendly_name=friendly_name)


@router.put("/{uuid}/metaData", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def describe(uuid: str, metadata: dict[str, Any], caller: Configurer) -> None:
    """Replace the endpoint's metadata; a JSON object."""
    endpoint = caller.endpoint(uuid, Level.CONFIGURE)
    caller.city.registry.change_endpoint(endpoint.uuid, metadata=metadata)


@router.put("/{uuid}/banned", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def ban(uuid: str, blocked: bool, caller: Configurer) -> None:
    """Ban or admit the endpoint's device; a banned one is disconnected at once."""
    endpoint = caller.endpoint(uuid, Level.GRANT)
    caller.city.registry.change_endpoint(endpoint.uuid, banned=blocked)
    if blocked:
        caller.city.presence.disconnect(endpoint.uuid)


@router.delete("/{uuid}")
def delete(uuid: str, caller: Configurer) -> Response:
    """Delete an endpoint: its device is locked out; the answer says what becomes of history."""
    endpoint = caller.endpoint(uuid, Level.OWN)
    revoked = caller.city.provisioning.delete(endpoint)
    caller.city.presence.disconnect(endpoint.uuid)
    return as_json(
        {
            "uuid": endpoint.uuid,
            "certificatesRevoked": revoked,
            "history": "kept: every sample stays under its address, and GET /history/{address} "
            "answers who holds OWN on the whole project; the UUID is never used again",
        }
    )


def _place(endpoint: Endpoint) -> tuple[str, str]:
    """Return where an endpoint stands in listings: by age, and the UUID decides."""
    return f"{endpoint.created_at:020d}", endpoint.uuid


def _reached(caller: Caller, uuid: str) -> Endpoint:
    """Return the endpoint that a listing goes on after, which may have been deleted meanwhile."""
    number = check_endpoint(uuid)
    endpoint = caller.city.catalogue.endpoint(number) or caller.city.catalogue.deleted(number)
    if endpoint is None or not caller.knows(endpoint):
        raise not_found()
    return endpoint
