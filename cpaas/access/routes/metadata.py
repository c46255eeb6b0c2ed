"""Overlays: unit, range, place and whatever else a city wants to say of its points."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from ciaas.interoperability.overlay import OverlayError, check_overlay
from ciaas.kernel.address import EndpointId, check_name, parse_prefix
from cpaas.access.answers import as_json
from cpaas.access.caller import Caller, Configurer, Reader
from cpaas.access.problems import Problem
from security.aaa.levels import Level

router = APIRouter(tags=["metadata"])

_CLASS = "class:"


@router.get("/metadata/{address:path}")
def read(address: str, caller: Reader) -> Response:
    """Return what is said of exactly this prefix, and what holds there in effect."""
    scope = _scope(caller, address, Level.BROWSE)
    return as_json(_both(caller, scope))


@router.patch("/metadata/{address:path}")
def change(address: str, merge: dict[str, Any], caller: Configurer) -> Response:
    """Merge keys into what is said of a prefix (RFC 7396: null removes a key)."""
    scope = _scope(caller, address, Level.CONFIGURE)
    registry = caller.city.registry
    kept = {key: value for key, value in registry.overlay(scope).items() if key not in merge}
    added = {key: value for key, value in merge.items() if value is not None}
    try:
        check_overlay(kept | added)
    except OverlayError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    registry.change_overlay(scope, merge)
    caller.city.catalogue.refresh()
    return as_json(_both(caller, scope))


def _scope(caller: Caller, address: str, need: Level) -> str:
    if address.startswith(_CLASS):
        check_name(address.removeprefix(_CLASS))
        if not caller.admin:
            raise Problem(
                HTTPStatus.FORBIDDEN, "what holds for a whole class is for administrators"
            )
        return address
    levels = parse_prefix(address)
    caller.need(caller.owner_of(EndpointId(levels[0])), levels, need)
    return "/".join(levels)


def _both(caller: Caller, scope: str) -> Mapping[str, Any]:
    own = caller.city.registry.overlay(scope)
    points = [] if scope.startswith(_CLASS) else caller.city.catalogue.under(scope.split("/"))
    if len(points) == 1 and points[0].address == scope:
        return {"own": own, "effective": caller.city.catalogue.overlay(points[0].id)}
    return {"own": own}
