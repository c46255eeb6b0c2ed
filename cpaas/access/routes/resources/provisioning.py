"""Certificates and bundles for devices."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Body, Header
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel, Field

from ciaas.management.bundle import KEY_STORES_NEED_A_KEY
from ciaas.management.provisioning import ProvisioningError
from ciaas.ports import Missing
from cpaas.access.answers.described import answers
from cpaas.access.answers.documents import as_json
from cpaas.access.caller import About, CityPart, Concerned, Configurer, Reader
from cpaas.access.problems import Problem, not_found
from security.aaa.levels import Level

router = APIRouter(tags=["provisioning"])

_JAR = "application/java-archive"
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
    days: float | None = Field(None, gt=0, description="None for as long as it may be")


class Signed(BaseModel):
    """A certificate that was just issued; texts are PEM."""

    certificate: str
    chain: str
    """Between it and the root; empty when there is nothing between."""
    caCertificate: str
    serial: str
    notAfter: int
    """Milliseconds since 1970 UTC."""


class CertificateSummary(BaseModel):
    """A certificate of an endpoint; times are milliseconds since 1970 UTC."""

    serial: str
    fingerprint: str
    """SHA-256 of the DER form, hexadecimal."""
    issuedAt: int | None
    notAfter: int
    revoked: bool
    revokedAt: int | None


class Denied(BaseModel):
    """How many certificates were in force until now."""

    certificatesRevoked: int


@router.get("/ca-certificate")
async def authority(caller: Reader) -> PlainTextResponse:
    """Return the certificate of our authority in PEM."""
    return PlainTextResponse(caller.city.provisioning.authority_pem)


@router.post(
    "/endpoints/{uuid}/certificate",
    status_code=HTTPStatus.CREATED,
    responses=answers(Signed, HTTPStatus.CREATED),
)
def sign(uuid: str, body: Signing, caller: Configurer) -> Response:
    """Issue a certificate for a key that never left the device."""
    endpoint = caller.endpoint(uuid, Level.CONFIGURE)
    try:
        issued = caller.city.provisioning.sign(endpoint, body.csr, body.days)
    except ProvisioningError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    caller.tell(serial=issued["serial"])
    return as_json(issued, HTTPStatus.CREATED)


@router.get("/endpoints/{uuid}/certificates", responses=answers(list[CertificateSummary]))
def certificates(uuid: str, caller: Configurer) -> Response:
    """List the endpoint's certificates, oldest first, denied and ended ones too."""
    endpoint = caller.endpoint(uuid, Level.CONFIGURE)
    found = caller.city.provisioning.certificates_of(endpoint)
    return as_json(
        [
            {
                "serial": one.serial,
                "fingerprint": one.fingerprint,
                "issuedAt": one.issued_at,
                "notAfter": one.not_after,
                "revoked": one.revoked,
                "revokedAt": one.revoked_at,
            }
            for one in found
        ]
    )


@router.delete("/endpoints/{uuid}/certificates", responses=answers(Denied))
def revoke_all(uuid: str, caller: Configurer) -> Response:
    """Deny every certificate of the endpoint; its device is disconnected and stays out."""
    endpoint = caller.endpoint(uuid, Level.CONFIGURE)
    revoked = caller.city.provisioning.revoke(endpoint, None)
    caller.city.presence.disconnect(endpoint.uuid)
    caller.tell(revoked=revoked)
    return as_json({"certificatesRevoked": revoked})


@router.delete("/endpoints/{uuid}/certificates/{serial}", status_code=HTTPStatus.NO_CONTENT)
def revoke(uuid: str, serial: str, caller: Configurer) -> Response:
    """Deny one certificate; a device that is connected has to come back with another."""
    endpoint = caller.endpoint(uuid, Level.CONFIGURE)
    try:
        caller.city.provisioning.revoke(endpoint, serial.lower())
    except Missing as error:
        raise not_found() from error
    caller.city.presence.disconnect(endpoint.uuid)
    caller.tell(serial=serial)
    return Response(status_code=HTTPStatus.NO_CONTENT)


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
    concerned: Concerned,
    accept: Annotated[str, Header()] = "application/json",
    publicKey: str | None = None,
    propertiesFileName: str | None = None,
) -> Response:
    """Return the bundle of the token's endpoint; the token is used up."""
    wants_jar = _JAR in accept
    if wants_jar and publicKey is not None:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, KEY_STORES_NEED_A_KEY)
    try:
        bundle = city.provisioning.redeem(token, publicKey, propertiesFileName)
    except ProvisioningError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    if bundle is None:
        raise Problem(
            HTTPStatus.NOT_FOUND, "the token is unknown, used or expired; ask for another"
        )
    about |= {"endpoint": bundle.endpoint, "serial": bundle.serial}
    if (endpoint := city.catalogue.endpoint(bundle.endpoint)) is not None:
        concerned.add(endpoint.project)
    headers = {"Endpoint": str(bundle.endpoint), **_UNKEPT}
    if wants_jar:
        return Response(bundle.as_jar(), headers=headers, media_type=_JAR)
    if "application/zip" in accept:
        return Response(bundle.as_zip(), headers=headers, media_type="application/zip")
    return as_json(bundle.as_dict(), headers=headers)
