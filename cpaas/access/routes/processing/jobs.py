"""Scheduled query jobs of projects, and their runs."""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel

from ciaas.computing.jobs import Cause, Job, JobRun, Outcome
from cpaas.access.answers.documents import as_json, rfc3339
from cpaas.access.caller import Caller, Configurer, Reader
from cpaas.access.problems import Problem, not_found
from cpaas.limits import LIST_DEFAULT, LIST_MAX
from cpaas.processing.jobs.document import JobDocument
from security.aaa.levels import Level
from security.aaa.tokens import Scope

router = APIRouter(tags=["jobs"])


class JobEntity(BaseModel):
    """A job: its document, who it runs as, and when it runs next."""

    id: str
    project: str
    owner: str | None
    due_at: str | None
    created_at: str
    document: JobDocument


class RunEntity(BaseModel):
    """One run of a job."""

    number: int
    cause: Cause
    started_at: str
    ended_at: str | None
    outcome: Outcome
    detail: str
    key: str | None
    bytes: int


@router.get("/jobs", response_model=list[JobEntity])
def listed(caller: Reader, project: str | None = None) -> Response:
    """List the jobs of the projects in which the caller may write."""
    names = {p.id: p.name for p in caller.projects(Level.WRITE)}
    if project is not None:
        names = {caller.project(project, Level.WRITE).id: project}
    jobs = [job for job in caller.city.processing.jobs.jobs() if job.project in names]
    return as_json(_entities(caller, jobs, names))


@router.post("/jobs", response_model=JobEntity, status_code=HTTPStatus.CREATED)
def add(document: JobDocument, caller: Configurer, project: str | None = None) -> Response:
    """Create a job that runs as the caller."""
    owner = caller.project(project, Level.WRITE)
    _check_scopes(caller)
    job = caller.city.processing.jobs.add(owner.id, caller.user, document)
    caller.tell(job=job.id)
    return as_json(_entities(caller, [job], {owner.id: owner.name})[0], HTTPStatus.CREATED)


@router.get("/jobs/{id}", response_model=JobEntity)
def one(id: str, caller: Reader) -> Response:
    """Return a job."""
    return as_json(_entity(caller, _job(caller, id)))


@router.put("/jobs/{id}", response_model=JobEntity)
def change(id: str, document: JobDocument, caller: Configurer) -> Response:
    """Replace a job; from now on it runs as the caller."""
    job = _job(caller, id)
    _check_scopes(caller)
    return as_json(
        _entity(caller, caller.city.processing.jobs.change(job.id, caller.user, document))
    )


@router.delete("/jobs/{id}", status_code=HTTPStatus.NO_CONTENT)
def remove(id: str, caller: Configurer) -> Response:
    """Remove a job with its runs; the objects that it stored stay."""
    caller.city.processing.jobs.remove(_job(caller, id).id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.post("/jobs/{id}/runs", status_code=HTTPStatus.ACCEPTED)
def run(id: str, caller: Configurer) -> Response:
    """Have a job run as soon as there is a turn, under its owner's identity."""
    caller.city.processing.jobs.request(_job(caller, id).id)
    return Response(status_code=HTTPStatus.ACCEPTED)


@router.get("/jobs/{id}/runs", response_model=list[RunEntity])
def runs(
    id: str, caller: Reader, limit: Annotated[int, Query(ge=1, le=LIST_MAX)] = LIST_DEFAULT
) -> Response:
    """List a job's runs, newest first."""
    found = caller.city.processing.jobs.runs(_job(caller, id).id, limit)
    return as_json([_run(one) for one in found])


def _job(caller: Caller, text: str) -> Job:
    """Return a job of a project in which the caller may write.

    Raises:
        Problem: 404 when it does not exist or is not the caller's to know, 403 below WRITE.
    """
    try:
        id_ = str(uuid.UUID(text))
    except ValueError:
        raise not_found() from None
    job = caller.city.processing.jobs.job(id_)
    held = caller.level(job.project)
    if held < Level.ACCESS:
        raise not_found()
    if held < Level.WRITE:
        raise Problem(HTTPStatus.FORBIDDEN, f"this needs the level WRITE; you hold {held.name}")
    return job


def _check_scopes(caller: Caller) -> None:
    """Make sure that a token gets nothing through a job that it could not get itself."""
    lacking = {Scope.READ, Scope.WRITE} - caller.principal.scopes
    if lacking:
        raise Problem(
            HTTPStatus.FORBIDDEN,
            f"a job reads and writes as you: the token needs {' and '.join(sorted(lacking))} too",
        )


def _entity(caller: Caller, job: Job) -> dict[str, Any]:
    return _entities(caller, [job], {p.id: p.name for p in caller.projects(Level.WRITE)})[0]


def _entities(caller: Caller, jobs: list[Job], projects: dict[int, str]) -> list[dict[str, Any]]:
    users = {user.id: user.name for user in caller.city.accounts.users()}
    return [
        {
            "id": job.id,
            "project": projects[job.project],
            "owner": users.get(job.user),
            "due_at": None if job.due_at is None else rfc3339(job.due_at),
            "created_at": rfc3339(job.created_at),
            "document": job.document,
        }
        for job in jobs
    ]


def _run(run: JobRun) -> dict[str, Any]:
    return {
        "number": run.number,
        "cause": run.cause,
        "started_at": rfc3339(run.started_at),
        "ended_at": None if run.ended_at is None else rfc3339(run.ended_at),
        "outcome": run.outcome,
        "detail": run.detail,
        "key": run.key,
        "bytes": run.bytes,
    }
