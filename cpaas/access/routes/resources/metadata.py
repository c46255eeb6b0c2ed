"""Overlays: unit, range, place and whatever else a city wants to say of its points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from ciaas.interoperability.overlay import OverlayError, check_overlay, merge_overlays
from ciaas.kernel.address import check_name, parse_prefix
from cpaas.access.answers.described import Metadata, answers
from cpaas.access.answers.documents import as_json
from cpaas.access.caller import Caller, Configurer, Reader
from cpaas.access.problems import Problem, not_found
from cpaas.access.routes.security.confidential import prepare_confidential
from security.aaa.levels import Level

router = APIRouter(prefix="/metadata", tags=["metadata"])

_CLASS = "class:"


@router.get("/{address:path}", responses=answers(Metadata))
def read(address: str, caller: Reader) -> Response:
    """Return what is said of exactly this prefix, and what holds there in effect."""
    return as_json(_both(caller, _scope(caller, address, Level.DESCRIBE)))


@router.patch("/{address:path}", responses=answers(Metadata))
def change(address: str, merge: dict[str, Any], caller: Configurer) -> Response:
    """Merge keys into what is said of a prefix (RFC 7396: null removes a key)."""
    scope = _scope(caller, address, Level.CONFIGURE)
    caller.tell(keys=", ".join(merge))
    try:
        prepare_confidential(caller, scope, merge)
        caller.city.registry.change_overlay(scope, merge, check_overlay)
    except OverlayError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    return as_json(_both(caller, scope))


def _scope(caller: Caller, address: str, need: Level) -> str:
    """Return the scope of an address on which the caller holds the level.

    What holds for a whole class, in every project, is for administrators alone.
    """
    if address.startswith(_CLASS):
        if not caller.admin:
            raise not_found()
        check_name(address.removeprefix(_CLASS))
        return address
    levels = parse_prefix(address)
    caller.need(caller.owner_of(levels[0]), levels, need)
    return "/".join(levels)


def _both(caller: Caller, scope: str) -> Mapping[str, Any]:
    own = caller.city.registry.overlay(scope)
    if scope.startswith(_CLASS):
        return {"own": own, "effective": own}
    return {"own": own, "effective": _effective(caller, scope.split("/"))}


def _effective(caller: Caller, levels: Sequence[str]) -> Mapping[str, Any]:
    """Return what holds at a prefix: key by key, the more specific scope wins."""
    address = "/".join(levels)
    for point in caller.city.catalogue.under(levels)[:1]:
        if point.address == address:
            return caller.city.catalogue.overlay(point.id)
    prefixes = ("/".join(levels[: depth + 1]) for depth in range(len(levels)))
    return merge_overlays(map(caller.city.registry.overlay, prefixes))
