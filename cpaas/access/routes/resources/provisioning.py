"""Certificates and bundles for devices."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Body, Header
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel, Field

from ciaas.management.provisioning import ProvisioningError
from cpaas.access.answers.documents import as_json
from cpaas.access.caller import About, CityPart, Configurer, Reader
from cpaas.access.problems import Problem
from security.aaa.levels import Level

router = APIRouter(tags=["provisioning"])

_UNKEPT = {"Cache-Control": "no-store"}
"""A cache between here and the device would keep a private key."""


class TokenRequest(BaseModel):
    """Optional body: properties that are written into the bundle's file."""

    model_config = {"extra": "forbid"}

    customProperties: dict[str, str] = Field(default_factory=dict)


class Signing(BaseModel):
    """A certificate signing request in PEM."""

    model_config = {"extra": "forbid"}

    csr: str


@router.get("/ca-certificate")
async def authority(caller: Reader) -> PlainTextResponse:
    """Return the certificate of our authority in PEM."""
    return PlainTextResponse(caller.city.provisioning.authority_pem)


@router.post("/endpoints/{uuid}/certificate", status_code=HTTPStatus.CREATED)
def sign(uuid: str, body: Signing, caller: Configurer) -> Response:
    """Issue a certificate for a key that never left the device."""
    endpoint = caller.endpoint(uuid, Level.CONFIGURE)
    try:
        issued = caller.city.provisioning.sign(endpoint, body.csr)
    except ProvisioningError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    caller.tell(serial=issued["serial"])
    return as_json(issued, HTTPStatus.CREATED)


@router.post("/endpoints/{uuid}/provisionToken", status_code=HTTPStatus.CREATED)
def provision_token(
    uuid: str, caller: Configurer, body: Annotated[TokenRequest | None, Body()] = None
) -> PlainTextResponse:
    """Return a token that fetches the endpoint's bundle once, within a day, without a login."""
    endpoint = caller.endpoint(uuid, Level.CONFIGURE)
    properties = {} if body is None else body.customProperties
    try:
        token = caller.city.provisioning.provision_token(endpoint, properties)
    except ProvisioningError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    return PlainTextResponse(token, HTTPStatus.CREATED, _UNKEPT)


@router.get("/provision/{token}")
def provision(
    token: str,
    city: CityPart,
    about: About,
    accept: Annotated[str, Header()] = "application/json",
    publicKey: str | None = None,
    propertiesFileName: str | None = None,
) -> Response:
    """Return the bundle of the token's endpoint; the token is used up."""
    try:
        bundle = city.provisioning.redeem(token, publicKey, propertiesFileName)
    except ProvisioningError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    if bundle is None:
        raise Problem(
            HTTPStatus.NOT_FOUND, "the token is unknown, used or expired; ask for another"
        )
    about |= {"endpoint": bundle.endpoint, "serial": bundle.serial}
    headers = {"Endpoint": str(bundle.endpoint), **_UNKEPT}
    if "application/zip" in accept:
        return Response(bundle.as_zip(), headers=headers, media_type="application/zip")
    return as_json(bundle.as_dict(), headers=headers)
