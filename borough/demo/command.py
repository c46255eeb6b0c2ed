"""``borough demo``: starts the platform, brings the quarter to life, draws the account."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import signal
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from borough.home import Home, HomeError
from borough.platform import Starting, starting
from borough.roles.watch import describe, free_port
from borough.settings import Listen, Settings

if TYPE_CHECKING:
    from borough.demo.quarter import Summary


def demo(home: Home, settings: Settings, seconds: float | None, as_json: bool) -> int:
    """Run the demo; returns 0 unless something was lost or doubled.

    Raises:
        HomeError: the platform or the demo could not start; one sentence.
    """
    began = time.monotonic()
    # The quarter's feeds are on this machine, and what is read over HTTP must be public otherwise.
    allowed = (*settings.outgoing_allow, "127.0.0.1/32")
    # Its devices renew their certificates, as those of a city do.
    est = settings.est or Listen("127.0.0.1", free_port())
    # The quarter is a project of its own beside that of the city.
    told = {"outgoing_allow": allowed, "est": est, "mode": "public"}
    settings = settings.model_copy(update=told)
    with starting(home, settings) as coming:
        # Imported while the platform starts: together these take a second of processor time.
        from borough.demo.children import ChildError
        from borough.demo.platform_api import PlatformError
        from borough.demo.recordings.wheels import RecordingsError

        try:
            summary = asyncio.run(_run(home, settings, coming, seconds, began))
        except (RecordingsError, PlatformError, ChildError) as error:
            raise HomeError(str(error)) from error
        roles = {name: role["state"] for name, role in describe(home)["roles"].items()}
    if as_json:
        facts = dataclasses.asdict(summary) | {
            "roles": roles,
            "http": settings.base_url,
            "home": str(home.path),
        }
        click.echo(json.dumps(facts))
    else:
        click.echo(_account(summary))
    return 1 if summary.lost or summary.duplicates else 0


async def _run(
    home: Home, settings: Settings, coming: Starting, seconds: float | None, began: float
) -> Summary:
    from borough.client import local_client
    from borough.demo.quarter import Site, run_demo

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    def token() -> str:
        coming.wait_ready()
        with local_client(home, settings) as client:
            return client.issue_token()

    async def let_in() -> str:
        issued = await asyncio.to_thread(token)
        if seconds is None:
            _say_where(settings)
        return issued

    site = Site(
        http=settings.base_url,
        mqtts=(settings.mqtts.host, settings.mqtts.port),
        let_in=let_in,
        est=None if settings.est is None else f"https://127.0.0.1:{settings.est.port}",
        authority=(settings.https_cert or home.authority / "ca.pem") if settings.secure else None,
    )
    return await run_demo(site, home.path, seconds, stop, began=began)


def _say_where(settings: Settings) -> None:
    base = f"{settings.base_url}/api/v1"
    click.echo(
        "The quarter comes to life; Ctrl-C ends it with its account. Meanwhile, in a browser:\n"
        f"  {settings.base_url}\n"
        "In another shell:\n"
        "  export TOKEN=$(./run token --admin)\n"
        f'  curl -H "Authorization: Bearer $TOKEN" {base}/endpoints\n'
        f'  curl -H "Authorization: Bearer $TOKEN" {base}/status\n'
        "  ./run status",
        err=True,
    )


def _account(summary: Summary) -> str:
    latency = summary.latency_ms
    return (
        f"{summary.endpoints} endpoints of {summary.device_kinds} kinds, {summary.points} points\n"
        f"{summary.sent} samples sent, {summary.acked} acknowledged, {summary.stored} stored, "
        f"{summary.lost} lost, {summary.duplicates} doubled\n"
        f"{summary.polled} samples polled, {summary.gaps} gaps; {summary.quarantined} set aside\n"
        f"commands: {_counted(summary.commands)}; alarms: {_counted(summary.alarms)}\n"
        f"mashups: {_counted(summary.mashups)}; webhook: {_counted(summary.subscriptions)}\n"
        f"first sample readable after {summary.first_sample_s:.1f} s; publish to answer: "
        f"p50 {latency['p50']} ms, p99 {latency['p99']} ms"
    )


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"
