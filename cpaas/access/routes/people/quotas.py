"""Quotas of a project: how much it may have, and how much it has."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Literal, TypeAlias

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field

from cpaas.access.answers.documents import as_json
from cpaas.access.caller import Admin, Person, Reader
from security.aaa.levels import Level
from security.aaa.quotas import Quota
from security.limits import QUOTA_MAX

router = APIRouter(prefix="/projects", tags=["people"])


Bound: TypeAlias = Annotated[int, Field(ge=0, le=QUOTA_MAX)] | Literal["unbounded"]


class Bounds(BaseModel):
    """Quotas to be set; null returns to the default."""

    model_config = {"extra": "forbid"}

    endpoints: Bound | None = None
    points: Bound | None = None
    messages_per_s: Bound | None = None
    storage_bytes: Bound | None = None
    query_s_per_hour: Bound | None = None


@router.get("/{name}/quotas")
def of_project(name: str, caller: Reader) -> Response:
    """Return each quota with what is used of it; ``bound`` null is none. Needs READ."""
    project = caller.project(name, Level.READ)
    allowance = caller.city.people.allowance
    used, own = allowance.used(project.id), allowance.quotas.own(project.id)
    return as_json(
        {
            quota.value: {
                "bound": allowance.quotas.bound(project.id, quota),
                "used": round(used[quota], 3),
                "own": quota.value in own,
            }
            for quota in Quota
        }
    )


@router.put("/{name}/quotas", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def put(name: str, body: Bounds, caller: Admin, _person: Person) -> None:
    """Set quotas of a project; those left out stay."""
    project = caller.project(name, Level.OWN)
    given = body.model_dump(exclude_unset=True)
    caller.tell(**given)
    allowance = caller.city.people.allowance
    for quota, bound in given.items():
        wanted = QUOTA_MAX if bound == "unbounded" else bound
        allowance.quotas.put(project.id, Quota(quota), wanted)
    allowance.changed()
