"""The platform's own streams, created once and kept at the bounds that the settings name."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from nats.aio.client import Client
from nats.errors import Error as NatsError

from ciaas.computing.broker.errors import BrokerError, StreamMismatch
from ciaas.ports import StreamId

log = logging.getLogger(__name__)

LIVE = "LIVE"
INTERNAL = "INTERNAL"

_API_S = 5.0
_NOT_FOUND = 10059
_NO_ROOM = 10047
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class StreamBounds:
    """How much the streams may hold."""

    live_age_s: int = 24 * 3600
    live_bytes: int = 2 * 1024**3
    """Whichever is reached first; the oldest commits go."""
    internal_bytes: int = 2 * 1024**3
    """A full stream refuses what adapters and mashups publish, which holds them back."""
    duplicate_window_s: int = 120
    """How long a message id is remembered, so that a publish repeated on doubt counts once."""


async def ensure_streams(client: Client, bounds: StreamBounds) -> Mapping[str, StreamId]:
    """Create the streams LIVE and INTERNAL, or bring them to these bounds; needs the core role.

    Returns:
        Name to identity.

    Raises:
        StreamMismatch: a stream of that name is of another kind, or holds more than the new bound.
        BrokerError: the broker refused or did not answer.
    """
    live: dict[str, Any] = {
        "name": LIVE,
        "subjects": [f"{LIVE}.*"],
        "retention": "limits",
        "discard": "old",
        "max_age": bounds.live_age_s * _NANOSECONDS,
        "max_bytes": bounds.live_bytes,
        # The broker takes no window longer than a message lives.
        "duplicate_window": min(bounds.duplicate_window_s, bounds.live_age_s) * _NANOSECONDS,
    }
    internal: dict[str, Any] = {
        "name": INTERNAL,
        "subjects": ["uplink.>"],
        "retention": "limits",
        "discard": "new",
        "max_age": 0,
        "max_bytes": bounds.internal_bytes,
        "duplicate_window": bounds.duplicate_window_s * _NANOSECONDS,
    }
    return {
        config["name"]: await _ensure(client, {**config, "storage": "file", "num_replicas": 1})
        for config in (live, internal)
    }


async def api(client: Client, subject: str, question: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the broker's stream interface; an answer of refusal has the key ``error``.

    Raises:
        BrokerError: no answer.
    """
    try:
        reply = await client.request(
            f"$JS.API.{subject}", msgspec.json.encode(question), timeout=_API_S
        )
    except TimeoutError:
        raise BrokerError(f"the broker did not answer {subject} within {_API_S:g} s") from None
    except NatsError as error:
        raise BrokerError(f"the broker cannot be asked for {subject}: {error}") from None
    return msgspec.json.decode(reply.data, type=dict[str, Any])


def absent(answer: Mapping[str, Any]) -> bool:
    """Return True when the answer says that there is no such stream."""
    return bool(answer.get("error", {}).get("err_code") == _NOT_FOUND)


async def _ensure(client: Client, wanted: Mapping[str, Any]) -> StreamId:
    name = wanted["name"]
    found = await api(client, f"STREAM.INFO.{name}", {})
    if absent(found):
        answer = await api(client, f"STREAM.CREATE.{name}", wanted)
    elif "error" in found:
        answer = found
    elif changed := [key for key, value in wanted.items() if found["config"].get(key, 0) != value]:
        _refuse_loss(found, wanted, changed)
        log.info("stream %s changes its %s", name, ", ".join(changed))
        answer = await api(client, f"STREAM.UPDATE.{name}", {**found["config"], **wanted})
    else:
        answer = found
    if "error" in answer:
        said = answer["error"]["description"]
        if answer["error"].get("err_code") == _NO_ROOM:
            said += f": {wanted['max_bytes']} bytes do not fit the broker's file_store_bytes_max"
        raise BrokerError(f"stream {name}: {said}")
    return StreamId(name, answer["created"])


def _refuse_loss(found: Mapping[str, Any], wanted: Mapping[str, Any], changed: list[str]) -> None:
    name = wanted["name"]
    for key in ("retention", "storage", "discard"):
        if key in changed:
            raise StreamMismatch(
                f"stream {name} has {key} {found['config'][key]!r}, needed is {wanted[key]!r}:"
                " it was not made by this platform; move it away or use another store"
            )
    held = found["state"]["bytes"]
    if wanted["discard"] == "new" and held > wanted["max_bytes"]:
        raise StreamMismatch(
            f"stream {name} holds {held} bytes not yet recorded, more than the new bound"
            f" {wanted['max_bytes']}: the broker would delete them; let core catch up first"
        )
