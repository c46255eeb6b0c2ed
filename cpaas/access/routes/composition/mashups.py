"""Mashups: drafts, what becomes of them, and how they are doing."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header
from fastapi.responses import Response

from ciaas.kernel.address import check_endpoint
from ciaas.management.mashup import Mashup, MashupState
from ciaas.ports import Missing
from cpaas.access.answers import mashups as answered
from cpaas.access.answers.described import answers
from cpaas.access.answers.documents import as_json
from cpaas.access.caller import Caller, Configurer, Reader
from cpaas.access.problems import Problem, not_found
from cpaas.composition.document import parse_document
from cpaas.composition.nodes.catalogue import NODE_TYPES, describe
from security.aaa.levels import Level

router = APIRouter(prefix="/mashups", tags=["mashups"])

IfMatch = Annotated[
    str | None, Header(alias="If-Match", max_length=32, description="revision that was read")
]


@router.get("", responses=answers(list[answered.MashupSummary]))
def listed(caller: Reader, project: str | None = None) -> Response:
    """List the mashups of projects that the caller may configure, oldest first."""
    owner = None if project is None else caller.project(project, Level.CONFIGURE).id
    found = [
        answered.summary(mashup)
        for mashup in caller.city.mashups.store.mashups()
        if owner in (None, mashup.project) and caller.level(mashup.project) >= Level.CONFIGURE
    ]
    return as_json(found)


@router.get("/node-types", responses=answers(list[answered.NodeTypeEntry]))
def node_types(caller: Reader) -> Response:
    """List the types of nodes, with the schemas of their parameters."""
    return as_json([describe(node) for node in NODE_TYPES.values()])


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    responses=answers(answered.MashupEntity, HTTPStatus.CREATED),
)
def create(caller: Configurer, document: dict[str, Any], project: str | None = None) -> Response:
    """Create a mashup as a draft; the body is its document, which may be unfinished."""
    owner = caller.project(project, Level.CONFIGURE)
    draft = parse_document(document).document()
    mashup = caller.city.mashups.store.create(owner.id, draft)
    caller.tell(mashup=mashup.uuid, project=owner.name)
    return as_json(answered.entity(mashup), HTTPStatus.CREATED, _etag(mashup))


@router.get("/{uuid}", responses=answers(answered.MashupEntity))
def read(uuid: str, caller: Reader) -> Response:
    """Return a mashup with its draft; ETag is the draft's revision."""
    mashup = own(caller, uuid)
    return as_json(answered.entity(mashup), headers=_etag(mashup))


@router.put("/{uuid}", responses=answers(answered.MashupEntity))
def change(
    uuid: str, document: dict[str, Any], caller: Configurer, if_match: IfMatch = None
) -> Response:
    """Replace the draft. What runs goes on until the draft is published.

    With ``If-Match`` it is refused with 409 when somebody else changed the draft meanwhile.
    """
    mashup = own(caller, uuid)
    draft = parse_document(document).document()
    revision = None if if_match is None else _revision(if_match)
    changed = caller.city.mashups.store.change_draft(mashup.uuid, draft, revision)
    caller.tell(revision=changed.revision)
    return as_json(answered.entity(changed), headers=_etag(changed))


@router.delete("/{uuid}", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def delete(uuid: str, caller: Configurer) -> None:
    """End a mashup; its data points stay with their history until their endpoint is deleted."""
    caller.city.mashups.store.delete(own(caller, uuid).uuid)
    caller.city.refresh_rights()


@router.get("/{uuid}/check", responses=answers(answered.Checked))
def check(uuid: str, caller: Reader) -> Response:
    """Return the draft in words and what it would record, or 422 with what is not right."""
    return as_json(checked(caller, own(caller, uuid)))


@router.post("/{uuid}/pause", responses=answers(answered.MashupEntity))
def pause(uuid: str, caller: Configurer) -> Response:
    """Let a published mashup rest: what comes meanwhile is not computed later."""
    return _set(caller, uuid, MashupState.PAUSED)


@router.post("/{uuid}/resume", responses=answers(answered.MashupEntity))
def resume(uuid: str, caller: Configurer) -> Response:
    """Let a paused mashup run again, from now on."""
    return _set(caller, uuid, MashupState.RUNNING)


@router.get("/{uuid}/status", responses=answers(answered.Status))
def status(uuid: str, caller: Reader) -> Response:
    """Return how the mashup is doing, as it told within the last two seconds."""
    return as_json(answered.status(caller.city, own(caller, uuid)))


def own(caller: Caller, uuid: str) -> Mashup:
    """Return a mashup of a project that the caller may configure.

    Raises:
        AddressError: no UUID.
        Problem: 404.
    """
    try:
        mashup = caller.city.mashups.store.mashup(check_endpoint(uuid))
    except Missing:
        raise not_found() from None
    if caller.level(mashup.project) < Level.CONFIGURE:
        raise not_found()
    return mashup


def checked(caller: Caller, mashup: Mashup) -> dict[str, Any]:
    """Return a draft in words, as the caller would publish it. Raises Fault."""
    return answered.in_words(*caller.city.mashups.check(mashup.draft, caller.user), mashup.uuid)


def _set(caller: Caller, uuid: str, state: MashupState) -> Response:
    mashup = caller.city.mashups.store.set_state(own(caller, uuid).uuid, state)
    return as_json(answered.entity(mashup), headers=_etag(mashup))


def _etag(mashup: Mashup) -> dict[str, str]:
    return {"ETag": f'"{mashup.revision}"'}


def _revision(if_match: str) -> int:
    text = if_match.strip().strip('"')
    if not text.isascii() or not text.isdigit():
        raise Problem(
            HTTPStatus.BAD_REQUEST, "If-Match: give the ETag that the mashup was answered with"
        )
    return int(text)
