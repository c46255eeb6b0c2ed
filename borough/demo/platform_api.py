"""The platform as the demo sees it: its public HTTP API and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import httpx

from borough.demo.limits import ANSWER_S_MAX

_TIMEOUT_S = 30.0
_BUSY = (429, 502, 503, 504)
_PAUSE_S = 0.3


class PlatformError(Exception):
    """The platform refused or did not answer; the message says what and why."""


class NotFound(PlatformError):
    """What was asked for does not exist."""


class Platform:
    """A connection to the API as one user; an asynchronous context manager.

    Args:
        http: base address, such as ``http://127.0.0.1:8080``.
        token: bearer token of an administrator; None until `sign_in`.
        authority: PEM file to trust when the address is https, read when somebody signs in; None
            for the system's.
    """

    def __init__(self, http: str, token: str | None = None, authority: str | None = None) -> None:
        self._tls, self._authority = ssl.create_default_context(), authority
        self._client = httpx.AsyncClient(
            base_url=f"{http.rstrip('/')}/api/v1",
            headers={"Accept": "application/json"},
            verify=self._tls,
            timeout=_TIMEOUT_S,
        )
        if token is not None:
            self.sign_in(token)

    def sign_in(self, token: str) -> None:
        """Use a bearer token of an administrator from now on."""
        if self._authority is not None:
            self._tls.load_verify_locations(self._authority)
        self._client.headers["Authorization"] = f"Bearer {token}"

    async def __aenter__(self) -> Platform:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End its connections."""
        await self._client.aclose()

    async def get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """Return the answer's JSON.

        Raises:
            PlatformError: refused, or not answered within ANSWER_S_MAX; NotFound for 404.
        """
        return (await self._call("GET", path, query, None)).json()

    async def text(self, path: str) -> str:
        """Return the answer as text; raises as `get`."""
        return (await self._call("GET", path, None, None)).text

    async def send(
        self, method: str, path: str, body: Any, query: Mapping[str, Any] | None = None
    ) -> Any:
        """Send JSON and return the answer's; raises as `get`.

        Everything the demo sends may be sent twice: it is tried again when no answer came.
        """
        return (await self._call(method, path, query, body)).json()

    async def delete(self, path: str) -> None:
        """Remove something; that it is gone already is as well. Raises as `get`."""
        with contextlib.suppress(NotFound):
            await self._call("DELETE", path, None, None)

    async def _call(
        self, method: str, path: str, query: Mapping[str, Any] | None, body: Any
    ) -> httpx.Response:
        deadline = time.monotonic() + ANSWER_S_MAX
        while True:
            try:
                answer = await self._client.request(method, path, params=query, json=body)
            except httpx.TransportError as error:
                if time.monotonic() > deadline:
                    reason = str(error) or type(error).__name__
                    raise PlatformError(
                        f"{method} {path}: no answer from the platform ({reason})"
                    ) from error
            else:
                if answer.status_code not in _BUSY or time.monotonic() > deadline:
                    break
            await asyncio.sleep(_PAUSE_S)
        if answer.status_code == 404:
            raise NotFound(f"{method} {path}: {_detail(answer)}")
        if not answer.is_success:
            raise PlatformError(f"{method} {path}: {answer.status_code}, {_detail(answer)}")
        return answer


def _detail(answer: httpx.Response) -> str:
    """Return what a problem document says, or the beginning of another answer."""
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]
