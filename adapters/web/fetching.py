"""One resource over HTTP: asked for again only when it is due, and only whether it has changed."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from adapters.web.adapter import WebConfig
from ciaas.computing.outgoing import Answer, Outgoing
from ciaas.computing.reach import Forbidden, OutgoingError
from ciaas.limits import RETRY_AFTER_S_MAX, WEB_PARSE_INLINE_BYTES
from ciaas.sensorisation.errors import AuthFailed, Malformed, RateLimited, Unreachable
from ciaas.sensorisation.secrets import SecretMissing, Secrets

_T = TypeVar("_T")
_BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_RETRY_S = 30.0
"""Where a busy server does not say how long."""
_AGENT = "Borough"


@dataclass(slots=True)
class Resource(Generic[_T]):
    """What is known of one URL. ``parse`` makes content of a body; it may run in a thread."""

    url: str
    config: WebConfig
    secrets: Secrets
    outgoing: Outgoing
    parse: Callable[[bytes], _T]
    fetched: int = 0
    """When the content was first seen as it is, in milliseconds since 1970 UTC."""
    _content: _T | Malformed | None = None
    _asked: float = field(default=float("-inf"))
    _etag: str | None = None
    _modified: str | None = None
    _busy_until: float = field(default=float("-inf"))

    @property
    def latest(self) -> _T | None:
        """What was fetched last, None when nothing could be made of it."""
        return None if isinstance(self._content, Malformed) else self._content

    async def content(self, fresh_s: float) -> _T:
        """Return the content, asked for again when it is older than ``fresh_s``.

        Raises:
            Malformed: the body is not of the format.
            RateLimited: the server wants to be left alone, and is.
            AuthFailed: it wants other credentials.
            Unreachable: it gave no such document.
        """
        now = asyncio.get_running_loop().time()
        if now < self._busy_until:
            raise RateLimited(f"{self.url} asked to wait", retry_after_s=self._busy_until - now)
        if self._content is None or now - self._asked >= fresh_s:
            await self._ask(now)
        if isinstance(self._content, Malformed):
            raise self._content.with_traceback(None)
        assert self._content is not None
        return self._content

    async def _ask(self, now: float) -> None:
        try:
            answer = await self.outgoing.send(
                "GET",
                self.url,
                headers=self._headers(),
                timeout_s=self.config.timeout_s,
                answer_bytes_max=self.config.body_bytes_max,
            )
        except Forbidden as error:
            raise AuthFailed(str(error)) from error
        except OutgoingError as error:
            raise Unreachable(f"{self.url}: {error}") from error
        if answer.status == HTTPStatus.NOT_MODIFIED and self._content is not None:
            self._asked = now
            return
        self._check(answer, now)
        self._asked = now
        self._etag, self._modified = answer.headers.get("etag"), answer.headers.get("last-modified")
        self.fetched = time.time_ns() // 1_000_000
        try:
            body = _unpacked(answer, self.config.body_bytes_max)
            if len(body) <= WEB_PARSE_INLINE_BYTES:
                self._content = self.parse(body)
            else:
                self._content = await asyncio.to_thread(self.parse, body)
        except Malformed as error:
            self._content = error

    def _headers(self) -> dict[str, str]:
        config = self.config
        headers = {"User-Agent": _AGENT, "Accept-Encoding": "gzip", **config.headers}
        if config.secret is not None and config.secret_header is not None:
            host = urlsplit(self.url).hostname or ""
            try:
                headers[config.secret_header] = self.secrets.secret(config.secret, host)
            except SecretMissing as error:
                raise AuthFailed(str(error)) from error
        if self._content is not None and not isinstance(self._content, Malformed):
            if self._etag is not None:
                headers["If-None-Match"] = self._etag
            elif self._modified is not None:
                headers["If-Modified-Since"] = self._modified
        return headers

    def _check(self, answer: Answer, now: float) -> None:
        if answer.status == HTTPStatus.OK:
            return
        if answer.status in _BUSY:
            wait_s = _retry_after_s(answer.headers.get("retry-after"))
            self._busy_until = now + wait_s
            raise RateLimited(f"{self.url} is busy: {answer.status}", retry_after_s=wait_s)
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise AuthFailed(f"{self.url} answers {answer.status}: give it a valid secret")
        if 300 <= answer.status < 400:
            place = answer.headers.get("location", "nowhere")
            raise Unreachable(
                f"{self.url} redirects to {place:.200}: write that URL if you trust it"
            )
        raise Unreachable(f"{self.url} answers {answer.status}")


def _retry_after_s(text: str | None) -> float:
    """Return the seconds that a server asks for: a number of them, or a date."""
    if text is None:
        return _RETRY_S
    if text.strip().isdigit():
        return min(float(text), RETRY_AFTER_S_MAX)
    try:
        wait_s = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return _RETRY_S
    return min(max(wait_s, 0.0), RETRY_AFTER_S_MAX)


def _unpacked(answer: Answer, most: int) -> bytes:
    """Return the body as it was before it was packed, never longer than allowed.

    Raises:
        Malformed: it is longer, or packed in another way than by gzip.
    """
    coding = answer.headers.get("content-encoding", "identity").strip().lower()
    if coding in ("", "identity"):
        return answer.body
    if coding not in ("gzip", "x-gzip"):
        raise Malformed(f"the body is packed by {coding!r}, which was not asked for")
    unpacking = zlib.decompressobj(wbits=31)
    try:
        body = unpacking.decompress(answer.body, most + 1)
    except zlib.error as error:
        raise Malformed(f"the body is no gzip: {error}") from None
    if len(body) > most:
        raise Malformed(f"the body unpacks to more than {most} bytes")
    return body
