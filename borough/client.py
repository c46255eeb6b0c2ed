"""The command line's way to the API: the secret of the key file, over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import httpx

from borough.home import Home, HomeError
from borough.settings import Settings
from borough.wiring import open_keys

TOKEN_LIFE_S = 86_400
_SCOPES = ("read", "write", "configure", "grant", "admin")


class LocalClient:
    """Calls the API of this machine as its local automation."""

    def __init__(self, base_url: str, secret: str):
        self._http = httpx.Client(
            base_url=base_url, headers={"Authorization": f"Bearer {secret}"}, timeout=30.0
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
        try:
            answer = self._http.request(verb, path, json=body, params=query or None)
        except httpx.TransportError as error:
            raise HomeError(
                f"the platform does not answer at {self._http.base_url}; start it with: borough up"
            ) from error
        if answer.is_error:
            raise HomeError(_reason(answer))
        if answer.status_code == HTTPStatus.NO_CONTENT:
            return None
        return answer.json()

    def issue_token(self) -> str:
        """Return a fresh token with every scope, valid for a day."""
        issued: Mapping[str, str] = self.call(
            "POST",
            "/tokens",
            {"label": "command line", "scopes": _SCOPES, "expires_in_s": TOKEN_LIFE_S},
        )
        return issued["token"]


def local_client(home: Home, settings: Settings) -> LocalClient:
    """Return a client for the platform of this home.

    Raises:
        HomeError: the home has no keys yet.
    """
    return LocalClient(f"http://{settings.http}/api/v1", open_keys(home).cli)


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError):
        return f"the platform answered {answer.status_code}"
