"""Which devices are connected, from the broker's own events, and how to end a connection."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import OrderedDict
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError, SlowConsumerError

from ciaas.computing.admission.ports import OnListed, OnPresence
from ciaas.computing.broker.configuration import CITY
from ciaas.computing.broker.connection import connect
from ciaas.computing.broker.errors import BrokerError
from ciaas.kernel.address import AddressError, EndpointId, check_endpoint
from ciaas.limits import ADMISSION_TRACES_MAX, BROKER_CONNECTIONS_MAX
from ciaas.ports import Clock

log = logging.getLogger(__name__)

_EVENTS = f"$SYS.ACCOUNT.{CITY}.*"
_LIST = "$SYS.REQ.SERVER.PING.CONNZ"
_ANSWER_S = 5.0


class _NobodyAnswers(BrokerError):
    """The server asked has gone."""


class Session(NamedTuple):
    """One connection; numbers are given once in a server's run."""

    server: str
    number: int


class Presence:
    """Follows one broker. ``on_presence`` is called when a device comes or its last session goes.

    A device that takes its own session over stays online throughout.
    """

    def __init__(
        self, on_presence: OnPresence, clock: Clock, on_listed: OnListed = lambda sessions: None
    ):
        """Prepare; `start` begins to follow.

        Args:
            on_presence: told who comes and goes.
            clock: wall-clock time.
            on_listed: told who is connected with which certificate whenever we have been away.
        """
        self._on_presence, self._on_listed, self._clock = on_presence, on_listed, clock
        self._client: Client | None = None
        self._sessions: dict[EndpointId, set[Session]] = {}
        self._gone: OrderedDict[Session, None] = OrderedDict()
        """Ended sessions, lest a list or an event that is under way brings one back."""
        self._admitted: OrderedDict[EndpointId, Session] = OrderedDict()
        """Last admission, known before the broker counts the client as connected."""
        self._lost_at: int | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, url: str, seed: str, tls: ssl.SSLContext | None = None) -> None:
        """Connect with the nkey of ``sys``, follow, and report who is connected already.

        Raises:
            BrokerError: as `connect`, or the broker does not tell who is connected.
        """
        self._client = await connect(
            url,
            seed,
            role="sys",
            tls=tls,
            on_error=self._missed,
            on_lost=self._lost,
            on_reconnected=self._reconnected,
        )
        # One subscription for both events: between two of them the order would be lost.
        await self._client.subscribe(_EVENTS, cb=self._event)
        await self.refresh()

    @property
    def connected(self) -> bool:
        """True while events reach us."""
        return self._client is not None and self._client.is_connected

    async def stop(self) -> None:
        """Follow no more."""
        if self._client:
            await self._client.close()

    @property
    def online(self) -> frozenset[EndpointId]:
        """The devices that are connected."""
        return frozenset(self._sessions)

    def admitted(self, endpoint: EndpointId, server: str, number: int) -> None:
        """Remember a login that is being admitted, so that `kick` can end it under way."""
        self._admitted[endpoint] = Session(server, number)
        self._admitted.move_to_end(endpoint)
        if len(self._admitted) > ADMISSION_TRACES_MAX:
            self._admitted.popitem(last=False)

    async def kick(self, endpoint: EndpointId) -> int:
        """End every connection of a device; its will is published. The gate must refuse it first.

        Returns:
            How many connections were told to end.

        Raises:
            BrokerError: the broker did not answer; the device may still be connected.
        """
        sessions = set(self._sessions.get(endpoint, ()))
        if admitted := self._admitted.pop(endpoint, None):
            sessions.add(admitted)
        listed = await self._list({"mqtt_client": endpoint, "acc": CITY})
        sessions.update(Session(listed.server.id, c.cid) for c in listed.data.connections)
        sessions -= self._gone.keys()
        for session in sessions:
            await self._end(session)
        return len(sessions)

    async def refresh(self) -> None:
        """Compare with the broker's list and report what differs.

        Raises:
            BrokerError: the broker did not answer, or has more connections than fit the list.
        """
        before = {session for sessions in self._sessions.values() for session in sessions}
        asked = {"acc": CITY, "auth": True, "limit": BROKER_CONNECTIONS_MAX}
        listed = await self._list(asked)
        if listed.data.total > len(listed.data.connections):
            raise BrokerError(f"the broker lists only some of {listed.data.total} connections")
        server, now = listed.server.id, self._clock.now_ms()
        present, shown = set(), {}
        for connection in listed.data.connections:
            session = Session(server, connection.cid)
            present.add(session)
            if connection.type == "mqtt" and (endpoint := _endpoint(connection.mqtt_client)):
                certificates = connection.tls_peer_certs
                shown[endpoint] = certificates[0].cert_sha256 if certificates else ""
                self._came(endpoint, session, _millis(connection.start), "connected")
        for endpoint, sessions in list(self._sessions.items()):
            for session in (sessions & before) - present:
                # A broker that started anew lost all its clients when we lost it.
                restarted = session.server != server and self._lost_at is not None
                at = self._lost_at if restarted and self._lost_at is not None else now
                reason = "broker restarted" if restarted else "connection gone"
                self._went(endpoint, session, at, reason)
        await asyncio.to_thread(self._on_listed, shown)

    def _came(self, endpoint: EndpointId, session: Session, at: int, reason: str) -> None:
        if session in self._gone:
            return
        sessions = self._sessions.setdefault(endpoint, set())
        first = not sessions
        sessions.add(session)
        if self._admitted.get(endpoint) == session:
            del self._admitted[endpoint]
        if first:
            self._on_presence(endpoint, True, at, reason)

    def _went(self, endpoint: EndpointId, session: Session, at: int, reason: str) -> None:
        self._gone[session] = None
        if len(self._gone) > ADMISSION_TRACES_MAX:
            self._gone.popitem(last=False)
        sessions = self._sessions.get(endpoint, set())
        if session in sessions:
            sessions.remove(session)
            if not sessions:
                del self._sessions[endpoint]
                self._on_presence(endpoint, False, at, reason)

    async def _event(self, message: Msg) -> None:
        kind = message.subject.rpartition(".")[2]
        if kind not in ("CONNECT", "DISCONNECT"):
            return
        event = msgspec.json.decode(message.data, type=_Event)
        endpoint = _endpoint(event.client.client_id)
        if event.client.client_type != "mqtt" or endpoint is None:
            return
        session, at = Session(event.server.id, event.client.id), _millis(event.timestamp)
        if kind == "CONNECT":
            self._came(endpoint, session, at, "connected")
        else:
            self._went(endpoint, session, at, event.reason)

    async def _lost(self) -> None:
        self._lost_at = self._clock.now_ms()

    async def _reconnected(self) -> None:
        await self._try_refresh()
        self._lost_at = None

    async def _missed(self, error: Exception) -> None:
        # Events came faster than they were read, and the client dropped some. It waits for this
        # method before it reads on, so that asking here would never be answered.
        if isinstance(error, SlowConsumerError) and (not self._task or self._task.done()):
            self._task = asyncio.create_task(self._try_refresh())

    async def _try_refresh(self) -> None:
        try:
            await self.refresh()
        except BrokerError as error:
            log.warning("who is connected could not be compared with the broker: %s", error)

    async def _list(self, question: dict[str, Any]) -> _Listed:
        return msgspec.json.decode(await self._request(_LIST, question), type=_Listed)

    async def _end(self, session: Session) -> None:
        try:
            await self._request(f"$SYS.REQ.SERVER.{session.server}.KICK", {"cid": session.number})
        except _NobodyAnswers:
            log.info("a connection of server %s ended with it", session.server)

    async def _request(self, subject: str, question: dict[str, Any]) -> bytes:
        assert self._client is not None, "start presence first"
        try:
            reply = await self._client.request(
                subject, msgspec.json.encode(question), timeout=_ANSWER_S
            )
        except (TimeoutError, NatsError) as error:
            kind = _NobodyAnswers if isinstance(error, NoRespondersError) else BrokerError
            raise kind(f"the broker did not answer {subject}: {error}") from None
        return reply.data


class _Server(msgspec.Struct):
    id: str


class _EventClient(msgspec.Struct):
    id: int
    client_type: str = ""
    client_id: str = ""


class _Event(msgspec.Struct):
    timestamp: str
    server: _Server
    client: _EventClient
    reason: str = ""


class _Shown(msgspec.Struct):
    cert_sha256: str = ""


class _Listing(msgspec.Struct):
    cid: int
    start: str
    type: str = ""
    mqtt_client: str = ""
    tls_peer_certs: list[_Shown] = []


class _Connections(msgspec.Struct):
    total: int
    connections: list[_Listing]


class _Listed(msgspec.Struct):
    server: _Server
    data: _Connections


def _endpoint(client: str) -> EndpointId | None:
    """Return the device that a client id names; None for a client of the platform itself."""
    try:
        return check_endpoint(client)
    except AddressError:
        return None


def _millis(rfc3339: str) -> int:
    return int(datetime.fromisoformat(rfc3339).timestamp() * 1000)
