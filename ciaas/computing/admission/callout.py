"""Decides for the broker which client may connect, and as what.

Only a client that shows a certificate of our authority whose common name equals its MQTT client id
is let in, with the topics of exactly that endpoint. On doubt it is refused, never admitted with
less.
"""

from __future__ import annotations

import base64
import logging
import ssl
from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from ciaas.computing.admission.claims import Issuer
from ciaas.computing.admission.permission import device_permissions
from ciaas.computing.admission.ports import (
    Gate,
    OnAdmit,
    OnRefusal,
    Permissions,
    Refusal,
    RefusalKind,
)
from ciaas.computing.broker.configuration import CITY
from ciaas.computing.broker.connection import connect
from ciaas.kernel.address import AddressError, EndpointId, check_endpoint
from ciaas.limits import ADMISSION_TRACES_MAX, REFUSED_TEXT_CHARS_MAX
from ciaas.ports import Clock
from security.encryption.certificates import CertificateError, read_presented
from security.limits import EXPIRY_GRACE_S

log = logging.getLogger(__name__)

_SUBJECT = "$SYS.REQ.USER.AUTH"
_QUEUE = "admission"


class Callout:
    """Answers every login. Starts closed: until `open` only the platform's own clients come in."""

    def __init__(
        self,
        issuer: Issuer,
        gate: Gate,
        clock: Clock,
        *,
        platform: Mapping[str, Permissions],
        on_refusal: OnRefusal,
        on_admit: OnAdmit | None = None,
    ):
        """Prepare; `start` begins to answer.

        Args:
            issuer: the account whose key the broker trusts.
            gate: decides on devices, from memory.
            clock: wall-clock time.
            platform: common name such as ``borough-core`` to what that client of ours may do.
            on_refusal: told of each login refused.
            on_admit: told of each device about to be admitted.
        """
        self._issuer, self._gate, self._clock = issuer, gate, clock
        self._platform = platform
        self._on_refusal, self._on_admit = on_refusal, on_admit
        self._open = False
        self._client: Client | None = None
        self._refused: OrderedDict[int, None] = OrderedDict()

    @property
    def is_open(self) -> bool:
        """True when devices are let in."""
        return self._open

    def open(self) -> None:
        """Let devices in from now on: whatever they send must find its consumer."""
        self._open = True

    async def start(self, url: str, seed: str, tls: ssl.SSLContext | None = None) -> None:
        """Connect with the nkey of ``auth`` and answer from now on; raises as `connect`."""
        self._client = await connect(url, seed, role="auth", tls=tls)
        # One after the other: a decision awaits nothing, so that tasks would only add to its time.
        # Each that waits is a connection of the broker, which bounds their number.
        await self._client.subscribe(_SUBJECT, queue=_QUEUE, cb=self._respond)
        await self._client.flush()

    @property
    def connected(self) -> bool:
        """True while logins reach us."""
        return self._client is not None and self._client.is_connected

    async def stop(self) -> None:
        """Answer no more; the broker then refuses each login after two seconds."""
        if self._client:
            await self._client.close()

    def reported(self, connection: int) -> bool:
        """Return True, once, when this connection's refusal has been told to ``on_refusal``."""
        return self._refused.pop(connection, self) is None

    def answer(self, request: bytes) -> bytes | None:
        """Return the signed answer to one request, None when nobody waits for it any more.

        Raises:
            ValueError: it is no request of the broker.
        """
        try:
            claims = msgspec.json.decode(_decode(request.split(b".")[1]), type=_Claims)
        except IndexError:
            raise ValueError("no JSON Web Token") from None
        now = self._clock.now_ms()
        # The broker gives up two seconds after asking and `exp` is cut to whole seconds. Answering
        # the dead first would make everyone late for ever when a whole city reconnects at once.
        if now >= (claims.exp + 1) * 1000:
            return None
        asked = claims.nats
        decision = self._decide(asked.client_info, asked.client_tls)
        if isinstance(decision, _Refused):
            outcome = {"error": "not admitted"}
            self._tell(asked.client_info, decision, now)
        else:
            grant = self._issuer.grant(
                asked.user_nkey,
                CITY,
                decision.name,
                decision.permissions,
                now // 1000,
                decision.until_s,
            )
            outcome = {"jwt": grant}
            if decision.endpoint and self._on_admit:
                self._on_admit(decision.endpoint, asked.server_id.id, asked.client_info.id)
        return self._issuer.answer(asked.user_nkey, asked.server_id.id, outcome, now // 1000)

    def _decide(self, info: _ClientInfo, tls: _ClientTls | None) -> _Admitted | _Refused:
        if info.type != "mqtt":
            return _Refused("protocol", f"a client of type {info.type!r} needs a role's nkey")
        if tls is None or not tls.verified_chains or not tls.verified_chains[0]:
            return _Refused("certificate", "no verified certificate")
        try:
            presented = read_presented(tls.verified_chains[0][0].encode())
        except CertificateError as error:
            return _Refused("certificate", str(error))
        name = presented.common_name
        if not name:
            return _Refused("certificate", "no certificate with one common name")
        if info.mqtt_id != name:
            return _Refused("client-id", f"the certificate is of {name!r}")
        if name in self._platform:
            return _Admitted(name, self._platform[name], None, None)
        if not self._open:
            return _Refused("closed", "the platform is starting")
        try:
            endpoint = check_endpoint(name)
        except AddressError as error:
            return _Refused("name", str(error))
        if endpoint != name:
            return _Refused("name", "the UUID must be in lower case")
        reason = self._gate.admit(endpoint, presented.serial, presented.fingerprint)
        if reason is not None:
            return _Refused(reason, f"certificate {presented.serial}")
        # Also when we are away at that time: the broker counts it down by itself.
        until_s = presented.not_after // 1000 + EXPIRY_GRACE_S
        return _Admitted(name, device_permissions(endpoint), endpoint, until_s)

    def _tell(self, info: _ClientInfo, refused: _Refused, now: int) -> None:
        self._refused[info.id] = None
        if len(self._refused) > ADMISSION_TRACES_MAX:
            self._refused.popitem(last=False)
        self._on_refusal(
            Refusal(
                at=now,
                client=(info.mqtt_id or info.name)[:REFUSED_TEXT_CHARS_MAX],
                kind=RefusalKind.CONNECT,
                reason=refused.reason,
                detail=f"{refused.detail} (from {info.host})"[:REFUSED_TEXT_CHARS_MAX],
            )
        )

    async def _respond(self, message: Msg) -> None:
        try:
            answer = self.answer(message.data)
        except ValueError as error:
            log.error("a login request of the broker is unreadable: %s", error)
            return
        if answer is not None:
            await message.respond(answer)


class _Admitted(NamedTuple):
    name: str
    permissions: Permissions
    endpoint: EndpointId | None
    """None for a client of the platform itself."""
    until_s: int | None
    """When its session ends, in seconds since 1970 UTC; None for never."""


class _Refused(NamedTuple):
    reason: str
    detail: str


class _ServerId(msgspec.Struct):
    id: str


class _ClientInfo(msgspec.Struct):
    id: int
    type: str = ""
    host: str = ""
    name: str = ""
    mqtt_id: str = ""


class _ClientTls(msgspec.Struct):
    verified_chains: list[list[str]] = []


class _Asked(msgspec.Struct):
    server_id: _ServerId
    user_nkey: str
    client_info: _ClientInfo
    client_tls: _ClientTls | None = None


class _Claims(msgspec.Struct):
    exp: int
    nats: _Asked


def _decode(part: bytes) -> bytes:
    return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
