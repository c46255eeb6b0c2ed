"""What applications ask the provider themselves: tokens, and about tokens."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cpaas.access.answers.documents import as_json
from cpaas.access.caller import About, CityPart
from cpaas.access.problems import Problem, unauthenticated
from cpaas.access.routes.oidc.browser import Form
from cpaas.access.routes.people.session import Doorway
from cpaas.limits import TOKEN_REQUESTS_AT_ONCE, TOKEN_REQUESTS_WAITING_MAX
from security.aaa.errors import NotAuthenticated
from security.aaa.oidc.messages import Asked, Reply
from security.aaa.oidc.metadata import metadata

router = APIRouter(include_in_schema=False)

_KEPT = {"Cache-Control": "public, max-age=600"}
_FRESH = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def doorway() -> Doorway:
    """Return where requests for tokens wait: checking one may take a disk and a signature."""
    return Doorway(TOKEN_REQUESTS_AT_ONCE, TOKEN_REQUESTS_WAITING_MAX)


@router.get("/.well-known/openid-configuration")
def describe(city: CityPart) -> Response:
    """Return where everything is and what is supported."""
    return as_json(metadata(city.oidc.provider.issuer), HTTPStatus.OK, _KEPT)


@router.get("/oauth2/jwks")
async def keys(city: CityPart, request: Request) -> Response:
    """Return the public keys that tokens are signed with."""
    waiting: Doorway = request.app.state.token_doorway
    return as_json(await waiting.work(city.oidc.provider.keys.published), HTTPStatus.OK, _KEPT)


@router.post("/oauth2/token")
async def token(city: CityPart, request: Request, about: About, form: Form) -> Response:
    """Issue a token."""
    about["grant"] = dict(form).get("grant_type", "")
    return await _answered(request, about, form, city.oidc.provider.token)


@router.post("/oauth2/introspect")
async def introspect(city: CityPart, request: Request, about: About, form: Form) -> Response:
    """Tell an application about a token."""
    return await _answered(request, about, form, city.oidc.provider.introspection)


@router.post("/oauth2/revoke")
async def revoke(city: CityPart, request: Request, about: About, form: Form) -> Response:
    """End a token, with all that rests on the same authorisation."""
    return await _answered(request, about, form, city.oidc.provider.revocation)


@router.post("/oauth2/device_authorization")
async def begin_device(city: CityPart, request: Request, about: About, form: Form) -> Response:
    """Begin a request of a device."""
    return await _answered(request, about, form, city.oidc.provider.device_authorization)


@router.get("/oauth2/userinfo")
async def userinfo(city: CityPart, request: Request) -> Response:
    """Tell the bearer of an access token about its person."""
    return await _about_person(city, request)


@router.post("/oauth2/userinfo")
async def userinfo_by_post(city: CityPart, request: Request) -> Response:
    """Tell the same, as the standard wants it; the token comes in the header all the same."""
    return await _about_person(city, request)


async def _about_person(city: CityPart, request: Request) -> Response:
    waiting: Doorway = request.app.state.token_doorway
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    try:
        if scheme.lower() != "bearer":
            raise NotAuthenticated("send an access token: Authorization: Bearer …")
        told = await waiting.work(lambda: city.oidc.provider.about(text.strip()))
    except NotAuthenticated as error:
        return unauthenticated(str(error))
    return as_json(told, HTTPStatus.OK, _FRESH)


async def _answered(
    request: Request, about: About, form: Form, work: Callable[[Asked], Reply]
) -> Response:
    waiting: Doorway = request.app.state.token_doorway
    try:
        given = Asked.of(form, authorization=request.headers.get("authorization", ""))
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
    reply = await waiting.work(lambda: work(given))
    if reply.application:
        about["application"] = reply.application
    return as_json(dict(reply.body or {}), HTTPStatus(reply.status), {**reply.headers, **_FRESH})
