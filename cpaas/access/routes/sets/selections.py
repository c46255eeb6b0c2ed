"""Selections: saved filters of a project, which grants may name."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import numpy as np
from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field

from ciaas.limits import SET_NAME_CHARS_MAX
from ciaas.management.directory.filter import Filter
from ciaas.management.sets.membership import check_selectable
from ciaas.management.sets.ports import SavedSelection
from ciaas.ports import Conflict, Missing, Project
from cpaas.access.answers.documents import as_json, rfc3339
from cpaas.access.caller import Caller, Granter, Reader
from cpaas.access.problems import Problem, not_found
from cpaas.access.routes.sets.governing import SetName, governed
from security.aaa.extents import SetExtent, SetKind
from security.aaa.levels import Level

router = APIRouter(prefix="/selections", tags=["rights"])


class Wish(BaseModel):
    """What a selection is to hold for."""

    model_config = {"extra": "forbid"}

    filter: Filter
    revision: int | None = Field(
        default=None, ge=0, description="the revision that this replaces, 0 for a new selection"
    )


@router.get("")
def listed(caller: Reader, project: str | None = None) -> Response:
    """List the selections of a project, or of all in which the caller holds DESCRIBE."""
    owners = (
        caller.projects(Level.DESCRIBE)
        if project is None
        else [caller.project(project, Level.DESCRIBE)]
    )
    return as_json(
        [
            _entity(caller, owner, selection)
            for owner in owners
            for selection in caller.city.entitlements.sets.selections(owner.id)
        ]
    )


@router.get("/{project}/{name}")
def one(project: str, name: str, caller: Reader) -> Response:
    """Return a selection, the number of its points now, and what it was before."""
    owner = caller.project(project, Level.DESCRIBE)
    selection = _named(caller, owner, name)
    authors = {user.id: user.name for user in caller.city.accounts.users()}
    before = [
        {
            "revision": revision.number,
            "filter": revision.filter,
            "author": authors.get(revision.author),
            "at": rfc3339(revision.at),
        }
        for revision in caller.city.entitlements.sets.revisions(selection.id)
    ]
    return as_json(
        {
            **_entity(caller, owner, selection),
            "points": _size(caller, owner, selection),
            "revisions": before,
        }
    )


@router.put("/{project}/{name}")
def put(project: str, name: SetName, body: Wish, caller: Granter) -> Response:
    """Save a filter under a name; grants on it follow at once.

    For who holds GRANT on the project, and all that is granted on the selection.
    """
    owner = caller.project(project, Level.GRANT)
    caller.tell(filter=body.filter.model_dump_json(exclude_defaults=True))
    try:
        check_selectable(body.filter)
    except ValueError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    sets = caller.city.entitlements.sets
    try:
        known: SavedSelection | None = sets.selection(owner.id, name)
    except Missing:
        known = None
    if known is not None:
        governed(caller, SetExtent(SetKind.SELECTION, str(owner.id), str(known.id)))
    try:
        made = sets.put_selection(
            owner.id, name, body.filter.document(), caller.user, body.revision
        )
    except Conflict as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    caller.city.refresh_rights()
    status = HTTPStatus.CREATED if known is None else HTTPStatus.OK
    entity = _entity(caller, owner, made) | {"points": _size(caller, owner, made)}
    return as_json(entity, status)


@router.delete("/{project}/{name}", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def remove(project: str, name: str, caller: Granter) -> None:
    """Remove a selection, and with it every grant on it."""
    owner = caller.project(project, Level.GRANT)
    selection = _named(caller, owner, name)
    governed(caller, SetExtent(SetKind.SELECTION, str(owner.id), str(selection.id)))
    caller.city.entitlements.sets.remove_selection(selection.id)
    caller.city.refresh_rights()


def _named(caller: Caller, owner: Project, name: str) -> SavedSelection:
    try:
        return caller.city.entitlements.sets.selection(owner.id, name[:SET_NAME_CHARS_MAX])
    except Missing:
        raise not_found() from None


def _entity(caller: Caller, owner: Project, selection: SavedSelection) -> dict[str, Any]:
    return {
        "project": owner.name,
        "name": selection.name,
        "revision": selection.revision,
        "filter": selection.filter,
    }


def _size(caller: Caller, owner: Project, selection: SavedSelection) -> int:
    """Return how many of its points the caller may know of."""
    extent = SetExtent(SetKind.SELECTION, str(owner.id), str(selection.id))
    members = list(caller.city.entitlements.membership.below(str(extent), ()))
    return int(np.count_nonzero(caller.city.rights.visible(caller.party, members, Level.DESCRIBE)))
