"""Enrolment over Secure Transport: devices fetch and renew certificates by a standard's own means.

Source: RFC 7030. A device enrols with its provision token, or with a token of somebody who may
configure its endpoint, by HTTP Basic; it renews with the certificate that it has, by mutual TLS.
"""

from __future__ import annotations

import base64
import binascii
from http import HTTPStatus
from typing import Annotated

from cryptography import x509
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from ciaas.kernel.address import EndpointId
from ciaas.management.provisioning import ProvisioningError
from cpaas.access.caller import About, Caller, CityPart, Concerned
from cpaas.access.city import City
from cpaas.access.entrance.authentication import EST
from cpaas.access.problems import Problem
from security.aaa.errors import NotAuthenticated
from security.aaa.levels import Level
from security.aaa.tokens import Scope
from security.encryption.certificates import IssuedCertificate, read_presented

router = APIRouter(prefix=EST.rstrip("/"), tags=["provisioning"])

_ASK = {"WWW-Authenticate": 'Basic realm="borough est", charset="UTF-8"'}
_UNKEPT = {"Cache-Control": "no-store"}


async def by_tls(request: Request) -> None:
    """Make sure that nobody listens.

    Raises:
        Problem: the request came in clear.
    """
    if request.url.scheme != "https":
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "EST is offered over TLS alone: set BOROUGH_EST to a host and port for it",
        )


async def body_of(request: Request) -> bytes:
    """Return the body, which `BodyLimit` bounds."""
    return await request.body()


Secure = Depends(by_tls)
Body = Annotated[bytes, Depends(body_of)]


@router.get("/cacerts", dependencies=[Secure])
def authorities(city: CityPart) -> Response:
    """Return the roots to trust and the authority that issues now."""
    # The forms of EST are imported where they are used: no start of core waits for them.
    from ciaas.management import est

    authority = city.provisioning.authority
    body = est.certs_only(authority.anchors_pem + authority.issuing_pem)
    return Response(body, media_type=est.CERTIFICATES_TYPE)


@router.get("/csrattrs", dependencies=[Secure])
def attributes() -> Response:
    """Return what a signing request had best be like."""
    from ciaas.management import est

    return Response(est.attributes(), media_type=est.ATTRIBUTES_TYPE)


@router.post("/simpleenroll", dependencies=[Secure])
def enrol(
    request: Request, body: Body, city: CityPart, about: About, concerned: Concerned
) -> Response:
    """Issue a certificate against a provision token, or a token with CONFIGURE on the endpoint.

    The user name is the endpoint's UUID, the password the token.
    """
    from ciaas.management import est

    endpoint, secret = _credentials(request)
    try:
        csr = est.as_pem(est.request_in(body))
        issued = (
            _by_configurer(city, about, concerned, endpoint, secret, csr)
            if secret.startswith("bor_")
            else city.provisioning.enrol(secret, endpoint, csr)
        )
    except ProvisioningError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
    if issued is None:
        raise Problem(
            HTTPStatus.UNAUTHORIZED,
            "the token is unknown, used, expired or of another endpoint; ask for another",
            _ASK,
        )
    _tell_whose(city, about, concerned, read_presented(issued.certificate_pem).common_name)
    return _answered(issued, about)


@router.post("/simplereenroll", dependencies=[Secure])
def renew(
    request: Request, body: Body, city: CityPart, about: About, concerned: Concerned
) -> Response:
    """Issue the successor of the certificate that the device shows in the handshake."""
    from ciaas.management import est

    shown = _shown(request)
    presented = read_presented(shown)
    _tell_whose(city, about, concerned, presented.common_name)
    try:
        asked = est.request_in(body)
        est.check_same(asked, x509.load_pem_x509_certificate(shown))
        issued = city.provisioning.renew(presented, est.as_pem(asked))
    except ProvisioningError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
    if issued is None:
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "this certificate renews nothing: it is revoked, expired or of a banned endpoint; "
            "enrol the device again",
        )
    return _answered(issued, about)


def _answered(issued: IssuedCertificate, about: About) -> Response:
    from ciaas.management import est

    about["serial"] = issued.serial
    body = est.certs_only(issued.certificate_pem)
    return Response(body, media_type=est.CERTIFICATES_TYPE, headers=_UNKEPT)


def _tell_whose(city: City, about: About, concerned: Concerned, endpoint: str) -> None:
    """Have the record of the endpoint's project tell of this request, and name the endpoint."""
    about["endpoint"] = endpoint
    if (found := city.catalogue.endpoint(EndpointId(endpoint))) is not None:
        concerned.add(found.project)


def _credentials(request: Request) -> tuple[str, str]:
    """Return user name and password.

    Raises:
        Problem: 401, there are none.
    """
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError(scheme)
        name, colon, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        if not colon:
            raise ValueError(name)
    except (binascii.Error, ValueError):
        raise Problem(
            HTTPStatus.UNAUTHORIZED,
            "send HTTP Basic: the endpoint's UUID and its provision token",
            _ASK,
        ) from None
    return name.strip().lower(), secret.strip()


def _by_configurer(
    city: City, about: About, concerned: Concerned, endpoint: str, secret: str, csr: str
) -> IssuedCertificate:
    """Issue for somebody who may configure the endpoint.

    Raises:
        Problem: 401 for an unknown token, 403 and 404 as on every route.
        ProvisioningError: as `Provisioning.sign`.
    """
    try:
        principal = city.accounts.authenticate(secret)
    except NotAuthenticated as error:
        raise Problem(HTTPStatus.UNAUTHORIZED, str(error), _ASK) from error
    about["by"] = principal.user.name
    if not principal.may(Scope.CONFIGURE):
        raise Problem(HTTPStatus.FORBIDDEN, "the token lacks the scope 'configure'")
    found = Caller(city, principal, about, concerned=concerned).endpoint(endpoint, Level.CONFIGURE)
    return city.provisioning.issue(found.uuid, csr=csr)


def _shown(request: Request) -> bytes:
    """Return the certificate of the handshake, which the listener has verified, in PEM.

    Raises:
        Problem: 403, none was shown.
    """
    tls = request.scope.get("extensions", {}).get("tls", {})
    chain = tls.get("client_cert_chain", [])
    if not chain:
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "a renewal is asked for with the certificate it renews, on the port of the setting est",
        )
    pem: str = chain[0]
    return pem.encode()
