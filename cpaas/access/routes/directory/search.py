"""Search: points, endpoints and candidates by one filter, as much as the caller may know."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from operator import itemgetter
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from ciaas.kernel.address import AddressError, check_endpoint
from ciaas.management.directory.filter import Filter, FilterError, FilterParameters
from ciaas.management.directory.index.coding import fold
from ciaas.management.directory.listing import page_of_endpoints, page_of_points
from ciaas.management.directory.paging import ORDERS
from ciaas.ports import Project
from cpaas.access.answers.described import (
    FoundCandidates,
    FoundEndpoints,
    FoundPoints,
    answers,
)
from cpaas.access.answers.documents import as_json
from cpaas.access.answers.found import discovered_hit, endpoint_hits, point_hits, refused_hit
from cpaas.access.caller import Caller, Reader
from cpaas.access.problems import Problem
from cpaas.limits import LIST_DEFAULT, LIST_MAX
from security.aaa.levels import Level

router = APIRouter(prefix="/search", tags=["directory"])

What = Literal["points", "endpoints", "candidates"]
Order = Literal[
    "name", "-name", "observed", "-observed", "value", "-value", "distance", "-distance"
]
assert get_args(Order) == ORDERS
Limit = Annotated[int, Field(ge=1, le=LIST_MAX)]
After = Annotated[str | None, Field(max_length=1_024, description="`next` of the page before")]


class SearchParameters(FilterParameters):
    """The filter, what is listed, and which page of it."""

    what: What = "points"
    sort: Order = "name"
    limit: Limit = LIST_DEFAULT
    after: After = None


class Search(BaseModel):
    """The same as a document; the filter may hold inner ones by `all`, `any` and `not`."""

    model_config = ConfigDict(extra="forbid")

    filter: Filter = Filter()
    what: What = "points"
    sort: Order = "name"
    limit: Limit = LIST_DEFAULT
    after: After = None


@router.get("", responses=answers(FoundPoints | FoundEndpoints | FoundCandidates))
def by_parameters(caller: Reader, asked: Annotated[SearchParameters, Query()]) -> Response:
    """Find points, endpoints or candidates; repeated keys are alternatives."""
    return _answer(caller, asked.filter, asked)


@router.post("", responses=answers(FoundPoints | FoundEndpoints | FoundCandidates))
def by_document(caller: Reader, asked: Search) -> Response:
    """Find the same with a filter as a JSON document."""
    select = asked.filter.model_dump_json(exclude_defaults=True)
    caller.tell(what=asked.what, select=select, reads=True)
    return _answer(caller, asked.filter, asked)


def _answer(caller: Caller, wanted: Filter, asked: SearchParameters | Search) -> Response:
    listed = {"points": _points, "endpoints": _endpoints, "candidates": _candidates}[asked.what]
    try:
        return as_json(listed(caller, wanted, asked))
    except FilterError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error


def _points(caller: Caller, wanted: Filter, asked: SearchParameters | Search) -> dict[str, Any]:
    find = caller.city.directory.find
    page = page_of_points(find, wanted, caller.party, asked.sort, asked.after, asked.limit)
    caller.tell_points(page.points[page.read])
    hits = point_hits(caller, page.points, page.read, page.distances_m)
    return {"count": page.count, "hits": hits, "next": page.after}


def _endpoints(caller: Caller, wanted: Filter, asked: SearchParameters | Search) -> dict[str, Any]:
    find = caller.city.directory.find
    page = page_of_endpoints(find, wanted, caller.party, asked.sort, asked.after, asked.limit)
    hits = endpoint_hits(caller, page.endpoints, page.distances_m)
    return {"count": page.count, "hits": hits, "next": page.after}


def _candidates(caller: Caller, wanted: Filter, asked: SearchParameters | Search) -> dict[str, Any]:
    """List what was noticed and is no endpoint yet, for those who may enrol it."""
    if wanted.model_copy(update={"text": (), "project": ()}) != Filter():
        raise FilterError("what=candidates: they are told apart by text and project alone")
    if asked.sort != "name" or asked.after is not None:
        raise FilterError("what=candidates: all are on one page, by name: leave sort and after out")
    projects = [
        project
        for project in caller.projects(Level.CONFIGURE)
        if not wanted.project or project.name in wanted.project
    ]
    desk = caller.city.directory
    hits = [discovered_hit(one) for one in desk.discovered.candidates([p.id for p in projects])]
    present = caller.city.directory.find.attendance.present()
    hits += [
        refused_hit(one)
        for one in desk.doorstep.outside()
        if one.client not in present and _may_enrol(caller, one.client, projects, wanted)
    ]
    hits = sorted((hit for hit in hits if _told(hit, wanted.text)), key=itemgetter("name"))
    return {"count": len(hits), "hits": hits[: asked.limit], "next": None}


def _may_enrol(caller: Caller, client: str, projects: Sequence[Project], wanted: Filter) -> bool:
    """Tell whether a refused device is the caller's to know: one of nobody is administrators'."""
    try:
        endpoint = caller.city.catalogue.endpoint(check_endpoint(client))
    except AddressError:
        endpoint = None
    if endpoint is None:
        return caller.admin and not wanted.project
    return any(project.id == endpoint.project for project in projects)


def _told(hit: dict[str, Any], entries: Sequence[str]) -> bool:
    """Tell whether all words of one entry occur in a candidate; no entry means all."""
    text = fold(" ".join(value for value in hit.values() if isinstance(value, str)))
    return not entries or any(
        all(word in text for word in fold(entry).split()) for entry in entries
    )
