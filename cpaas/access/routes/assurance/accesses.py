"""The log of accesses: who read or wrote a point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from cpaas.access.answers.documents import as_json
from cpaas.access.caller import Granter
from cpaas.access.moments import read_moment
from cpaas.limits import LIST_DEFAULT, LIST_MAX, NUMBER_MAX
from security.aaa.accesses import Asked
from security.aaa.levels import Level

router = APIRouter(tags=["assurance"])

_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Interval(BaseModel):
    """Which entries, newest first."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_: str | None = Field(None, alias="from")
    to: str | None = None
    limit: int = Field(LIST_DEFAULT, ge=1, le=LIST_MAX)
    before: int | None = Field(None, ge=1, le=NUMBER_MAX)
    """``seq`` of the last entry of the page before."""
    subject: str | None = None

    def asked(self, point: int | None = None) -> Asked:
        """Return the question; raises Problem (400) when a time is none."""
        return Asked(
            self.limit,
            point,
            self.subject,
            start=read_moment(self.from_, "from"),
            end=read_moment(self.to, "to"),
            before=self.before,
        )


@router.get("/accesses/{address:path}")
def of_point(address: str, interval: Annotated[Interval, Query()], caller: Granter) -> Response:
    """List who read or wrote a point, newest first: for who holds GRANT on it."""
    point = caller.recorded_point(address, Level.GRANT).id
    found = caller.city.assurance.accesses.find(interval.asked(point=point))
    return as_json([_access(entry) for entry in found])


def _access(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry as its subject may be told of: without the points of other owners."""
    about = entry.get("about", {})
    told = {key: entry[key] for key in ("seq", "at", "who", "from", "token", "verb", "path")
            if key in entry}  # fmt: skip
    kind = str(entry.get("kind", ""))
    # A query that is too long for a path is posted, and says that it reads.
    reads = isinstance(about, dict) and about.get("reads", False)
    wrote = kind != "access" or (entry.get("verb") in _WRITES and not reads)
    return told | {
        "kind": kind,
        "did": "wrote" if wrote else "read",
        "points": about.get("count", 1) if isinstance(about, dict) else 1,
        "exact": about.get("exact", True) if isinstance(about, dict) else True,
        "purpose": about.get("purpose") if isinstance(about, dict) else None,
        "under": about.get("under", []) if isinstance(about, dict) else [],
    }
