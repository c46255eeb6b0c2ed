"""What a device may publish and subscribe: the topics of exactly its own endpoint."""

from __future__ import annotations

from ciaas.computing.admission.ports import Permissions
from ciaas.kernel.address import EndpointId

_PUBLISH = (
    "@online.{}",
    "@offline.{}",
    "@nodeAdded.{}.>",
    "@nodeRemoved.{}.>",
    "@update.{}.>",
    "@didSet.{}.>",
    "@transaction.{}",
    "@delayed.{}",
    "@logs.{}",
    "@execOutput.{}.*",
)
# The filter "@set/U/#" asks for both forms of @set and is refused when one of them is missing.
_SUBSCRIBE = ("@set.{}", "@set.{}.>", "@exec.{}", "@logsLevel.{}")


def device_permissions(endpoint: EndpointId) -> Permissions:
    """Return all that cloud.iO's protocol needs for one endpoint, and nothing else.

    The same list for every login: a persistent session that reconnects under a shorter one is told
    that its subscriptions stand and never gets a message.
    """
    return Permissions(
        tuple(subject.format(endpoint) for subject in _PUBLISH),
        tuple(subject.format(endpoint) for subject in _SUBSCRIBE),
    )
