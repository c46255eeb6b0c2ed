"""A role's connection to the broker for control traffic, by its nkey; it reconnects for ever."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from nats.aio.client import Client
from nats.errors import Error as NatsError

from ciaas.computing.broker.errors import BrokerError

log = logging.getLogger(__name__)

RECONNECT_WAIT_S = 1
CONNECT_S = 5
_FIRST_ATTEMPTS = 1

Happened = Callable[[], Awaitable[None]]
Failed = Callable[[Exception], Awaitable[None]]


async def connect(
    url: str,
    seed: str,
    *,
    role: str,
    tls: ssl.SSLContext | None = None,
    on_error: Failed | None = None,
    on_lost: Happened | None = None,
    on_reconnected: Happened | None = None,
) -> Client:
    """Connect as a role; its answers come to ``_INBOX.<role>``.

    Args:
        url: such as ``nats://127.0.0.1:4222``.
        seed: the role's private nkey (SU…).
        role: ``core``, ``field``, ``sys`` or ``auth``.
        tls: trusts the broker's authority; None speaks in clear.
        on_error: told of what the broker refuses, beside the log.
        on_lost: told when the connection is gone.
        on_reconnected: told when it is there again with its subscriptions.

    Raises:
        BrokerError: nobody answers at the address, or the key is refused.
    """
    client = Client()
    told = _Told(client, role, on_error, on_lost, on_reconnected)
    try:
        await client.connect(
            url,
            nkeys_seed_str=seed,
            name=f"borough-{role}",
            inbox_prefix=f"_INBOX.{role}",
            error_cb=told.error,
            disconnected_cb=told.lost,
            closed_cb=told.closed,
            reconnected_cb=told.reconnected,
            connect_timeout=CONNECT_S,
            allow_reconnect=False,
            reconnect_time_wait=RECONNECT_WAIT_S,
            tls=tls,
            max_reconnect_attempts=_FIRST_ATTEMPTS,
        )
        if not client.is_connected:
            # The client takes an end of the connection in the middle of the login for none.
            raise told.last or ConnectionError("Authorization Violation, or the broker ended")
    except (OSError, NatsError) as error:
        reason = told.last or error
        await client.close()
        raise BrokerError(f"{role} cannot connect to {url}: {reason}") from None
    # Only now for ever: with this from the start a wrong key would be tried without an end.
    client.options |= {"allow_reconnect": True, "max_reconnect_attempts": -1}
    return client


@dataclass(slots=True)
class _Told:
    """What the client tells of one connection: said to the log once, and passed on."""

    client: Client
    role: str
    on_error: Failed | None
    on_lost: Happened | None
    on_reconnected: Happened | None
    last: Exception | None = None

    async def error(self, error: Exception) -> None:
        self.last = error
        # While the broker is away this comes at every attempt; that it went is said once.
        level = logging.DEBUG if isinstance(error, OSError) else logging.WARNING
        log.log(level, "broker connection of %s: %s", self.role, error)
        if self.on_error:
            await self.on_error(error)

    async def lost(self) -> None:
        if not self.client.is_reconnecting:
            return
        log.warning("broker connection of %s is lost", self.role)
        if self.on_lost:
            await self.on_lost()

    async def closed(self) -> None:
        error = self.client.last_error
        if error and self.client.options["allow_reconnect"]:
            log.error("broker closed the connection of %s for good: %s", self.role, error)

    async def reconnected(self) -> None:
        log.info("broker connection of %s is back", self.role)
        if self.on_reconnected:
            await self.on_reconnected()
