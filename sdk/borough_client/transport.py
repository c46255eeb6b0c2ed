"""Requests with a token, tried again where that can do no harm."""

from __future__ import annotations

import json
import os
import random
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

import httpx

from borough_client.errors import NotTrusted, Unreachable, refused
from borough_client.limits import RETRY_S_MAX, RETRY_S_MIN, TIMEOUT_S, TRIES_MAX

Params = Mapping[str, Any]

_LATER = frozenset({429, 502, 503, 504})
_SAFE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
"""Verbs that may be repeated: asking twice does what asking once does."""


class Transport:
    """One platform, as one token sees it; any thread may use it.

    Args:
        url: Of the platform, such as ``https://city.example``; the path of the API is added.
        token: ``bor_…``; it is sent in a header and never in a URL.
        ca: Whose certificates are trusted: a PEM file, such as ``authority/ca.pem`` of an
            installation with its own authority, or a context of your own. None takes the
            authorities of this system.
        timeout_s: Of one answer.
        sleep: Waits between tries; tests give their own.

    Raises:
        ValueError: the file of ``ca`` is not there, or holds no certificate.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        ca: str | os.PathLike[str] | ssl.SSLContext | None = None,
        timeout_s: float = TIMEOUT_S,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self._sleep = sleep
        self._http = httpx.Client(
            base_url=f"{url.rstrip('/')}/api/v1",
            headers={"Authorization": f"Bearer {token}", "User-Agent": "borough-client/0.1"},
            timeout=timeout_s,
            verify=_trusting(ca),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all connections."""
        self._http.close()

    def ask(
        self,
        verb: str,
        path: str,
        *,
        params: Params | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        again: bool | None = None,
    ) -> httpx.Response:
        """Return an answer that is none of a problem.

        Args:
            verb: Of HTTP.
            path: Below ``/api/v1``.
            params: Of the query; None values are left out.
            body: Sent as JSON; None sends none.
            headers: Further ones.
            again: Whether the request may be repeated; None decides by the verb. A request that
                carries an idempotency key may be.

        Raises:
            Refused: the platform said no.
            NotTrusted: whoever answers is not known to be the platform.
            Unreachable: no answer after all tries.
        """
        may_repeat = verb in _SAFE if again is None else again
        asked = {key: value for key, value in (params or {}).items() if value is not None}
        last, wait_s = "nobody answers", 0.0
        for number in range(TRIES_MAX if may_repeat else 1):
            if number:
                self._sleep(wait_s)
            wait_s = backoff_s(number)
            try:
                answer = self._http.request(
                    verb, path, params=asked, json=body, headers=dict(headers or {})
                )
            except httpx.TransportError as error:
                _check_trusted(error)
                last = f"{type(error).__name__}: {error}"
                continue
            if answer.status_code not in _LATER:
                return _checked(answer)
            last = str(refused(answer.status_code, _problem(answer)))
            wait_s = max(wait_s, retry_after_s(answer.headers.get("Retry-After")))
        raise Unreachable(f"{verb} {path}: {last}")

    @contextmanager
    def stream(
        self, path: str, params: Params, headers: Mapping[str, str], silence_s: float
    ) -> Iterator[Iterator[str]]:
        """Open a stream of lines for the length of a block; it is tried once.

        Raises:
            Refused: the platform said no.
            NotTrusted: whoever answers is not known to be the platform.
            Unreachable: nobody answers, or the platform says later; the block may see
                `httpx.TransportError` when the stream breaks off.
        """
        timeout = httpx.Timeout(TIMEOUT_S, read=silence_s)
        try:
            with self._http.stream(
                "GET", path, params=dict(params), headers=dict(headers), timeout=timeout
            ) as answer:
                if answer.status_code != httpx.codes.OK:
                    answer.read()
                    if answer.status_code in _LATER:
                        raise Unreachable(str(refused(answer.status_code, _problem(answer))))
                    _checked(answer)
                yield answer.iter_lines()
        except httpx.TransportError as error:
            _check_trusted(error)
            raise Unreachable(f"{path}: {type(error).__name__}: {error}") from error


def backoff_s(number: int) -> float:
    """Return how long to wait after so many tries, spread so that clients do not come at once."""
    longest_s: float = min(RETRY_S_MAX, RETRY_S_MIN * 2**number)
    return longest_s * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


def retry_after_s(header: str | None) -> float:
    """Return the seconds that the platform asks to wait, 0 when it asks for none."""
    if not header:
        return 0.0
    try:
        wait_s = float(header)
    except ValueError:
        try:
            wait_s = parsedate_to_datetime(header).timestamp() - time.time()
        except ValueError:
            return 0.0
    return min(max(wait_s, 0.0), RETRY_S_MAX)


def _trusting(ca: str | os.PathLike[str] | ssl.SSLContext | None) -> ssl.SSLContext:
    if isinstance(ca, ssl.SSLContext):
        return ca
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(
            f"{ca} holds no certificate of an authority ({error}); give the authority/ca.pem "
            "of the platform's home"
        ) from error


def _check_trusted(error: BaseException) -> None:
    """Raise NotTrusted when a request failed by the certificate: another try would do no better."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise NotTrusted(
                f"the platform's certificate is not trusted ({cause.verify_message}); if it has an "
                "authority of its own, give its authority/ca.pem as ca="
            ) from error
        cause = cause.__cause__ or cause.__context__


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    raise refused(answer.status_code, _problem(answer))


def _problem(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        problem = answer.json()
    except json.JSONDecodeError:
        return {}
    return problem if isinstance(problem, dict) else {}
