"""A link on nats-py: several times slower than `Wire`, and at home with every NATS server."""

from __future__ import annotations

import asyncio
import base64
import ssl
import threading
import time
from collections import deque
from collections.abc import Coroutine, Iterable, Sequence
from concurrent.futures import CancelledError
from typing import Any, TypeVar

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError

from ciaas.computing.link import Delivery, WireError, WireTimeout
from ciaas.limits import CLIENT_LINK_PENDING_BYTES, CLIENT_LINK_PENDING_MESSAGES, WIRE_SEND_S

_T = TypeVar("_T")


class ClientLink:
    """One connection. One thread receives; any thread may send; nats-py has a thread of its own."""

    def __init__(
        self,
        url: str,
        seed: str,
        name: str,
        *,
        tls: ssl.SSLContext | None = None,
        timeout_s: int = 5,
    ):
        """Connect and log in.

        Args:
            url: Such as ``nats://127.0.0.1:4222``.
            seed: The private nkey of the role.
            name: The role; the prefix of its inboxes too.
            tls: Trusts the broker's authority; None speaks in clear.
            timeout_s: For connecting and logging in.

        Raises:
            WireError: unreachable, refused, or not a NATS server.
        """
        self.inbox = b"_INBOX.%s.%s" % (
            name.encode(),
            base64.b32encode(time.time_ns().to_bytes(10, "big")).rstrip(b"="),
        )
        self.pulls = 1
        """Subscriptions of nats-py are served beside each other: between two the order is lost."""
        self._arrived = threading.Condition()
        self._deliveries: deque[Delivery] = deque()
        self._fault: str | None = None
        self._closing = False
        self._sids = 0
        self._loop = asyncio.new_event_loop()
        self._client = Client()
        self._thread = threading.Thread(target=self._run, name="nats-py link", daemon=True)
        self._thread.start()
        try:
            self._wait(self._connect(url, seed, name, tls, timeout_s), 2 * timeout_s)
        except WireError:
            self.close()
            raise

    def publish(
        self,
        subject: bytes,
        payload: bytes,
        reply: bytes = b"",
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Send one message; returns when it is handed to the network."""
        self._wait(
            self._client.publish(
                subject.decode(), payload, reply.decode(), dict(headers) if headers else None
            )
        )

    def acknowledge(self, replies: Iterable[bytes]) -> None:
        """Acknowledge messages; nats-py joins them into few writes."""
        self._wait(self._acknowledge([reply.decode() for reply in replies]))

    def subscribe(self, subject: bytes) -> bytes:
        """Subscribe and return the subscription's id."""
        self._sids += 1
        sid = b"%d" % self._sids
        self._wait(self._subscribe(subject.decode(), sid))
        return sid

    def receive(self, timeout_s: float, marked: bytes = b"") -> list[Delivery]:
        """Return all that came, empty when nothing did in time; see `Link.receive`."""
        with self._arrived:
            if not self._deliveries and self._fault is None:
                self._arrived.wait(timeout_s)
            if not self._deliveries and self._fault is not None:
                raise WireError(self._fault)
            came = list(self._deliveries)
            self._deliveries.clear()
        return [one for one in came if not one.header or marked in one.header]

    def request(self, subject: str, payload: object = None, *, timeout_s: float = 5.0) -> Any:
        """Ask the broker's JetStream API and return its JSON answer; see `Link.request`."""
        body = b"" if payload is None else msgspec.json.encode(payload)
        try:
            reply: Msg = self._wait(
                self._client.request(subject, body, timeout=timeout_s), 2 * timeout_s
            )
        except WireTimeout:
            raise WireTimeout(
                f"{subject}: no answer from the broker within {timeout_s:g} s"
            ) from None
        answer = msgspec.json.decode(reply.data)
        if "error" in answer:
            raise WireError(f"{subject}: {answer['error'].get('description', answer)}")
        return answer

    def close(self) -> None:
        """End the connection; a thread in `receive` gets a WireError."""
        with self._arrived:
            if self._closing:
                return  # another thread is at it
            self._closing = True
        self._tell("the connection is closed")
        try:
            self._wait(self._client.close())
        except WireError:
            pass  # it is gone already
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WIRE_SEND_S)

    # -- on nats-py's thread

    def _run(self) -> None:
        self._loop.run_forever()
        self._loop.run_until_complete(_end_tasks())
        self._loop.close()

    async def _connect(
        self, url: str, seed: str, name: str, tls: ssl.SSLContext | None, timeout_s: int
    ) -> None:
        await self._client.connect(
            url,
            nkeys_seed_str=seed,
            name=name,
            inbox_prefix=f"_INBOX.{name}",
            allow_reconnect=False,
            max_reconnect_attempts=1,
            connect_timeout=timeout_s,
            error_cb=self._failed,
            closed_cb=self._closed,
            tls=tls,
        )

    async def _subscribe(self, subject: str, sid: bytes) -> None:
        async def take(message: Msg) -> None:
            header = _header(message.headers)
            delivery = Delivery(
                sid, message.subject.encode(), message.reply.encode(), header, message.data
            )
            with self._arrived:
                self._deliveries.append(delivery)
                self._arrived.notify()

        await self._client.subscribe(
            subject,
            cb=take,
            pending_msgs_limit=CLIENT_LINK_PENDING_MESSAGES,
            pending_bytes_limit=CLIENT_LINK_PENDING_BYTES,
        )

    async def _acknowledge(self, replies: Sequence[str]) -> None:
        for reply in replies:
            await self._client.publish(reply)

    async def _failed(self, error: Exception) -> None:
        self._tell(f"the broker said: {error}")

    async def _closed(self) -> None:
        self._tell("the broker closed the connection")

    # -- private pieces

    def _tell(self, fault: str) -> None:
        with self._arrived:
            if self._fault is None:
                self._fault = fault
            self._arrived.notify()

    def _wait(self, work: Coroutine[Any, Any, _T], timeout_s: float = WIRE_SEND_S) -> _T:
        """Have nats-py's thread do it.

        Raises:
            WireTimeout: no answer in time.
            WireError: it failed.
        """
        if self._loop.is_closed():
            work.close()
            raise WireError("the connection is closed")
        done = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return done.result(timeout_s)
        except NoRespondersError as error:
            raise WireError("nobody answers") from error
        except CancelledError as error:
            raise WireError("the connection is closed") from error
        except TimeoutError as error:
            done.cancel()
            raise WireTimeout("the broker did not answer in time") from error
        except (NatsError, OSError) as error:
            raise WireError(f"the broker's connection broke: {error or self._fault}") from error


async def _end_tasks() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


def _header(headers: dict[str, str] | None) -> bytes:
    """Return headers as they stand in the protocol: a status is told from the first line."""
    if not headers:
        return b""
    rest = dict(headers)
    status, words = rest.pop("Status", ""), rest.pop("Description", "")
    first = f"NATS/1.0 {status} {words}".rstrip()
    lines = "".join(f"{name}:{value}\r\n" for name, value in rest.items())
    return f"{first}\r\n{lines}\r\n".encode()
