"""The command line's way to the API: the secret of the key file, over HTTP."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from borough.home import Home, HomeError
from borough.settings import Settings
from borough.tls.local import local_context
from borough.wiring import open_keys

TOKEN_LIFE_S = 86_400
TOKENS_IN_FORCE_MAX = 40
"""Issued to this command line; a further one ends the oldest, well before a user may have no more.
"""
_LABEL = "command line"
_PAGE = 500
_SAVE_PATIENCE_S = 600.0
"""Until the first byte of a file that the platform has to copy first."""
_SCOPES = ("read", "write", "configure", "grant", "audit", "admin")


class LocalClient:
    """Calls the API of this machine as its local automation."""

    def __init__(self, base_url: str, secret: str, tls: ssl.SSLContext | None = None):
        self._http = httpx.Client(
            base_url=base_url,
            headers={"Authorization": f"Bearer {secret}"},
            timeout=30.0,
            verify=tls or True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._http.close()

    def call(self, verb: str, path: str, body: object = None, **query: Any) -> Any:
        """Return the JSON answer of one call, None when it has no body.

        Raises:
            HomeError: the platform is not running, or refuses; the message says why.
        """
        answer = self._request(verb, path, json=body, params=query or None)
        return None if answer.status_code == HTTPStatus.NO_CONTENT else answer.json()

    def text(self, verb: str, path: str) -> str:
        """Return the answer as text; raises as `call`."""
        return self._request(verb, path).text

    def download(self, path: str, media_type: str) -> bytes:
        """Return the answer as bytes of a media type; raises as `call`."""
        return self._request("GET", path, headers={"Accept": media_type}).content

    def save(self, path: str, target: Path) -> None:
        """Write the answer into a file, for its owner alone, as it comes; raises as `call`."""
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file, self._explained():
            with self._http.stream("GET", path, timeout=_SAVE_PATIENCE_S) as answer:
                if answer.is_error:
                    answer.read()
                    raise HomeError(_reason(answer))
                for piece in answer.iter_raw():
                    file.write(piece)
            file.flush()
            os.fsync(file.fileno())

    def pages(self, path: str, key: str) -> Iterator[Mapping[str, Any]]:
        """Yield the entries of a listing over all its pages; raises as `call`."""
        after: dict[str, str] = {}
        while page := self.call("GET", path, None, limit=_PAGE, **after):
            yield from page
            if len(page) < _PAGE:
                return
            after = {"after": page[-1][key]}

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            raise HomeError(
                f"the platform does not answer at {self._http.base_url}; start it with: borough up"
            ) from error

    def _request(self, verb: str, path: str, **more: Any) -> httpx.Response:
        with self._explained():
            answer = self._http.request(verb, path, **more)
        if answer.is_error:
            raise HomeError(_reason(answer))
        return answer

    def issue_token(self) -> str:
        """Return a fresh token with every scope, valid for a day.

        Raises:
            HomeError: as `call`.
        """
        ours = [token["id"] for token in self.call("GET", "/tokens") if token["label"] == _LABEL]
        for oldest in ours[: max(0, len(ours) + 1 - TOKENS_IN_FORCE_MAX)]:
            with suppress(HomeError):  # another process was faster
                self.call("DELETE", f"/tokens/{oldest}")
        issued: Mapping[str, str] = self.call(
            "POST",
            "/tokens",
            {"label": _LABEL, "scopes": _SCOPES, "expires_in_s": TOKEN_LIFE_S},
        )
        return issued["token"]


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError):
        return f"the platform answered {answer.status_code}"


def local_client(home: Home, settings: Settings) -> LocalClient:
    """Return a client for the platform of this home.

    Raises:
        HomeError: the home has no keys yet.
    """
    tls = local_context(home, settings)
    return LocalClient(f"{settings.base_url}/api/v1", open_keys(home).cli, tls)
