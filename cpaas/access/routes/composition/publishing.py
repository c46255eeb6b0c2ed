"""Mashups: dry runs, publishing, versions."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import Response
from pydantic import BaseModel, Field

from ciaas.limits import MASHUP_NOTE_CHARS_MAX, MASHUP_VERSIONS_MAX
from ciaas.ports import Missing
from cpaas.access.answers import mashups as answered
from cpaas.access.answers.described import answers
from cpaas.access.answers.documents import as_json
from cpaas.access.caller import Configurer, Reader
from cpaas.access.moments import read_moment
from cpaas.access.problems import not_found
from cpaas.access.routes.composition.mashups import own

router = APIRouter(prefix="/mashups", tags=["mashups"])

Number = Annotated[int, Path(ge=1, le=MASHUP_VERSIONS_MAX)]


class Publication(BaseModel):
    """What is said of a version."""

    model_config = {"extra": "forbid"}

    note: str = Field("", max_length=MASHUP_NOTE_CHARS_MAX)


class Interval(BaseModel):
    """A past interval, both ends included; a time without an offset is UTC."""

    model_config = {"extra": "forbid"}

    from_: str = Field(alias="from", max_length=64)
    to: str = Field(max_length=64)
    document: dict[str, Any] | None = Field(
        None, description="tried in place of the draft; nothing is stored"
    )


@router.post(
    "/{uuid}/publish",
    status_code=HTTPStatus.CREATED,
    responses=answers(answered.Version, HTTPStatus.CREATED),
)
def publish(uuid: str, caller: Configurer, body: Publication | None = None) -> Response:
    """Make the draft the version that runs, under the mashup's own identity.

    The caller has to hold READ on every point that it reads, and WRITE on every point that it
    commands. Points that a filter finds are those of this moment.
    """
    mashup = own(caller, uuid)
    version = caller.city.mashups.publish(mashup, caller.user, (body or Publication(note="")).note)
    caller.city.refresh_rights()
    caller.tell(version=version.number)
    return as_json(answered.version(caller.city, version), HTTPStatus.CREATED)


@router.get("/{uuid}/versions", responses=answers(list[answered.Version]))
def versions(uuid: str, caller: Reader) -> Response:
    """List what was published, newest first. A version never changes."""
    found = caller.city.mashups.store.versions(own(caller, uuid).uuid)
    return as_json([answered.version(caller.city, version) for version in found])


@router.get("/{uuid}/versions/{number}", responses=answers(answered.Version))
def version(uuid: str, number: Number, caller: Reader) -> Response:
    """Return one published version; to go back to it, make it the draft and publish it."""
    mashup = own(caller, uuid)
    try:
        found = caller.city.mashups.store.version(mashup.uuid, number)
    except Missing:
        raise not_found() from None
    return as_json(answered.version(caller.city, found))


@router.post("/{uuid}/dry-run", responses=answers(answered.DryRun))
def dry_run(uuid: str, interval: Interval, caller: Reader) -> Response:
    """Run the draft over the past, and tell what it would have recorded, raised and commanded.

    Nothing is recorded, raised, sent or told. Everything is taken as if it had come in time.
    """
    mashup = own(caller, uuid)
    start, end = read_moment(interval.from_, "from"), read_moment(interval.to, "to")
    assert start is not None and end is not None
    document = mashup.draft if interval.document is None else interval.document
    found = caller.city.mashups.rehearse(document, caller.user, start, end)
    caller.tell(reads=True, samples=found[2].read)
    caller.tell_points(sorted(found[1].read))
    return as_json(answered.dry_run(*found))
