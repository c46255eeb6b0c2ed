"""The record as auditors read it: searched, exported, and proved entry by entry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from ciaas.kernel.address import EndpointId, parse_point
from ciaas.ports import Missing
from cpaas.access.answers.documents import as_json
from cpaas.access.caller import Admin, Auditor, Caller
from cpaas.access.moments import read_moment
from cpaas.access.problems import Problem, not_found
from cpaas.access.routes.assurance.accesses import Interval
from cpaas.access.routes.assurance.record_rights import Audited, audited
from cpaas.limits import EXPORT_STEP, NUMBER_MAX
from security.aaa.acts import Act
from security.aaa.chain import canonical
from security.aaa.proofs import NotProvable, proof_of, written

router = APIRouter(prefix="/record", tags=["assurance"])

_NDJSON = "application/x-ndjson"
_PEM = "application/x-pem-file"


class Search(Interval):
    """Which entries of the record."""

    project: str | None = Field(None, description="whose chain; `platform` for the platform's own")
    kind: str | None = None
    act: Act | None = Field(None, description="what was done, or tried")
    refused: bool | None = Field(None, description="true: only what was refused")
    address: str | None = Field(None, description="a point that was read or written")


@router.get("")
def search(interval: Annotated[Search, Query()], caller: Auditor) -> Response:
    """Search the record; entries stand as they were written, newest first.

    An administrator who names no project searches the chains of all.
    """
    assurance = caller.city.assurance
    whose: Audited | None = None
    if interval.project is not None or not caller.principal.user.admin:
        whose = audited(caller, interval.project)
    point = None if interval.address is None else _point(caller, interval.address, whose)
    asked = replace(
        interval.asked(point),
        kind=interval.kind,
        act=interval.act,
        refused=interval.refused,
        chain=None if whose is None else whose.chain,
    )
    return as_json(assurance.accesses.find(asked))


@router.get("/checkpoints")
def checkpoints(caller: Admin) -> Response:
    """Return the newest checkpoints and the key that they are signed with, to be kept elsewhere."""
    assurance = caller.city.assurance
    return as_json(
        {
            "key": assurance.signer.public_pem.decode(),
            "fingerprint": assurance.signer.fingerprint,
            "checkpoints": [
                {"size": c.size, "head": c.head, "at": c.at, "signature": c.signature}
                for c in assurance.checkpoints.checkpoints()
            ],
        }
    )


@router.get("/key", response_class=Response, responses={200: {"content": {_PEM: {}}}})
def key(caller: Auditor) -> Response:
    """Return the public key that checkpoints are signed with, PEM: keep it, and compare it."""
    return Response(caller.city.assurance.signer.public_pem, media_type=_PEM)


class Slice(BaseModel):
    """Which part of a chain is exported; the newest minute's entries come with the next one."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    project: str | None = None
    from_: str | None = Field(None, alias="from")
    to: str | None = None


@router.get("/export", response_class=Response, responses={200: {"content": {_NDJSON: {}}}})
def export(asked: Annotated[Slice, Query()], caller: Auditor) -> Response:
    """Return the entries of a chain within a time as lines of JSON that are verified offline."""
    chain, name, _ = audited(caller, asked.project)
    assurance = caller.city.assurance
    assurance.accesses.catch_up()
    start, end = read_moment(asked.from_, "from"), read_moment(asked.to, "to")
    found = assurance.accesses.numbers(chain, start, end)
    last = 0 if found is None else min(found[1], assurance.covered.covered(chain))
    first = last + 1 if found is None else found[0]
    count = max(0, last - first + 1)
    caller.tell(exported=f"{first}-{last}" if count else "nothing")
    head = {
        "chain": chain,
        "project": name,
        "first": first,
        "count": count,
        "key": assurance.signer.public_pem.decode(),
    }
    lines = _exported(caller, chain, first, last) if count else iter(())
    return StreamingResponse(_with_head(head, lines), media_type=_NDJSON)


@router.get("/{project}/{number}/proof")
def proof(
    project: str, number: Annotated[int, Path(ge=1, le=NUMBER_MAX)], caller: Auditor
) -> Response:
    """Prove that an entry of a chain was signed for; `number` is its `cseq`."""
    chain = audited(caller, project).chain
    return Response(written(_proof(caller, chain, number)), media_type="application/json")


def _point(caller: Caller, text: str, whose: Audited | None) -> int:
    """Return the number of a point, of a project where one is given; raises Problem (404)."""
    address = parse_point(text)
    catalogue, uuid = caller.city.catalogue, EndpointId(address.partition("/")[0])
    endpoint = catalogue.endpoint(uuid) or catalogue.deleted(uuid)
    if endpoint is None or (whose is not None and endpoint.project != whose.project):
        raise not_found()
    try:
        return caller.city.registry.point(address).id
    except Missing:
        raise not_found() from None


def _proof(caller: Caller, chain: int, number: int) -> dict[str, Any]:
    assurance = caller.city.assurance
    assurance.accesses.catch_up()
    checkpoint = assurance.covered.covering(chain, number)
    if checkpoint is None:
        if not assurance.accesses.own(chain, number, number):
            raise not_found()
        raise Problem(
            HTTPStatus.CONFLICT,
            "no checkpoint covers this record yet; one is taken each minute",
            {"Retry-After": "60"},
        )
    lines = assurance.accesses.own(chain, checkpoint.first, checkpoint.size)
    try:
        return proof_of(checkpoint, number, lines)
    except NotProvable as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error


def _exported(caller: Caller, chain: int, first: int, last: int) -> Iterator[bytes]:
    accesses = caller.city.assurance.accesses
    for begin in range(first, last + 1, EXPORT_STEP):
        for _, data in accesses.own(chain, begin, min(last, begin + EXPORT_STEP - 1)):
            yield data + b"\n"
    proved = _proof(caller, chain, last)
    proved.pop("record", None)  # it stands above
    yield canonical({"proof": proved}) + b"\n"


def _with_head(head: dict[str, Any], lines: Iterator[bytes]) -> Iterator[bytes]:
    yield canonical({"export": head}) + b"\n"
    yield from lines
