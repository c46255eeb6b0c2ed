"""Who may change a set: only who could give everything that is granted on it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, TypeAlias

from fastapi import Path

from ciaas.limits import SET_NAME_CHARS_MAX
from cpaas.access.caller import Caller
from cpaas.access.granting.delegation import held_for, may_give
from cpaas.access.problems import Problem
from security.aaa.extents import SetExtent
from security.aaa.levels import Level

SetName: TypeAlias = Annotated[
    str, Path(min_length=1, max_length=SET_NAME_CHARS_MAX, pattern=r"^[\w.@+-]+$")
]


def governed(caller: Caller, extent: SetExtent) -> None:
    """Make sure that the caller may change who is in a set.

    Raises:
        Problem: 403 when somebody else granted more on it than the caller could, or denied there
            what only somebody else could give back.
    """
    if caller.principal.user.admin:
        return
    granted = [p for p in caller.city.entitlements.permits.permits() if p.extent == extent]
    if not all(may_give(caller, permit) for permit in granted):
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "more is granted on it than you could grant; ask who owns the project",
        )
    if any(permit.level is Level.DENY for permit in granted):
        held = held_for(caller, extent)
        if not held.includes(Level.OWN) and any(p.giver != caller.user for p in granted):
            raise Problem(
                HTTPStatus.FORBIDDEN,
                "somebody else denied something on it; ask who owns the project",
            )
