"""Sessions: what somebody is signed in by, and what ends it."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import Response

from cpaas.access.answers.documents import as_json, rfc3339
from cpaas.access.caller import Admin, Caller, Person
from cpaas.access.granting.holder import user_named
from security.aaa.sessions import Session, session_of

router = APIRouter(tags=["session"])


@router.get("/sessions")
def own(caller: Person) -> Response:
    """List the caller's sessions: sign-ins, tokens, and what applications may do."""
    return as_json(_told(caller, caller.user))


@router.delete("/sessions")
def end_others(caller: Person) -> Response:
    """End all of the caller's sessions but this one."""
    ended = caller.city.people.sessions.end_all(caller.user, (session_of(caller.principal),))
    caller.tell(ended=ended)
    return as_json({"ended": ended})


@router.delete("/sessions/{session}", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def end(session: str, caller: Person) -> None:
    """End one of the caller's sessions."""
    caller.city.people.sessions.end(caller.user, session)


@router.get("/users/{name}/sessions")
def of_user(name: str, caller: Admin) -> Response:
    """List the sessions of a user."""
    return as_json(_told(caller, user_named(caller, name).id))


@router.delete("/users/{name}/sessions")
def end_all(name: str, caller: Admin, _person: Person) -> Response:
    """End all sessions of a user."""
    ended = caller.city.people.sessions.end_all(user_named(caller, name).id)
    caller.tell(ended=ended)
    return as_json({"ended": ended})


@router.delete(
    "/users/{name}/sessions/{session}",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
)
def end_of_user(name: str, session: str, caller: Admin, _person: Person) -> None:
    """End one session of a user."""
    caller.city.people.sessions.end(user_named(caller, name).id, session)


def _told(caller: Caller, user: int) -> list[dict[str, object]]:
    this = session_of(caller.principal)
    found = caller.city.people.sessions.of(user)
    return [_entity(caller, one) | {"this": one.id == this} for one in found]


def _entity(caller: Caller, one: Session) -> dict[str, object]:
    label = one.label
    if one.kind == "application":
        known = caller.city.oidc.provider.applications.numbered(int(label))
        label = known.name if known is not None else label
    return {
        "id": one.id,
        "kind": one.kind,
        "label": label,
        "created_at": _moment(one.created_at),
        "created_from": one.created_from or None,
        "last_used_at": _moment(one.last_used_at),
        "last_used_from": one.last_used_from or None,
        "expires_at": _moment(one.expires_at),
        "scopes": sorted(one.scopes),
    }


def _moment(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)
