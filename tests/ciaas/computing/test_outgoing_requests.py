"""The one way out leads to public hosts and to what the allow-list names, by checked addresses."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest

from borough.clock import MachineClock
from ciaas.computing.outgoing import Answer, Outgoing
from ciaas.computing.reach import Forbidden, OutgoingError, Reach
from ciaas.limits import (
    OUTGOING_ANSWER_BYTES_MAX,
    OUTGOING_CONNECTIONS_MAX,
    OUTGOING_S_MAX,
    OUTGOING_URL_CHARS_MAX,
)
from security.encryption.authority import Authority

LOOPBACK = Reach.of(["127.0.0.0/8"])
NEVER_TRUSTED = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Names:
    """A resolver that says what the test says, and counts."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self._answers[min(len(self.asked), len(self._answers)) - 1]


class Listener:
    """An HTTP server that answers each request with the same bytes."""

    def __init__(self, answer: bytes, pause: asyncio.Event | None = None) -> None:
        self._answer, self._pause = answer, pause
        self.requests: list[bytes] = []
        self.most = self._now = 0
        self.full = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._now += 1
        self.most = max(self.most, self._now)
        if self._now == OUTGOING_CONNECTIONS_MAX:
            self.full.set()
        try:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            if self._pause is not None:
                await self._pause.wait()
            writer.write(self._answer)
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            self._now -= 1
            writer.close()


@asynccontextmanager
async def listening(listener: Listener, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    server = await asyncio.start_server(listener, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


def ok(body: bytes = b"fine", *lines: str) -> bytes:
    head = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", "Connection: close", *lines]
    return "\r\n".join([*head, "", ""]).encode() + body


async def get(reach: Reach, url: str, names: Names | None = None, **how: float) -> Answer:
    async with Outgoing(reach, resolve=names, tls=NEVER_TRUSTED) as outgoing:
        return await outgoing.send("GET", url, **how)  # type: ignore[arg-type] # numbers only


def test_an_answer_comes_with_status_headers_and_body() -> None:
    async def run() -> None:
        listener = Listener(ok(b"fine", 'ETag: "7"'))
        async with listening(listener) as port:
            url = f"http://127.0.0.1:{port}/a?b=c"
            async with Outgoing(LOOPBACK, tls=NEVER_TRUSTED) as outgoing:
                answer = await outgoing.send("POST", url, headers={"X-Mine": "1"}, body=b"{}")
        assert (answer.status, answer.headers["etag"], answer.body) == (200, '"7"', b"fine")
        head = listener.requests[0]
        assert head.startswith(b"POST /a?b=c HTTP/1.1\r\n")
        assert b"X-Mine: 1" in head
        assert b"Content-Length: 2" in head

    asyncio.run(run())


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1",
        "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    ],
)  # fmt: skip
def test_what_is_not_public_is_refused_by_address_and_by_name(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(Forbidden, match="not public"):
        Reach().check_url(f"http://{host}/")
    with pytest.raises(Forbidden, match="not public"):
        asyncio.run(get(Reach(), "http://innocent.example/", Names([address])))


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/", "http://0177.0.0.1/", "http://0x7f.1/", "http://127.1/",
        "http://localhost/", "http://[::ffff:7f00:1]/",
    ],
)  # fmt: skip
def test_odd_ways_to_write_loopback_lead_nowhere(url: str) -> None:
    """The system's own resolver reads them as 127.0.0.1; the address it gives is checked."""
    with pytest.raises(Forbidden):
        asyncio.run(get(Reach(), url))


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "gopher://example.org/", "ftp://example.org/", "//example.org/",
        "http:///nowhere", "http://user:secret@example.org/", "http://example.org:0/",
        "http://example.org:99999/", "http://exa mple.org/", "http://example.org/\n", "http://é.fr/",
        "http://example.org/" + "a" * OUTGOING_URL_CHARS_MAX,
    ],
)  # fmt: skip
def test_what_is_no_url_to_ask_is_refused_before_anything_is_resolved(url: str) -> None:
    names = Names(["203.0.113.9"])
    with pytest.raises(Forbidden):
        asyncio.run(get(Reach(), url, names))
    assert not names.asked


def test_one_address_of_several_that_is_not_public_spoils_the_name() -> None:
    with pytest.raises(Forbidden, match=r"10\.0\.0\.1"):
        asyncio.run(get(Reach(), "http://mixed.example/", Names(["93.184.216.34", "10.0.0.1"])))


def test_a_name_that_changes_its_mind_is_asked_once_and_the_checked_address_is_used() -> None:
    async def run() -> None:
        listener = Listener(ok())
        async with listening(listener) as port:
            names = Names(["127.0.0.1"], ["169.254.169.254"])
            answer = await get(LOOPBACK, f"http://rebound.example:{port}/", names)
        assert answer.status == 200
        assert names.asked == ["rebound.example"]
        assert f"Host: rebound.example:{port}".encode() in listener.requests[0]

    asyncio.run(run())


def test_the_allow_list_opens_networks_and_names_and_no_more() -> None:
    reach = Reach.of(["10.20.0.0/16", "fd00::/8", "192.168.7.7", "Intranet.example"])
    for url in ("http://10.20.3.4/", "http://[fd00::1]/", "http://192.168.7.7:8080/"):
        reach.check_url(url)
    with pytest.raises(Forbidden):
        reach.check_url("http://10.21.0.1/")
    network = Reach.of(["intranet.example"])
    network.check("Intranet.example", [ip_address("10.255.255.1"), ip_address("fd00::7")])
    with pytest.raises(Forbidden):
        network.check("other.example", [ip_address("10.255.255.1")])
    for address in ("127.0.0.1", "169.254.169.254", "::1"):
        with pytest.raises(Forbidden):
            asyncio.run(get(network, "http://intranet.example/", Names([address])))


@pytest.mark.parametrize("entry", ["", "http://a.example", "10.0.0.1/33", "*.example", "a b"])
def test_an_entry_of_the_allow_list_that_is_none_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match="write 10"):
        Reach.of([entry])


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    async def run() -> None:
        moved = (
            b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"
        )
        async with listening(Listener(moved)) as port:
            answer = await get(LOOPBACK, f"http://127.0.0.1:{port}/")
        assert (answer.status, answer.headers["location"]) == (302, "http://169.254.169.254/")

    asyncio.run(run())


def test_an_answer_that_is_too_large_or_too_late_is_an_error() -> None:
    async def run() -> None:
        async with listening(Listener(ok(b"x" * 2000))) as port:
            url = f"http://127.0.0.1:{port}/"
            assert len((await get(LOOPBACK, url, answer_bytes_max=2000)).body) == 2000
            with pytest.raises(OutgoingError, match="more than 1999 bytes"):
                await get(LOOPBACK, url, answer_bytes_max=1999)
        async with listening(Listener(ok(), asyncio.Event())) as port:
            with pytest.raises(OutgoingError, match=r"within 0\.05 s"):
                await get(LOOPBACK, f"http://127.0.0.1:{port}/", timeout_s=0.05)

    asyncio.run(run())


def test_the_layers_own_bounds_hold_whatever_is_asked() -> None:
    async def run() -> None:
        endless = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + bytes(
            OUTGOING_ANSWER_BYTES_MAX + 1
        )
        async with listening(Listener(endless)) as port:
            with pytest.raises(OutgoingError, match=f"more than {OUTGOING_ANSWER_BYTES_MAX} bytes"):
                await get(
                    LOOPBACK,
                    f"http://127.0.0.1:{port}/",
                    answer_bytes_max=10**9,
                    timeout_s=10 * OUTGOING_S_MAX,
                )

    asyncio.run(run())


def test_no_owner_has_more_connections_than_its_bound() -> None:
    async def run() -> None:
        pause = asyncio.Event()
        listener = Listener(ok(), pause)
        async with (
            listening(listener) as port,
            Outgoing(LOOPBACK, connections=99, tls=NEVER_TRUSTED) as outgoing,
        ):
            url = f"http://127.0.0.1:{port}/"
            waiting = [
                asyncio.create_task(outgoing.send("GET", url))
                for _ in range(OUTGOING_CONNECTIONS_MAX + 3)
            ]
            async with asyncio.timeout(10):
                await listener.full.wait()
            await asyncio.sleep(0.05)  # a further one would have come by now
            assert listener.most == OUTGOING_CONNECTIONS_MAX
            pause.set()
            assert {answer.status for answer in await asyncio.gather(*waiting)} == {200}

    asyncio.run(run())


def test_nobody_there_is_an_error_in_one_sentence() -> None:
    async def nobody() -> int:
        async with listening(Listener(b"")) as port:
            return port

    async def run() -> None:
        port = await nobody()
        with pytest.raises(OutgoingError, match="ConnectError"):
            await get(LOOPBACK, f"http://127.0.0.1:{port}/")
        async with listening(Listener(b"no HTTP at all\r\n\r\n")) as port:
            with pytest.raises(OutgoingError, match="ProtocolError"):
                await get(LOOPBACK, f"http://127.0.0.1:{port}/")

    asyncio.run(run())


def test_the_certificate_is_held_against_the_name_not_the_address(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path, b"passphrase", MachineClock().now_ms)
    issued = authority.issue_server(["hook.example"], [])
    assert issued.private_key_pem is not None
    (tmp_path / "server.pem").write_bytes(
        issued.certificate_pem + authority.decrypt_key(issued.private_key_pem)
    )
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(tmp_path / "server.pem")
    trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))

    async def run() -> None:
        async with listening(Listener(ok()), serving) as port:
            async with Outgoing(LOOPBACK, resolve=Names(["127.0.0.1"]), tls=trusting) as outgoing:
                answer = await outgoing.send("GET", f"https://hook.example:{port}/")
                assert answer.status == 200
                with pytest.raises(OutgoingError, match="certificate verify failed"):
                    await outgoing.send("GET", f"https://other.example:{port}/")

    asyncio.run(run())
