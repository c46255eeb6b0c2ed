"""Structured queries, answered as JSON, CSV or an Arrow stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Header
from fastapi.responses import Response, StreamingResponse

from cpaas.access.caller import Reader
from cpaas.processing.query.document import QueryDocument
from cpaas.processing.query.writing import Form, form_accepted, written
from cpaas.processing.turns import Turns

router = APIRouter(tags=["query"])

_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The table: by columns as JSON, with a header as CSV, or as an Arrow stream",
        "content": {
            Form.JSON.media_type: {
                "schema": {
                    "type": "object",
                    "required": ["zone", "rows", "columns"],
                    "properties": {
                        "zone": {"type": "string"},
                        "rows": {"type": "integer"},
                        "columns": {
                            "type": "object",
                            "additionalProperties": {"type": "array", "items": {}},
                        },
                    },
                }
            },
            Form.CSV.media_type: {"schema": {"type": "string"}},
            Form.ARROW.media_type: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


@router.post("/query", responses=_ANSWER, response_class=Response)
async def query(
    document: QueryDocument, caller: Reader, accept: Annotated[str, Header()] = ""
) -> Response:
    """Answer a structured query over all points that it selects and the caller may read."""
    processing = caller.city.processing
    select = document.select.model_dump_json(by_alias=True, exclude_unset=True)
    caller.tell(select=select, reads=True)
    form = form_accepted(accept)

    def begin() -> tuple[Iterator[bytes], bytes]:
        # The first piece is made before the answer's head: what is refused has a status of its own.
        answer = processing.queries.ask(caller.user, document)
        caller.tell_points([point.id for point in answer.plan.chosen.points])
        pieces = written(answer, form)
        return pieces, next(pieces, b"")

    pieces, first = await processing.turns.run(begin)
    return StreamingResponse(_rest(processing.turns, pieces, first), media_type=form.media_type)


async def _rest(turns: Turns, pieces: Iterator[bytes], first: bytes) -> AsyncIterator[bytes]:
    piece: bytes | None = first
    while piece is not None:
        yield piece
        piece = await turns.run(lambda: next(pieces, None))
