"""Objects of a project: stored and fetched as streams, compared by the hash of their content."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel

from ciaas.limits import OBJECT_READ_BYTES
from ciaas.storage.objects import Condition, ObjectEntry, Received
from ciaas.storage.objects.contents import pieces
from cpaas.access.answers.documents import as_json, rfc3339
from cpaas.access.caller import AppWriter, Caller, Reader
from cpaas.access.problems import Problem
from cpaas.limits import LIST_DEFAULT, LIST_MAX
from cpaas.processing.objects.buckets import OCTETS, check_key, check_media_type
from security.aaa.levels import Level

router = APIRouter(tags=["objects"])

_TAG = re.compile(r'\s*(?:\*|(?:W/)?"([\x21\x23-\x7e]*)")\s*')
_SAFE = {
    # What somebody stored is never run in the pages of this host.
    "Content-Disposition": "attachment",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
}
Match = Annotated[str | None, Header(alias="If-Match")]
NoneMatch = Annotated[str | None, Header(alias="If-None-Match")]
_BINARY = {OCTETS: {"schema": {"type": "string", "format": "binary"}}}
_CONTENT: dict[int | str, dict[str, Any]] = {200: {"description": "It", "content": _BINARY}}
_BODY = {"requestBody": {"required": True, "content": _BINARY}}


class Listed(BaseModel):
    """An object in a listing."""

    key: str
    bytes: int
    sha256: str
    media_type: str
    changed_at: str
    changed_by: str | None


class Bucket(BaseModel):
    """What a project holds; ``next`` continues the listing, null at its end."""

    objects: list[Listed]
    count: int
    bytes: int
    quota_bytes: int
    next: str | None


@router.get("/objects/{project}", response_model=Bucket)
def bucket(
    project: str,
    caller: Reader,
    prefix: str = "",
    after: str = "",
    limit: Annotated[int, Query(ge=1, le=LIST_MAX)] = LIST_DEFAULT,
) -> Response:
    """List the objects of a project by key, with the room that they take."""
    number = caller.project(project, Level.READ).id
    buckets = caller.city.processing.buckets
    found = buckets.listed(number, prefix, after, limit + 1)
    names = {user.id: user.name for user in caller.city.accounts.users()}
    count, used = buckets.keys.used(number)
    return as_json(
        {
            "objects": [_listed(entry, names.get(entry.changed_by)) for entry in found[:limit]],
            "count": count,
            "bytes": used,
            "quota_bytes": buckets.quota,
            "next": found[limit - 1].key if len(found) > limit else None,
        }
    )


@router.put(
    "/objects/{project}/{key:path}",
    openapi_extra=_BODY,
    status_code=HTTPStatus.CREATED,
    response_model=Listed,
)
async def store(
    project: str,
    key: str,
    request: Request,
    caller: AppWriter,
    content_type: Annotated[str | None, Header()] = None,
    if_match: Match = None,
    if_none_match: NoneMatch = None,
) -> Response:
    """Store an object; answered after its content and its key are on disk."""
    check_key(key)
    media_type, condition = check_media_type(content_type), _condition(if_match, if_none_match)
    number = (await to_thread.run_sync(caller.project, project, Level.WRITE)).id
    processing = caller.city.processing
    async with processing.uploads.turn():
        received = await to_thread.run_sync(processing.buckets.contents.receive)
        with received:
            await _receive(request, received)
            entry, fresh = await to_thread.run_sync(
                processing.buckets.store, number, key, received, media_type, caller.user, condition
            )
    caller.tell(sha256=entry.digest[:16], bytes=entry.bytes)
    status = HTTPStatus.CREATED if fresh else HTTPStatus.OK
    name = caller.principal.user.name
    return as_json(_listed(entry, name), status, {"ETag": _tag(entry)})


@router.get("/objects/{project}/{key:path}", responses=_CONTENT, response_class=Response)
def fetch(project: str, key: str, caller: Reader, if_none_match: NoneMatch = None) -> Response:
    """Return an object's content, or 304 when the caller has it already."""
    buckets, number = caller.city.processing.buckets, _project(caller, project, key)
    entry = buckets.entry(number, key)
    if not _condition(None, if_none_match).holds(entry.digest):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": _tag(entry)})
    entry, file = buckets.open(number, key)
    caller.tell(sha256=entry.digest[:16], bytes=entry.bytes)
    return StreamingResponse(pieces(file), headers=_head(entry), media_type=entry.media_type)


@router.head("/objects/{project}/{key:path}", responses=_CONTENT, response_class=Response)
def look(project: str, key: str, caller: Reader) -> Response:
    """Return what `GET` says about an object, without the content."""
    entry = caller.city.processing.buckets.entry(_project(caller, project, key), key)
    return Response(headers=_head(entry), media_type=entry.media_type)


@router.delete("/objects/{project}/{key:path}", status_code=HTTPStatus.NO_CONTENT)
def remove(project: str, key: str, caller: AppWriter, if_match: Match = None) -> Response:
    """Remove an object."""
    number = caller.project(project, Level.WRITE).id
    check_key(key)
    caller.city.processing.buckets.remove(number, key, _condition(if_match, None))
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _project(caller: Caller, project: str, key: str) -> int:
    number = caller.project(project, Level.READ).id
    check_key(key)
    return number


async def _receive(request: Request, received: Received) -> None:
    """Write a body to the disk as it comes, in pieces worth a thread's time."""
    gathered = bytearray()
    async for piece in request.stream():
        gathered += piece
        if len(gathered) >= OBJECT_READ_BYTES:
            await to_thread.run_sync(received.write, bytes(gathered))
            gathered.clear()
    await to_thread.run_sync(received.write, bytes(gathered))


def _condition(match: str | None, none_match: str | None) -> Condition:
    return Condition(_tags(match, "If-Match"), _tags(none_match, "If-None-Match"))


def _tags(header: str | None, name: str) -> frozenset[str] | None:
    """Return the digests of a header, ``*`` for any, None when it was not sent.

    Raises:
        Problem: 400 for what is no list of entity tags.
    """
    if header is None:
        return None
    found = []
    for part in header.split(","):
        match = _TAG.fullmatch(part)
        if match is None:
            raise Problem(HTTPStatus.BAD_REQUEST, f'{name} is no entity tag; write "sha256" or *')
        found.append("*" if match[1] is None else match[1])
    return frozenset(found)


def _head(entry: ObjectEntry) -> dict[str, str]:
    return {**_SAFE, "ETag": _tag(entry), "Content-Length": str(entry.bytes)}


def _tag(entry: ObjectEntry) -> str:
    return f'"{entry.digest}"'


def _listed(entry: ObjectEntry, changed_by: str | None) -> dict[str, object]:
    return {
        "key": entry.key,
        "bytes": entry.bytes,
        "sha256": entry.digest,
        "media_type": entry.media_type,
        "changed_at": rfc3339(entry.changed_at),
        "changed_by": changed_by,
    }
