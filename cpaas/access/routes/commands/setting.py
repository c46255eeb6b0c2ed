"""Setting a point: the wish becomes a command, and the answer is how far it has come."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated

import msgspec
from fastapi import APIRouter, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from ciaas.kernel.address import PointAddress, parse_point
from ciaas.kernel.downlink.command import Command, Rung
from ciaas.kernel.downlink.order import NotWritable, Order
from ciaas.limits import COMMAND_TEXT_CHARS_MAX, COMMAND_TTL_S_MAX
from cpaas.access.answers.commands import Asked, shown
from cpaas.access.answers.documents import as_json
from cpaas.access.caller import AppWriter, Caller
from cpaas.access.problems import Problem, not_found
from cpaas.limits import COMMAND_WAIT_S_MAX, IDEMPOTENCY_KEY_CHARS_MAX
from security.aaa.levels import NEEDED, Action, Direction

router = APIRouter(tags=["commands"])


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    """The body: a value, and for how long it is worth sending."""

    value: bool | int | float | str
    ttl_s: Annotated[float, msgspec.Meta(gt=0, le=COMMAND_TTL_S_MAX)] | None = None


_decoder = msgspec.json.Decoder(Wish)
_BODY = {
    "requestBody": {
        "required": False,
        "description": "instead of ?value=",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["value"],
                    "additionalProperties": False,
                    "properties": {
                        "value": {"type": ["boolean", "number", "string"]},
                        "ttl_s": {
                            "type": ["number", "null"],
                            "exclusiveMinimum": 0,
                            "maximum": COMMAND_TTL_S_MAX,
                            "description": "seconds after which it is no longer sent",
                        },
                    },
                }
            }
        },
    }
}


@router.put(
    "/data/{address:path}",
    status_code=HTTPStatus.ACCEPTED,
    openapi_extra=_BODY,
    responses={
        HTTPStatus.ACCEPTED: {"model": Asked, "description": "recorded, not yet at its end"},
        HTTPStatus.OK: {"model": Asked, "description": "recorded and at its end"},
    },
)
async def put(
    address: str,
    request: Request,
    caller: AppWriter,
    value: Annotated[str | None, Query(max_length=COMMAND_TEXT_CHARS_MAX)] = None,
    wait: Annotated[float, Query(ge=0, le=COMMAND_WAIT_S_MAX)] = 0.0,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=IDEMPOTENCY_KEY_CHARS_MAX)
    ] = None,
) -> Response:
    """Set a SetPoint or Parameter by ``?value=`` or a JSON body.

    Answered when the command is recorded, or after up to ``wait`` seconds when it has not ended
    before. The same ``Idempotency-Key`` again returns the command that there is.
    """
    wish = _wish(await request.body(), value)
    point = parse_point(address)
    command = await run_in_threadpool(_request, caller, point, value, wish, idempotency_key)
    caller.tell(command=command.id)
    if not command.state.terminal and wait > 0:
        command = await _followed(caller, command, wait)
    if command.state is Rung.REJECTED:
        raise Problem(HTTPStatus.CONFLICT, command.steps[-1].why, more={"command": shown(command)})
    status = HTTPStatus.OK if command.state.terminal else HTTPStatus.ACCEPTED
    return as_json(shown(command), status, {"Location": f"/api/v1/commands/{command.id}"})


def _wish(body: bytes, value: str | None) -> Wish | None:
    """Return what the body says, None when the query says it."""
    if value is not None:
        if body.strip():
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY, "give ?value= or a body, not both of them"
            )
        return None
    if not body.strip():
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, 'give ?value=… or a body such as {"value": 40}'
        )
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"the body: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(HTTPStatus.BAD_REQUEST, f"the body: {error}") from error


def _request(
    caller: Caller, address: PointAddress, text: str | None, wish: Wish | None, key: str | None
) -> Command:
    levels = address.split("/")
    endpoint = caller.owner_of(levels[0])
    need = NEEDED[Action.WRITE, Direction.DOWN]
    caller.need(endpoint, levels, need)
    if not caller.city.rights.level(caller.user, (str(endpoint.project), *levels)).includes(need):
        # It is asked again when the command is sent, and there is no request then.
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "a command needs WRITE for all purposes, granted to the user or to one of its groups",
        )
    if caller.city.catalogue.by_address(address) is None:
        raise not_found()
    order = Order(
        address=address,
        user=caller.user,
        who=caller.principal.user.name,
        value=None if wish is None else wish.value,
        text=text,
        ttl_s=None if wish is None else wish.ttl_s,
        key=key,
    )
    try:
        return caller.city.commands.request(order)
    except NotWritable as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error


async def _followed(caller: Caller, command: Command, wait_s: float) -> Command:
    """Return the command at its end, or as it stands after so many seconds; holds no thread."""
    outcome = await run_in_threadpool(caller.city.commands.outcome, command)
    ended = asyncio.wrap_future(outcome)
    finished, _ = await asyncio.wait({ended}, timeout=wait_s)
    if finished:
        return ended.result()
    ended.cancel()
    return await run_in_threadpool(caller.city.commands.command, command.id)
