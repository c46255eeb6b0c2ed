"""Projects: the tenants that own endpoints."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field

from ciaas.limits import PROJECT_NAME_CHARS_MAX
from cpaas.access.answers.described import ProjectEntry, answers
from cpaas.access.answers.documents import as_json
from cpaas.access.caller import Admin, Reader
from security.aaa.levels import Level

router = APIRouter(prefix="/projects", tags=["people"])


class NewProject(BaseModel):
    """A project."""

    model_config = {"extra": "forbid"}

    name: str = Field(min_length=1, max_length=PROJECT_NAME_CHARS_MAX)


@router.get("", responses=answers(list[ProjectEntry]))
def listed(caller: Reader) -> Response:
    """List the projects in which the caller may know something."""
    return as_json([{"name": project.name} for project in caller.projects(Level.ACCESS)])


@router.post("", status_code=HTTPStatus.CREATED)
def add(body: NewProject, caller: Admin) -> Response:
    """Create a project: a tenant that owns endpoints."""
    caller.tell(name=body.name)
    project = caller.city.registry.create_project(body.name)
    return as_json({"name": project.name}, HTTPStatus.CREATED)
