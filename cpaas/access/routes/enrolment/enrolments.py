"""Batches of devices: a sheet is looked at, enrolled in the background, its tokens handed out."""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import Annotated, Any, Literal

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from ciaas.management.enrolment import batches
from ciaas.management.enrolment.ports import Batch, Profile, Progress
from ciaas.management.enrolment.profile import EnrolmentError, read_template
from ciaas.management.enrolment.sheet import Sheet
from ciaas.management.provisioning import ProvisioningError
from ciaas.ports import Project
from cpaas.access.answers.described import answers
from cpaas.access.answers.documents import as_json, rfc3339
from cpaas.access.caller import Caller, Configurer, Reader
from cpaas.access.problems import Problem, not_found
from cpaas.access.routes.enrolment.profiles import profile_named
from cpaas.limits import ENROLMENT_PREVIEW_ROWS
from security.aaa.levels import Level

router = APIRouter(prefix="/enrolments", tags=["enrolment"])

_UNKEPT = {"Cache-Control": "no-store"}


class FlawEntity(BaseModel):
    """What is wrong in one cell; the header is line 1, no column means the whole line."""

    line: int
    column: str
    message: str


class DeviceEntity(BaseModel):
    """A device as it would be enrolled."""

    line: int
    serial: str
    name: str
    class_: str | None = Field(alias="class")
    metadata: dict[str, Any]
    overlay: dict[str, Any]


class Preview(BaseModel):
    """What a sheet says; with no errors it can be enrolled."""

    devices: int
    first: list[DeviceEntity]
    errors: list[FlawEntity]
    errors_total: int


class BatchEntity(BaseModel):
    """A batch and how far it is."""

    id: str
    project: str
    profile: str
    revision: int
    devices: int
    done: int
    progress: Progress
    detail: str
    created_at: str
    ended_at: str | None
    handed_out: bool
    """True once its tokens were: they are nowhere any more."""


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    responses=answers(BatchEntity, HTTPStatus.ACCEPTED),
    openapi_extra={
        "requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}
    },
)
async def begin(
    request: Request,
    caller: Configurer,
    profile: str,
    project: str | None = None,
    dry_run: Annotated[bool, Query(alias="dryRun")] = False,
) -> Response:
    """Enrol the devices of a sheet, CSV in UTF-8, in the background.

    With ``dryRun`` nothing is enrolled and every error is told. Without it a sheet that has errors
    is refused whole, with the same answer under 422.
    """
    text = await request.body()
    sheets: CapacityLimiter = request.app.state.sheets
    return await to_thread.run_sync(_begin, caller, profile, project, text, dry_run, limiter=sheets)


@router.get("", responses=answers(list[BatchEntity]))
def listed(caller: Reader, project: str | None = None) -> Response:
    """List the batches of a project, newest first."""
    owner = caller.project(project, Level.CONFIGURE)
    return as_json([_entity(owner, one) for one in caller.city.enrolment.store.batches(owner.id)])


@router.get("/{id}", responses=answers(BatchEntity))
def one(id: str, caller: Reader) -> Response:
    """Return a batch and how far it is."""
    return as_json(_entity(*_batch(caller, id)))


@router.post("/{id}/resume", status_code=HTTPStatus.ACCEPTED, response_class=Response)
def resume(id: str, caller: Configurer) -> None:
    """Go on with a batch that halted, once what halted it is put right."""
    caller.city.enrolment.resume(_batch(caller, id)[1])


@router.post("/{id}/result")
def result(id: str, caller: Configurer, form: Literal["csv", "json"] = "csv") -> Response:
    """Return each device with its token: once, and only to who made the batch."""
    _, batch = _batch(caller, id)
    if batch.user != caller.user:
        raise Problem(HTTPStatus.FORBIDDEN, "the tokens are for who made the batch alone")
    handed = caller.city.enrolment.hand_out(batch)
    caller.tell(batch=batch.id, devices=len(handed))
    if form == "json":
        return Response(batches.as_json(handed), 200, _UNKEPT, "application/json")
    return Response(batches.as_csv(handed), 200, _UNKEPT, "text/csv")


def _begin(caller: Caller, name: str, project: str | None, text: bytes, dry_run: bool) -> Response:
    owner = caller.project(project, Level.CONFIGURE)
    profile: Profile = profile_named(caller, owner, name)
    enrolment = caller.city.enrolment
    try:
        caller.city.provisioning.check_reachable(read_template(profile.document).properties)
        sheet = enrolment.preview(profile, text)
    except (EnrolmentError, ProvisioningError) as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    if dry_run:
        return as_json(_preview(sheet))
    if sheet.flaws_total:
        return as_json(_preview(sheet), HTTPStatus.UNPROCESSABLE_ENTITY)
    batch = enrolment.begin(profile, caller.user, sheet.rows)
    caller.tell(batch=batch.id, devices=batch.rows, profile=profile.name)
    return as_json(_entity(owner, batch), HTTPStatus.ACCEPTED)


def _batch(caller: Caller, text: str) -> tuple[Project, Batch]:
    """Return a batch of a project that the caller may configure.

    Raises:
        Problem: 404.
    """
    try:
        batch = caller.city.enrolment.store.batch(str(uuid.UUID(text)))
    except ValueError:
        batch = None
    owners = {} if batch is None else {p.id: p for p in caller.projects(Level.CONFIGURE)}
    if batch is None or batch.project not in owners:
        raise not_found()
    caller.concerned.add(batch.project)
    return owners[batch.project], batch


def _preview(sheet: Sheet) -> dict[str, Any]:
    return {
        "devices": len(sheet.rows),
        "first": [
            {
                "line": row.line,
                "serial": row.serial,
                "name": row.friendly_name,
                "class": row.kind,
                "metadata": row.metadata,
                "overlay": row.overlay,
            }
            for row in sheet.rows[:ENROLMENT_PREVIEW_ROWS]
        ],
        "errors": [flaw._asdict() for flaw in sheet.flaws],
        "errors_total": sheet.flaws_total,
    }


def _entity(owner: Project, batch: Batch) -> dict[str, Any]:
    return {
        "id": batch.id,
        "project": owner.name,
        "profile": batch.profile,
        "revision": batch.revision,
        "devices": batch.rows,
        "done": batch.done,
        "progress": batch.progress,
        "detail": batch.detail,
        "created_at": rfc3339(batch.created_at),
        "ended_at": None if batch.ended_at is None else rfc3339(batch.ended_at),
        "handed_out": batch.sealed is None,
    }
