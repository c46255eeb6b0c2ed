"""The client: everything an app asks of the platform, by one object."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from borough_client.commands import Command
from borough_client.errors import NotVerified
from borough_client.limits import (
    COMMAND_WAIT_S_MAX,
    OBSERVATIONS_PER_REQUEST,
    PAGE_ROWS,
)
from borough_client.live import Event, as_params, follow
from borough_client.observations import Observations, Stored, Value
from borough_client.tables import Table
from borough_client.transport import Transport


class Client(Transport):
    """A platform as one token sees it. Use it in a ``with`` block, or call `close`.

    ::

        with Client("https://city.example", token) as city:
            print(city.value("…/Weather/air/temperature"))
    """

    # -- what is there

    def search(self, text: str | None = None, **filter: Any) -> Iterator[dict[str, Any]]:
        """Yield points that a filter holds for, each with its newest sample, page after page.

        Args:
            text: Words that names, addresses, tags or descriptions hold.
            **filter: ``class_``, ``tag``, ``unit``, ``address``, ``near``, ``box``, ``value``,
                ``state``, ``silent`` and so on; a list stands for alternatives.
        """
        params = as_params({"text": text, **filter})
        after: str | None = None
        while True:
            asked = {**params, "limit": PAGE_ROWS, "after": after}
            page = self.ask("GET", "/search", params=asked).json()
            yield from page["hits"]
            after = page["next"]
            if after is None:
                return

    def last(self, address: str) -> dict[str, Any]:
        """Return the newest sample of a point: value, observed_at, verdict, and so on."""
        found: dict[str, Any] = self.ask("GET", f"/data/{quote(address)}").json()
        return found

    def value(self, address: str) -> Any:
        """Return the newest value of a point, None when it never had one."""
        return self.last(address)["value"]

    # -- what was

    def history(
        self,
        address: str,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        last: timedelta | None = None,
        rows: int = 100_000,
        zone: str = "UTC",
    ) -> Table:
        """Return samples of a point with the columns time, value, verdict and reason.

        Args:
            address: Of the point.
            start: Aware; None is as far back as there is.
            end: Aware, included; None is now.
            last: So long until now, in place of ``start``.
            rows: At most so many, the oldest; then the table is `truncated`.
            zone: IANA name of the zone that the times are written in, such as ``Europe/Zurich``.

        Raises:
            ValueError: a time has no zone, or the zone is none.
        """
        times = _zone(zone)
        if last is not None:
            start = datetime.now(UTC) - last
        params = {"from": _moment(start), "to": _moment(end), "max": rows}
        answer = self.ask("GET", f"/history/{quote(address)}", params=params)
        samples = answer.json()
        columns = {
            name: [sample.get(name) for sample in samples]
            for name in ("time", "value", "verdict", "reason")
        }
        if zone != "UTC":
            columns["time"] = [_in_zone(text, times) for text in columns["time"]]
        return Table(columns, zone, truncated="Borough-Truncated" in answer.headers)

    def query(self, document: Mapping[str, Any]) -> Table:
        """Return the table of a structured query; the page on queries describes the document."""
        # It changes nothing, so that it may be asked again though it is sent by POST.
        answer = self.ask("POST", "/query", body=dict(document), again=True).json()
        return Table(answer["columns"], zone=answer["zone"])

    # -- what comes

    def live(self, after: str | None = None, **filter: Any) -> Iterator[Event]:
        """Yield what is recorded from now on, or after an id, for ever.

        Breaks are bridged: the feed goes on after the last event. Keep `Event.id` to resume after
        a restart of the app.

        Args:
            after: Id of the last event that was dealt with; None begins now.
            **filter: As `search`; besides ``event`` (samples, alarm) and ``every`` (seconds).
        """
        return follow(self, as_params(filter), after=after, sleep=self._sleep)

    # -- what shall be

    def command(
        self,
        address: str,
        value: bool | int | float | str,
        *,
        key: str,
        wait_s: float = 0.0,
        ttl_s: float | None = None,
    ) -> Command:
        """Set a point; returns the command when it has ended, or after the wait.

        Args:
            address: Of a set point or a parameter.
            value: What it shall be.
            key: Idempotency key: the same again returns the command that there is, so that a
                repetition sends nothing twice. Take a fresh one, such as a UUID, for each wish.
            wait_s: How long to wait for its end.
            ttl_s: After so long it is no longer sent; None takes the point's own.

        Raises:
            Rejected: it was not sent, and the detail says why.
        """
        deadline = time.monotonic() + wait_s
        body = {"value": value} | ({} if ttl_s is None else {"ttl_s": ttl_s})
        while True:
            left_s = max(0.0, deadline - time.monotonic())
            answer = self.ask(
                "PUT",
                f"/data/{quote(address)}",
                params={"wait": min(left_s, COMMAND_WAIT_S_MAX - 5)},
                body=body,
                headers={"Idempotency-Key": key},
            )
            command = Command.of(answer.json())
            if command.ended or time.monotonic() >= deadline:
                return command

    def set(
        self,
        address: str,
        value: bool | int | float | str,
        *,
        wait_s: float = 30.0,
        ttl_s: float | None = None,
        key: str | None = None,
    ) -> Command:
        """Set a point and return once its device has confirmed the value: the command is verified.

        Args:
            address: Of a set point or a parameter.
            value: What it shall be.
            wait_s: How long to wait for the device.
            ttl_s: After so long it is no longer sent; None takes the point's own.
            key: As of `command`; None takes a fresh one, so that each call is a wish of its own.

        Raises:
            Rejected: it was not sent, and the detail says why.
            NotVerified: the device did not confirm it, or not yet; the error has the command.
        """
        wish = key or str(uuid.uuid4())
        command = self.command(address, value, key=wish, wait_s=wait_s, ttl_s=ttl_s)
        if not command.verified:
            raise NotVerified(command)
        return command

    def command_of(self, id: str) -> Command:
        """Return a command as it is now."""
        return Command.of(self.ask("GET", f"/commands/{quote(id)}").json())

    def observe(self, samples: Sequence[tuple[str, Value, datetime | float | None]]) -> Stored:
        """Store an app's own samples: address, value, time; returns when they are on disk."""
        with self.observations() as sending:
            for address, value, at in samples:
                sending.add(address, value, at)
        parts, offset, refused = sending.sent, 0, []
        for part in parts:
            refused += [{**one, "index": one["index"] + offset} for one in part.refused]
            offset += OBSERVATIONS_PER_REQUEST
        return Stored(
            sum(part.stored for part in parts), sum(part.repeats for part in parts), refused
        )

    def observations(self, batch: int = OBSERVATIONS_PER_REQUEST) -> Observations:
        """Return what gathers samples and sends them in batches; use it in a ``with`` block."""
        return Observations(self, batch)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"{name!r} is no zone that is known here: give an IANA name such as Europe/Zurich, "
            "and install the package tzdata where the system has no zones"
        ) from error


def _in_zone(text: str, zone: ZoneInfo) -> str:
    return datetime.fromisoformat(text).astimezone(zone).isoformat(timespec="milliseconds")


def _moment(time: datetime | None) -> str | None:
    if time is None:
        return None
    if time.tzinfo is None:
        raise ValueError(f"{time} has no zone: give an aware time")
    return time.astimezone(UTC).isoformat(timespec="milliseconds")
