"""What the roles write to each other about commands: JSON, checked when it is read."""

from __future__ import annotations

from typing import Annotated

import msgspec

from ciaas.kernel.model import Value
from ciaas.limits import COMMAND_KEY_CHARS_MAX, COMMAND_TTL_S_MAX

FIELD_SUBJECT = "command.field"
"""Core asks the field role to write."""
REQUEST_SUBJECT = "command.request"
"""Another role asks core for a command."""


class WriteRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Core to field."""

    command: str
    address: str
    value: Value
    until: int
    """Milliseconds since 1970 UTC; nothing is written after it."""
    who: str


class WriteReply(msgspec.Struct, forbid_unknown_fields=True):
    """Field to core: the rung reached, ``queued`` when nothing has left."""

    rung: str
    why: str = ""


class CommandRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A role to core, in the name of a user, whose rights core looks at itself."""

    user: str
    """Name of the user, such as ``mashup:<uuid>``."""
    key: Annotated[str, msgspec.Meta(min_length=1, max_length=COMMAND_KEY_CHARS_MAX)]
    """Idempotency key: asked again with it, the same command is answered."""
    address: str
    value: bool | int | float | str
    ttl_s: Annotated[float, msgspec.Meta(gt=0, le=COMMAND_TTL_S_MAX)] | None = None


class CommandReply(msgspec.Struct, forbid_unknown_fields=True):
    """Core to that role: the command with its rung, or why there is none."""

    id: str = ""
    rung: str = ""
    why: str = ""
    """Of a rejected command; or, without an id, why nothing was recorded."""
    again: bool = False
    """True when the same request may succeed in a moment."""
