"""Enrolment profiles: what devices of one kind have in common."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from ciaas.limits import ENROLMENT_TOKEN_DAYS_MAX, SET_NAME_CHARS_MAX
from ciaas.management.enrolment.ports import Profile
from ciaas.management.enrolment.profile import EnrolmentError, read_template
from ciaas.ports import Missing, Project
from cpaas.access.answers.described import answers
from cpaas.access.answers.documents import as_json
from cpaas.access.caller import Caller, Configurer, Reader
from cpaas.access.problems import Problem, not_found
from cpaas.access.routes.sets.governing import SetName, governed
from security.aaa.extents import SetExtent, SetKind
from security.aaa.levels import Level
from security.aaa.tokens import Scope

router = APIRouter(prefix="/enrolment-profiles", tags=["enrolment"])


class ProfileDocument(BaseModel):
    """What each device gets that is enrolled by the profile."""

    model_config = {"extra": "forbid"}

    friendly_name: str = Field(description="with columns in braces, such as 'Lamp {serial}'")
    classes: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="by name, a data model as a cloud.iO device declares it: {nodes: …}",
    )
    default_class: str | None = None
    place: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    overlay: dict[str, Any] = Field(default_factory=dict)
    endpoint_group: str | None = Field(
        None, description="which each endpoint joins: rights on the group are rights on each"
    )
    properties: dict[str, str] = Field(
        default_factory=dict, description="written into each device's bundle, such as hostUri"
    )
    token_days: float = Field(30.0, gt=0, le=ENROLMENT_TOKEN_DAYS_MAX)


class ProfileEntity(BaseModel):
    """A profile and its revision, from 1."""

    project: str
    name: str
    revision: int
    document: ProfileDocument


@router.get("", responses=answers(list[ProfileEntity]))
def listed(caller: Reader, project: str | None = None) -> Response:
    """List the profiles of a project, or of all in which the caller holds CONFIGURE."""
    owners = (
        caller.projects(Level.CONFIGURE)
        if project is None
        else [caller.project(project, Level.CONFIGURE)]
    )
    return as_json(
        [
            _entity(owner, profile)
            for owner in owners
            for profile in caller.city.enrolment.store.profiles(owner.id)
        ]
    )


@router.get("/{project}/{name}", responses=answers(ProfileEntity))
def one(project: str, name: str, caller: Reader) -> Response:
    """Return a profile."""
    owner = caller.project(project, Level.CONFIGURE)
    return as_json(_entity(owner, profile_named(caller, owner, name)))


@router.put("/{project}/{name}", responses=answers(ProfileEntity))
def put(
    project: str,
    name: SetName,
    document: ProfileDocument,
    caller: Configurer,
    revision: Annotated[int | None, Query(ge=0)] = None,
) -> Response:
    """Create or change a profile; with ``revision`` only when that is the one it has (0: none).

    A batch under way keeps the profile as it was when it began.
    """
    owner = caller.project(project, Level.CONFIGURE)
    told = document.model_dump(exclude_none=True)
    try:
        read_template(told)
    except EnrolmentError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    if document.endpoint_group is not None:
        _check_group(caller, owner, document.endpoint_group)
    profile = caller.city.enrolment.store.put_profile(owner.id, name, told, revision)
    caller.tell(profile=name, revision=profile.revision)
    return as_json(_entity(owner, profile))


@router.delete("/{project}/{name}", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def remove(project: str, name: str, caller: Configurer) -> None:
    """Remove a profile; what was enrolled by it stays."""
    owner = caller.project(project, Level.CONFIGURE)
    caller.city.enrolment.store.remove_profile(profile_named(caller, owner, name).id)


def profile_named(caller: Caller, owner: Project, name: str) -> Profile:
    """Return a profile of a project.

    Raises:
        Problem: 404.
    """
    try:
        return caller.city.enrolment.store.profile(owner.id, name[:SET_NAME_CHARS_MAX])
    except Missing:
        raise not_found() from None


def _check_group(caller: Caller, owner: Project, name: str) -> None:
    """Make sure that the caller could put an endpoint into the group: it hands on rights."""
    if Scope.GRANT not in caller.principal.scopes:
        raise Problem(
            HTTPStatus.FORBIDDEN, "endpoint_group hands on rights: the token needs the scope grant"
        )
    caller.project(owner.name, Level.GRANT)
    try:
        group = caller.city.entitlements.sets.endpoint_group(owner.id, name)
    except Missing:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"the project has no endpoint group {name[:SET_NAME_CHARS_MAX]!r}: make it first",
        ) from None
    governed(caller, SetExtent(SetKind.ENDPOINTS, str(owner.id), str(group.id)))


def _entity(owner: Project, profile: Profile) -> dict[str, Any]:
    return {
        "project": owner.name,
        "name": profile.name,
        "revision": profile.revision,
        "document": profile.document,
    }
