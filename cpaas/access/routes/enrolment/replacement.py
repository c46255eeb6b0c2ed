"""The devices behind an endpoint: when one is replaced, endpoint, history and rights stay."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field

from ciaas.management.bundle import check_properties
from ciaas.management.enrolment.sheet import SERIAL_FORM
from ciaas.management.provisioning import ProvisioningError, check_feed
from cpaas.access.answers.described import answers
from cpaas.access.answers.documents import as_json, rfc3339
from cpaas.access.caller import Configurer, Reader
from cpaas.access.problems import Problem
from security.aaa.levels import Level

router = APIRouter(prefix="/endpoints", tags=["enrolment"])

_UNKEPT = {"Cache-Control": "no-store"}


class NewDevice(BaseModel):
    """The device that takes the place of the one before."""

    model_config = {"extra": "forbid"}

    serial: str = Field(pattern=f"^{SERIAL_FORM}$", description="its own; one in the project")
    properties: dict[str, str] = Field(default_factory=dict, description="lines of its bundle")


class Replaced(BaseModel):
    """What the new device connects with, and how many certificates the one before lost."""

    token: str
    certificatesRevoked: int


class DeviceInterval(BaseModel):
    """A device behind the endpoint, from when to when."""

    serial: str
    since: str
    until: str | None
    """None while it is."""


@router.get("/{uuid}/devices", responses=answers(list[DeviceInterval]))
def devices(uuid: str, caller: Reader) -> Response:
    """List the devices that are or were behind an endpoint, by serial number, oldest first."""
    endpoint = caller.endpoint(uuid, Level.CONFIGURE)
    return as_json(
        [
            {
                "serial": one.serial,
                "since": rfc3339(one.since),
                "until": None if one.until is None else rfc3339(one.until),
            }
            for one in caller.city.enrolment.store.devices(endpoint.uuid)
        ]
    )


@router.post("/{uuid}/devices", status_code=HTTPStatus.CREATED, responses=answers(Replaced, 201))
def replace(uuid: str, body: NewDevice, caller: Configurer) -> Response:
    """Put another device behind an endpoint: the one before is denied at once.

    The answer is a token that fetches the new device's bundle once, within a day.
    """
    endpoint = caller.endpoint(uuid, Level.CONFIGURE)
    city = caller.city
    try:
        check_feed(endpoint)
        own = check_properties(body.properties)
        city.provisioning.check_reachable(own)
    except ProvisioningError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    token, revoked = city.enrolment.replace(endpoint.uuid, body.serial, own)
    city.presence.disconnect(endpoint.uuid)
    caller.tell(device=body.serial, revoked=revoked)
    return as_json({"token": token, "certificatesRevoked": revoked}, HTTPStatus.CREATED, _UNKEPT)
