"""A web server that says what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass
class Page:
    body: bytes = b""
    status: str = "200 OK"
    headers: Mapping[str, str] = field(default_factory=dict)


Responder: TypeAlias = Callable[[Mapping[str, str]], Page | Awaitable[Page]]


class WebServer:
    """HTTP/1.1, one request a connection."""

    def __init__(self) -> None:
        self.pages: dict[str, Page | Responder] = {}
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        self.port = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def count(self, path: str) -> int:
        return sum(asked == path for asked, _ in self.asked)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.split("\r\n")
            pairs = (line.partition(": ") for line in lines if line)
            headers = {name.lower(): text for name, _, text in pairs}
            path = first.split(" ")[1]
            self.asked.append((path, headers))
            page = self.pages.get(path, Page(status="404 Not Found"))
            if not isinstance(page, Page):
                told = page(headers)
                page = told if isinstance(told, Page) else await told
            shown = {"Content-Length": str(len(page.body)), "Connection": "close", **page.headers}
            text = "".join(f"{name}: {value}\r\n" for name, value in shown.items())
            writer.write(f"HTTP/1.1 {page.status}\r\n{text}\r\n".encode() + page.body)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def web_server() -> AsyncIterator[WebServer]:
    server = WebServer()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await listening.wait_closed()
