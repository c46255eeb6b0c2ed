"""Last values: one point, or all below a prefix."""

from __future__ import annotations

from http import HTTPStatus

import numpy as np
from fastapi import APIRouter
from fastapi.responses import Response

from ciaas.kernel.address import parse_prefix
from cpaas.access.answers.described import LastValue, answers
from cpaas.access.answers.documents import as_json
from cpaas.access.answers.latest import last_values
from cpaas.access.caller import Reader
from cpaas.access.problems import Problem, not_found
from cpaas.limits import SUBTREE_POINTS_MAX
from security.aaa.levels import Level

router = APIRouter(tags=["data"])


@router.get("/data/{address:path}", responses=answers(LastValue | dict[str, LastValue]))
def last(address: str, caller: Reader) -> Response:
    """Return the newest observed value of a point, or of every readable point of a subtree."""
    levels = parse_prefix(address)
    endpoint = caller.owner_of(levels[0])
    readable = caller.readable(endpoint.project, caller.city.catalogue.under(levels))
    if not readable:
        caller.need(endpoint, levels, Level.READ)
        if len(levels) > 1:
            raise not_found()
    if len(readable) > SUBTREE_POINTS_MAX:
        raise Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"{len(readable)} points lie below; ask for a deeper prefix",
        )
    caller.tell_points([point.id for point in readable])
    latest = caller.city.history.latest(np.array([p.id for p in readable], np.uint32))
    entities = dict(last_values(readable, latest))
    single = "/".join(levels)
    if len(entities) == 1 and single in entities:
        return as_json({"address": single} | entities[single])
    return as_json(entities)
