"""Projects: the tenants that own endpoints."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field

from ciaas.limits import PROJECT_NAME_CHARS_MAX
from ciaas.management.monitoring.platform_points import PROJECT as PLATFORM_PROJECT
from cpaas.access.answers.described import ProjectEntry, answers
from cpaas.access.answers.documents import as_json
from cpaas.access.caller import Caller, Configurer, Granter, Person, Reader
from cpaas.access.problems import Problem, not_found
from security.aaa.levels import Level
from security.aaa.tokens import Scope
from security.ports import Grant

router = APIRouter(prefix="/projects", tags=["people"])


class NewProject(BaseModel):
    """A project."""

    model_config = {"extra": "forbid"}

    name: str = Field(min_length=1, max_length=PROJECT_NAME_CHARS_MAX)


class ProjectChange(BaseModel):
    """What to change of a project."""

    model_config = {"extra": "forbid"}

    second_factor: bool = Field(description="whether its people must have a second factor")


@router.get("", responses=answers(list[ProjectEntry]))
def listed(caller: Reader) -> Response:
    """List the projects in which the caller may know something."""
    return as_json([{"name": project.name} for project in caller.projects(Level.ACCESS)])


@router.post("", status_code=HTTPStatus.CREATED)
def add(body: NewProject, caller: Configurer, _person: Person) -> Response:
    """Create a project: a tenant that owns endpoints.

    Administrators do in public mode; users where the operator lets them, and own what they make.
    """
    tenancy = caller.city.people.tenancy
    by_operator = caller.principal.user.admin
    if not by_operator and (tenancy.mode, tenancy.creation) != ("public", "users"):
        raise not_found()
    if by_operator and Scope.ADMIN not in caller.principal.scopes:
        raise Problem(HTTPStatus.FORBIDDEN, "the token lacks the scope 'admin'; issue another")
    if tenancy.mode == "private":
        raise Problem(
            HTTPStatus.CONFLICT,
            "this platform is in private mode and has its one project; "
            'the operator can set mode = "public"',
        )
    caller.tell(name=body.name)
    with tenancy.creating:
        if not by_operator:
            _refuse_excess(caller, tenancy.per_user)
        project = caller.city.registry.create_project(body.name)
        if not by_operator:
            caller.city.grants.put_grant(Grant(caller.user, (str(project.id),), Level.OWN))
            caller.city.refresh_rights()
    return as_json({"name": project.name}, HTTPStatus.CREATED)


@router.patch("/{name}", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def change(name: str, body: ProjectChange, caller: Granter, _person: Person) -> None:
    """Ask a second factor of all who may know something of the project. Needs OWN."""
    project = caller.project(name, Level.OWN)
    caller.tell(second_factor=body.second_factor)
    caller.city.people.factor.demand(f"project:{project.id}", asked=body.second_factor)


def _refuse_excess(caller: Caller, bound: int) -> None:
    owned = [one for one in caller.projects(Level.OWN) if one.name != PLATFORM_PROJECT]
    if len(owned) >= bound:
        raise Problem(
            HTTPStatus.FORBIDDEN,
            f"you own {len(owned)} projects, and the operator's rule is {bound} "
            "(setting projects_per_user)",
            more={"quota": "projects", "bound": bound, "used": len(owned)},
        )
