"""Data subjects: whose values lie encrypted, and their erasure."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel

from cpaas.access.answers.documents import as_json, rfc3339
from cpaas.access.caller import Configurer, Reader
from cpaas.access.problems import Problem, not_found
from security.aaa.levels import Level

router = APIRouter(prefix="/data-subjects", tags=["keys"])


class SubjectEntry(BaseModel):
    """A data subject."""

    id: str
    project: str
    created_at: str
    erased_at: str | None


@router.get("", response_model=list[SubjectEntry])
def listed(caller: Reader, project: str | None = None) -> Response:
    """List the data subjects of the projects that the caller owns."""
    names = {p.id: p.name for p in caller.projects(Level.OWN)}
    if project is not None:
        names = {caller.project(project, Level.OWN).id: project}
    return as_json(
        [
            {
                "id": subject.name,
                "project": names[subject.project],
                "created_at": rfc3339(subject.created_at),
                "erased_at": None if subject.erased_at is None else rfc3339(subject.erased_at),
            }
            for subject in caller.city.keys.subjects.listed(list(names))
        ]
    )


@router.delete("/{id}", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def erase(id: str, caller: Configurer, project: str | None = None) -> None:
    """Erase all values of a data subject, for ever: its key is destroyed."""
    subjects = caller.city.keys.subjects
    names = {p.id: p.name for p in caller.projects(Level.OWN)}
    found = [
        subject.project
        for subject in subjects.listed(list(names))
        if subject.name == id and project in (None, names[subject.project])
    ]
    if not found:
        raise not_found()
    if len(found) > 1:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "name the project with ?project=…")
    caller.tell(data_subject=id, project=names[found[0]])
    subjects.erase(found[0], id)
