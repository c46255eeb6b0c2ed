"""Commands: one, or those that the caller may read about."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from ciaas.kernel.address import EndpointId, parse_prefix
from ciaas.kernel.downlink.command import Command
from cpaas.access.answers.commands import Asked, AskedPage, RungName, names, shown
from cpaas.access.answers.documents import as_json
from cpaas.access.caller import Caller, Reader
from cpaas.access.problems import not_found
from cpaas.limits import COMMAND_PAGES_READ_MAX, LIST_DEFAULT, LIST_MAX
from security.aaa.levels import Level

router = APIRouter(tags=["commands"])

_NUMBER_MAX = 2**53


@router.get("/commands", responses={HTTPStatus.OK: {"model": AskedPage}})
def listed(
    caller: Reader,
    address: str | None = None,
    state: Annotated[list[RungName] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=LIST_MAX)] = LIST_DEFAULT,
    before: Annotated[int | None, Query(ge=0, le=_NUMBER_MAX)] = None,
) -> Response:
    """List commands of points that the caller may read, newest first.

    ``address`` is a point or a prefix, ``state`` may be given several times. A page may be shorter
    than its limit and still have a next one.
    """
    prefix: tuple[str, ...] = ()
    project = None
    if address is not None:
        prefix = parse_prefix(address)
        endpoint = caller.owner_of(prefix[0])
        caller.need(endpoint, prefix, Level.ACCESS)
        project = endpoint.project
    store = caller.city.commands
    found: list[Command] = []
    following = before
    for _ in range(COMMAND_PAGES_READ_MAX):
        page = store.listed(
            project=project, prefix=prefix, states=names(state or []), before=following, limit=limit
        )
        for command in page:
            following = command.number
            if _visible(caller, command):
                found.append(command)
                if len(found) == limit:
                    break
        if len(page) < limit:
            following = None if len(found) < limit else following
            break
        if len(found) == limit:
            break
    caller.tell_points([command.point for command in found])
    return as_json({"commands": [shown(command) for command in found], "next": following})


@router.get("/commands/{id}", responses={HTTPStatus.OK: {"model": Asked}})
def one(id: str, caller: Reader) -> Response:
    """Return a command with every rung that it reached."""
    command = caller.city.commands.command(id)
    if not _visible(caller, command):
        raise not_found()
    caller.tell_points([command.point])
    return as_json(shown(command))


def _visible(caller: Caller, command: Command) -> bool:
    levels = command.address.split("/")
    if caller.city.catalogue.endpoint(EndpointId(levels[0])) is None:
        return False
    return caller.level(command.project, levels) >= Level.READ
