"""Structured queries, answered as JSON, CSV or an Arrow stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import islice
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

    def begin() -> tuple[list[bytes], Iterator[bytes]]:
        # The first piece is made before the answer's head: what is refused has a status of its own.
        answer = processing.queries.ask(caller.party, document)
        caller.tell_points([point.id for point in answer.plan.chosen.points])
        pieces = written(answer, form)
        return list(islice(pieces, 2)), pieces

    begun, pieces = await processing.turns.run(begin)
    if len(begun) < 2:
        return Response(b"".join(begun), media_type=form.media_type)
    return StreamingResponse(_rest(processing.turns, begun, pieces), media_type=form.media_type)


async def _rest(turns: Turns, begun: list[bytes], pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in begun:
        yield piece
    while (another := await turns.run(lambda: next(pieces, None))) is not None:
        yield another
