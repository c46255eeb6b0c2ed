"""The key ring: its versions, rotation, and how far all secrets lie under the newest."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import Response
from pydantic import BaseModel, Field

from cpaas.access.answers.documents import as_json
from cpaas.access.caller import Admin
from cpaas.limits import NUMBER_MAX

router = APIRouter(prefix="/keys", tags=["keys"])


class RingVersion(BaseModel):
    """One version of the key-encryption key."""

    version: int
    made_at: int = Field(description="milliseconds since 1970 UTC; 0 of a home older than versions")
    current: bool
    secrets: int = Field(description="that lie under it, as far as was looked")


class RewrapProgress(BaseModel):
    """How far every secret lies under the current version."""

    done: bool
    total: int
    seen: int
    rewrapped: int
    failed: int = Field(description="secrets that do not open; they are left as they are")
    failures: list[str]
    trouble: str = Field(description="why it waits, empty while it does not")


class RingStatus(BaseModel):
    """What may be known of the key ring."""

    version: int
    unlock: str = Field(description="by what the ring opens: file, environment or passphrase")
    versions: list[RingVersion]
    rewrap: RewrapProgress


@router.get("/ring", response_model=RingStatus)
def status(caller: Admin) -> Response:
    """Return the versions of the key ring and the progress of the newest re-wrap."""
    return as_json(caller.city.keys.ring.status())


@router.post("/rotate", response_model=RingStatus, status_code=HTTPStatus.ACCEPTED)
def rotate(caller: Admin) -> Response:
    """Make a new version of the key ring; secrets are wrapped anew while everything goes on."""
    found = caller.city.keys.ring.rotate()
    caller.tell(ring_version=found["version"])
    return as_json(found, HTTPStatus.ACCEPTED)


@router.delete("/ring/{version}", response_model=RingStatus)
def forget(version: Annotated[int, Path(ge=1, le=NUMBER_MAX)], caller: Admin) -> Response:
    """Destroy an old version; secrets in backups from its time do not open any more."""
    caller.tell(ring_version=version)
    return as_json(caller.city.keys.ring.forget(version))
