"""A backup: one consistent copy of the platform, sent while it is packed."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from cpaas.access.caller import Admin

router = APIRouter(tags=["assurance"])

TAR = "application/x-tar"


@router.get(
    "/backup",
    response_class=StreamingResponse,
    responses={200: {"content": {TAR: {"schema": {"type": "string", "format": "binary"}}}}},
)
def backup(caller: Admin) -> StreamingResponse:
    """Return a tar of everything but the key file; its last member lists size and digest of each.

    An archive without its manifest was broken off.
    """
    return StreamingResponse(caller.city.assurance.backup.pack(), media_type=TAR)
