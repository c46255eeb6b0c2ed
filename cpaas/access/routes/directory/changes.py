"""Changes of endpoints, points and metadata, for who keeps a picture of the city."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from ciaas.management.directory.filter import FilterError
from cpaas.access.answers.documents import as_json
from cpaas.access.caller import Reader
from cpaas.access.problems import Problem
from cpaas.limits import LIST_DEFAULT, LIST_MAX

router = APIRouter(tags=["directory"])


@router.get("/changes")
def changed(
    caller: Reader,
    after: Annotated[
        str, Query(max_length=64, description="0, a version, or `next` of the page before")
    ] = "0",
    limit: Annotated[int, Query(ge=1, le=LIST_MAX)] = LIST_DEFAULT,
) -> Response:
    """Return what was created, changed or deleted since, oldest first; each thing once."""
    try:
        page = caller.city.directory.changes.page(caller.party, after, limit)
    except FilterError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    return as_json({"changes": page.changes, "next": page.after, "more": page.more})
