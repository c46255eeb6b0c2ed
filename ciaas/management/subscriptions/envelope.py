"""What receivers get: CloudEvents in batches, signed.

Source: CloudEvents 1.0.2, JSON batch format; Standard Webhooks 1.0 for the signature.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from ciaas.limits import DELIVERY_BODY_BYTES_MAX

CONTENT_TYPE = "application/cloudevents-batch+json; charset=utf-8"
_SHOWN = "whsec_"
_SECRET_BYTES = 32


def new_secret() -> bytes:
    """Return a fresh key for one receiver."""
    return secrets.token_bytes(_SECRET_BYTES)


def shown(secret: bytes) -> str:
    """Return the secret as its owner gets it, once."""
    return _SHOWN + base64.b64encode(secret).decode()


def cloud_event(
    source: str, number: str, kind: str, time: str, data: bytes, subject: str | None = None
) -> bytes:
    """Return one event; ``source`` and ``number`` together tell it from every other one."""
    attributes: dict[str, object] = {
        "specversion": "1.0",
        "id": number,
        "source": source,
        "type": kind,
        "time": time,
        "datacontenttype": "application/json",
        "data": msgspec.Raw(data),
    }
    if subject is not None:
        attributes["subject"] = subject
    return msgspec.json.encode(attributes)


def bodies(events: Sequence[bytes]) -> Iterator[bytes]:
    """Yield requests' bodies: each a JSON array, of one event at least."""
    gathered: list[bytes] = []
    size = 0
    for event in events:
        if gathered and size + len(event) > DELIVERY_BODY_BYTES_MAX:
            yield b"[" + b",".join(gathered) + b"]"
            gathered, size = [], 0
        gathered.append(event)
        size += len(event) + 1
    if gathered:
        yield b"[" + b",".join(gathered) + b"]"


def headers(secret: bytes, number: str, at_s: int, body: bytes) -> Mapping[str, str]:
    """Return the headers of one request; the signature covers id, time and body.

    Args:
        secret: Of the receiver.
        number: The same for every try of the request.
        at_s: Seconds since 1970 UTC, so that a receiver can refuse what is old.
        body: As it is sent.
    """
    signed = b".".join((number.encode(), str(at_s).encode(), body))
    signature = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
    return {
        "Content-Type": CONTENT_TYPE,
        "User-Agent": "Borough",
        "webhook-id": number,
        "webhook-timestamp": str(at_s),
        "webhook-signature": f"v1,{signature}",
    }
