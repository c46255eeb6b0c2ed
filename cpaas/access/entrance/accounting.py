"""Leaves a record of every request before it is answered."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cpaas.access.city import City
from cpaas.access.entrance.acts import LOOKS, act_of
from cpaas.access.entrance.recorder import Recorder
from cpaas.access.entrance.redaction import redacted
from cpaas.access.problems import answer
from cpaas.limits import RECORD_OWED_MAX
from security.aaa.acts import Act

log = logging.getLogger(__name__)

_UNRECORDED = frozenset({"/api/v1/health"})
"""Asked each second by supervision; it tells nothing of the city."""
_NUMBERS = "points"
"""Ranges of numbers that the platform made: bounded, and worth nothing when cut."""
_RETRY = {"Retry-After": "5"}


class Accounting:
    """ASGI middleware: who asked for what, when, and what was answered. Reads too.

    While entries cannot be written, reads go on and their entries are owed; what would change
    something is refused before it begins, until all that is owed is on disk. A change that meets
    the first failure is answered 503 too.

    """

    def __init__(self, app: ASGIApp, city: City) -> None:
        self._app, self._recorder = app, Recorder(city.record)
        self._outage, self._mask = city.assurance.outage, city.assurance.mask
        self._owed: list[Mapping[str, Any]] = []
        self._uncounted = 0
        """Entries beyond RECORD_OWED_MAX."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; record it when the answer begins."""
        if scope["type"] != "http" or scope["path"] in _UNRECORDED:
            await self._app(scope, receive, send)
            return
        scope["state"] = {}
        if self._outage.failing and not _only_looks(scope) and not await self._settle():
            self._owe(self._entry(scope, HTTPStatus.SERVICE_UNAVAILABLE))
            refusal = answer(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "the record of accesses cannot be written, so nothing may be changed; "
                "make room on the disk of the home",
                _RETRY,
            )
            await refusal(scope, receive, send)
            return
        await self._pass_on(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = refused = False

        async def recorded(message: Message) -> None:
            nonlocal begun, refused
            if message["type"] == "http.response.start":
                begun = True
                entry = self._entry(scope, message["status"])
                refused = not await self._settle(entry) and not _only_looks(scope)
                if refused:
                    refusal = answer(
                        HTTPStatus.SERVICE_UNAVAILABLE,
                        "this change could not be recorded and is not answered; look whether it "
                        "was made, and try again later",
                        _RETRY,
                    )
                    await refusal(scope, receive, send)
            if not refused:
                await send(message)

        try:
            await self._app(scope, receive, recorded)
        except Exception:  # a fault of ours is an access too: it is recorded and told as any other
            if begun:
                raise
            log.exception("%s %s failed", scope["method"], redacted(scope["path"]))
            sorry = answer(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "the platform failed on this request; its log says why",
            )
            await sorry(scope, receive, recorded)

    async def _settle(self, entry: Mapping[str, Any] | None = None) -> bool:
        """Write what is owed, and the entry; False when the record cannot be written."""
        entries, self._owed = self._owed, []
        if self._uncounted:
            entries.append({"kind": "accesses-not-kept", "count": self._uncounted})
        uncounted, self._uncounted = self._uncounted, 0
        if entry is not None:
            entries.append(entry)
        try:
            await self._recorder.append(entries)
        except OSError as error:
            if not self._outage.failing:
                log.error("changes are refused until the record can be written: %s", error)
            self._outage.failed()
            self._uncounted += uncounted
            for owed in entries:
                if "status" in owed:
                    self._owe(owed)
            return False
        self._outage.ended()
        return True

    def _owe(self, entry: Mapping[str, Any]) -> None:
        if len(self._owed) < RECORD_OWED_MAX:
            self._owed.append(entry)
        else:
            self._uncounted += 1

    def _entry(self, scope: Scope, status: int) -> Mapping[str, Any]:
        state, mask = scope["state"], self._mask
        entry: dict[str, Any] = {
            "kind": "access",
            "act": act_of(scope["method"], scope["path"]).value,
            "who": state.get("who", ""),
            "from": (scope.get("client") or ("", 0))[0],
            "verb": scope["method"][:16],
            "path": redacted(scope["path"], mask),
            "status": int(status),
        }
        if query := scope["query_string"]:
            entry["query"] = redacted(query.decode(errors="replace"), mask)
        if (token := state.get("token")) is not None:
            entry["token"] = token
        if application := state.get("app"):
            entry["app"] = application
        if projects := state.get("projects"):
            entry["projects"] = sorted(projects)
        if about := state.get("about"):
            entry["about"] = {
                key: redacted(value, mask) if isinstance(value, str) and key != _NUMBERS else value
                for key, value in about.items()
            }
        return entry


def _only_looks(scope: Scope) -> bool:
    """Tell whether a request changes nothing: a posted question too, no certificate by GET."""
    act = act_of(scope["method"], scope["path"])
    return act is Act.READ or (scope["method"] in LOOKS and act is not Act.ADMINISTRATION)
