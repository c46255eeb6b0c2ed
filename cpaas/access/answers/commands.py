"""Commands as the API shows them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from ciaas.kernel.downlink.command import Command, Rung
from cpaas.access.answers.documents import Written, rfc3339

RungName = Literal[
    "requested",
    "authorised",
    "queued",
    "sent",
    "accepted",
    "verified",
    "rejected",
    "unknown",
    "expired",
    "superseded",
]


class Reached(BaseModel):
    """One rung."""

    rung: RungName
    at: str
    who: str = Field(description="user, core, device or field")
    why: str | None = None


class Asked(BaseModel):
    """A command."""

    id: str
    number: int = Field(description="rises from command to command; for `before` of the list")
    address: str
    value: Written
    state: RungName = Field(description="the last rung reached")
    ended: bool
    why: str | None = Field(None, description="what was said with the last rung")
    expires_at: str = Field(description="after it nothing is sent any more")
    rungs: list[Reached]


class AskedPage(BaseModel):
    """Commands, newest first."""

    commands: list[Asked]
    next: int | None = Field(description="`before` of the next page; null when there is none")


def shown(command: Command) -> dict[str, object]:
    """Return a command as `Asked` describes it."""
    last = command.steps[-1]
    rungs = [
        {"rung": step.rung.value, "at": rfc3339(step.at), "who": step.who}
        | ({"why": step.why} if step.why else {})
        for step in command.steps
    ]
    return {
        "id": command.id,
        "number": command.number,
        "address": command.address,
        "value": command.value,
        "state": last.rung.value,
        "ended": last.rung.terminal,
        **({"why": last.why} if last.why else {}),
        "expires_at": rfc3339(command.expires_at),
        "rungs": rungs,
    }


def names(states: list[RungName]) -> list[Rung]:
    """Return the rungs of their names."""
    return [Rung(state) for state in states]
