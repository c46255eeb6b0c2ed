"""Mashups are published once, the webhook is compared with history, alarms are this run's."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable

import httpx
import pytest

from borough.demo import services as module
from borough.demo.city.measurands import SOUND
from borough.demo.city.plan import quarter
from borough.demo.platform_api import Platform
from borough.demo.receiver import Receiver
from borough.demo.services import Services
from tests.borough.demo.small_platform import SECRET, TOKEN, SmallPlatform, rfc3339

SINCE, NOW = 1_700_000_000_000, 1_700_000_060_000
ADDRESS = next(
    thing.address(channel)
    for thing in quarter()
    for channel in thing.channels
    if channel.measurand is SOUND
)


def post(url: str, *moments: int, secret: str = SECRET) -> int:
    """Deliver samples of one point as the platform does; returns the status."""
    samples = [{"address": ADDRESS, "observed_at": rfc3339(at), "value": 1.0} for at in moments]
    body = json.dumps([{"specversion": "1.0", "id": "0:1", "data": samples}]).encode()
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, b"m1.17." + body, hashlib.sha256)
    headers = {
        "webhook-id": "m1",
        "webhook-timestamp": "17",
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
    return httpx.post(url, content=body, headers=headers).status_code


def with_services(small: SmallPlatform, work: Callable[[Services], Awaitable[None]]) -> None:
    async def run(base: str) -> None:
        async with Platform(base, TOKEN) as platform:
            services = Services(platform, quarter(), lambda line: None)
            try:
                await services.start(SINCE)
                await work(services)
            finally:
                await services.end()

    with small.served() as base:
        asyncio.run(run(base))


def test_a_second_start_publishes_nothing_again() -> None:
    small = SmallPlatform()

    async def work(services: Services) -> None:
        served = await services.served(SINCE, NOW)
        assert served.mashups == {"running": 2, "outputs": 6}

    with_services(small, work)
    with_services(small, work)
    assert small.asked["POST mashups"] == 4  # two created, two published
    assert {mashup["name"] for mashup in small.mashups.values()} == {
        "Full street lights",
        "Footfall index",
    }
    assert small.subscriptions == {}


def test_what_the_webhook_never_got_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SUBSCRIBER_WAIT_S_MAX", 0.5)
    small = SmallPlatform()
    rows = [SINCE - 10, SINCE + 1_000, SINCE + 2_000, SINCE + 3_000, SINCE + 4_000]
    small.history[ADDRESS] = [(at, 1.0, "good") for at in rows]

    async def work(services: Services) -> None:
        (subscription,) = small.subscriptions.values()
        url = subscription["url"]
        # Recorded before the subscription began: the first second. Never delivered: the third.
        assert await asyncio.to_thread(post, url, SINCE - 10, SINCE + 2_000, SINCE + 4_000) == 204
        assert (await services.served(SINCE, NOW)).subscriptions == {"delivered": 3, "gaps": 1}
        await asyncio.to_thread(post, url, SINCE + 3_000)
        assert (await services.served(SINCE, NOW)).subscriptions == {"delivered": 4, "gaps": 0}

    with_services(small, work)


def test_a_webhook_that_gets_nothing_has_a_gap_for_each_sample(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SUBSCRIBER_WAIT_S_MAX", 0.3)
    small = SmallPlatform()
    small.history[ADDRESS] = [(SINCE + 5, 1.0, "good"), (SINCE + 6, 1.0, "good")]

    async def work(services: Services) -> None:
        assert (await services.served(SINCE, NOW)).subscriptions == {"delivered": 0, "gaps": 2}

    with_services(small, work)


def test_alarms_of_earlier_runs_do_not_count() -> None:
    small = SmallPlatform()
    states = ["raised", "cleared", "acknowledged", "cleared", "cleared"]
    times = [SINCE + 50, SINCE + 40, SINCE + 30, SINCE + 20, SINCE - 1]
    small.alarms = [
        {"id": 5 - number, "state": state, "raised_at": rfc3339(at)}
        for number, (state, at) in enumerate(zip(states, times, strict=True))
    ]

    async def work(services: Services) -> None:
        assert (await services.served(SINCE, NOW)).alarms == {"raised": 4, "cleared": 2}

    with_services(small, work)


def test_what_is_not_signed_by_the_platform_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = Receiver()
    try:
        receiver.trust(SECRET)
        other = "whsec_" + base64.b64encode(b"another").decode()
        assert post(receiver.url, SINCE, secret=other) == 401
        assert not receiver.came()
        monkeypatch.setattr("borough.demo.receiver.RECEIVER_BODY_BYTES_MAX", 10)
        assert post(receiver.url, SINCE) == 413
    finally:
        receiver.close()
