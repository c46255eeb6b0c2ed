from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine
from random import Random
from typing import Any

import pytest

from ciaas.kernel.sample import Kind, Reason, Verdict
from ciaas.limits import ADAPTER_CALL_S_MAX, LATENCIES_KEPT_MAX, RETRY_AFTER_S_MAX
from ciaas.sensorisation.contract import Poll
from ciaas.sensorisation.errors import (
    AuthFailed,
    DriverMissing,
    Malformed,
    RateLimited,
    Rejected,
    Unreachable,
)
from ciaas.sensorisation.polling.backoff import Backoff, Pace
from ciaas.sensorisation.polling.device import SupervisedDevice
from ciaas.sensorisation.polling.health import DeviceHealth, State
from ciaas.sensorisation.polling.link import Link
from ciaas.sensorisation.polling.schedule import Turn
from ciaas.sensorisation.ports import OutletUnavailable
from ciaas.sensorisation.runtime import ApplyError, Runtime
from tests.ciaas.sensorisation.bench import Bench, eventually

Scene = Callable[[Runtime], Awaitable[None]]


def play(bench: Bench, scene: Scene, **options: Any) -> None:
    """Run a scene with the bench's usual connection applied."""

    async def run() -> None:
        async with bench.running(**options) as runtime:
            plan = bench.plan(bench.document())
            await runtime.apply(plan, bench.ids(plan), 9)
            await scene(runtime)

    asyncio.run(run())


def device(runtime: Runtime, name: str = "red") -> DeviceHealth:
    return next(health for health in runtime.health().devices if health.device == name)


def in_state(runtime: Runtime, state: State, name: str = "red") -> Coroutine[Any, Any, None]:
    return eventually(lambda: device(runtime, name).state is state)


def counted(runtime: Runtime, error: str, times: int) -> Coroutine[Any, Any, None]:
    return eventually(lambda: device(runtime).errors.get(error, 0) >= times)


def test_readings_reach_the_stream_with_their_point_and_source(bench: Bench) -> None:
    async def scene(runtime: Runtime) -> None:
        await eventually(lambda: len(bench.outlet.rows()) >= 4)

    play(bench, scene)
    rows = bench.outlet.rows()
    assert set(rows.point.tolist()) == {1, 2} and set(rows.source.tolist()) == {9}
    assert set(rows.num.tolist()) == {100.0} and set(rows.verdict.tolist()) == {Verdict.GOOD}
    assert (rows.received == rows.observed).all() and set(rows.raw) == {None}
    assert bench.cabinets["red"].open_now == bench.cabinets["blue"].open_now == 0


def test_a_dead_device_shows_as_one_gap_and_disturbs_no_other(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def scene(runtime: Runtime) -> None:
        await in_state(runtime, State.ONLINE)
        await in_state(runtime, State.ONLINE, "blue")
        bench.cabinets["red"].mood = Unreachable("cable cut")
        await counted(runtime, "Unreachable", 5)
        assert device(runtime).state is State.BACKOFF
        assert device(runtime).last_error == "cable cut"
        assert device(runtime, "blue").errors == {}
        bench.cabinets["red"].mood = None
        await in_state(runtime, State.ONLINE)
        assert device(runtime).last_error == ""

    play(bench, scene)
    rows = bench.outlet.rows()
    red, blue = rows.select(rows.point == 1), rows.select(rows.point == 2)
    assert (red.reason == Reason.READ_ERROR).sum() == 1
    gap = red.select(red.reason == Reason.READ_ERROR)
    assert gap.kind[0] == Kind.NULL and gap.verdict[0] == Verdict.BAD
    assert (blue.reason == Reason.NONE).all()
    told = [record.getMessage() for record in caplog.records if "red" in record.getMessage()]
    assert told == ["bench-1/red: online ", "bench-1/red: backoff cable cut", told[0]]


def test_the_first_success_after_an_outage_reads_everything_at_once(bench: Bench) -> None:
    document = bench.document(cells=(0, 1))
    document["profiles"][0]["points"][1]["sampling"] = {"interval_s": 3_600, "jitter_s": 0}

    async def run() -> None:
        async with bench.running() as runtime:
            plan = bench.plan(document)
            await runtime.apply(plan, bench.ids(plan), 9)
            red = bench.cabinets["red"]
            await eventually(lambda: (1,) in red.requests)
            red.mood = Unreachable("cable cut")
            await in_state(runtime, State.BACKOFF)
            red.mood = None
            red.requests.clear()
            await eventually(lambda: (1,) in red.requests)
            await in_state(runtime, State.ONLINE)

    asyncio.run(run())


def test_refused_credentials_are_not_tried_again(bench: Bench) -> None:
    bench.cabinets["red"].cannot_open = AuthFailed("wrong key")

    async def scene(runtime: Runtime) -> None:
        await in_state(runtime, State.AUTH_FAILED)
        await eventually(lambda: device(runtime, "blue").ok >= 3)
        assert device(runtime).attempts == 1 and device(runtime).last_error == "wrong key"

    play(bench, scene)


def test_a_missing_driver_disables_the_device_and_says_so(bench: Bench) -> None:
    bench.cabinets["red"].cannot_open = DriverMissing("install borough[bench]")

    async def scene(runtime: Runtime) -> None:
        await eventually(lambda: device(runtime).last_error == "install borough[bench]")
        assert device(runtime).state is State.DISABLED and device(runtime).attempts == 1

    play(bench, scene)


def test_an_illegal_address_is_quarantined_and_tried_again_rarely(bench: Bench) -> None:
    document = bench.document(cells=(0, 1, 99))

    async def run() -> None:
        async with bench.running(quarantine_s=0.3) as runtime:
            plan = bench.plan(document)
            await runtime.apply(plan, bench.ids(plan), 9)
            await in_state(runtime, State.DEGRADED)
            assert [address[-3:] for address in device(runtime).quarantined] == ["c99"]
            bench.cabinets["red"].cells[99] = 5
            await in_state(runtime, State.ONLINE)
            assert device(runtime).quarantined == ()

    asyncio.run(run())
    rows = bench.outlet.rows()
    bad = rows.select(rows.point == 3)
    assert bad.reason[0] == Reason.READ_ERROR and 5.0 in bad.num.tolist()


def test_a_device_with_no_address_of_its_profile_is_quarantined(bench: Bench) -> None:
    bench.cabinets["red"].cells.clear()
    play(bench, lambda runtime: in_state(runtime, State.QUARANTINED))


def test_refusals_busy_answers_and_garbage_are_counted_each_under_its_name(bench: Bench) -> None:
    async def scene(runtime: Runtime) -> None:
        red = bench.cabinets["red"]
        for mood in (
            Rejected("device failure", code="4"),
            RateLimited("later", retry_after_s=0.01),
            Malformed("garbage"),
        ):
            red.mood = mood
            await counted(runtime, type(mood).__name__, 2)
            assert device(runtime).state is State.DEGRADED
        red.mood = None
        await in_state(runtime, State.ONLINE)

    play(bench, scene)


def test_a_bug_is_counted_and_restarted_with_backoff(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(runtime: Runtime) -> None:
        bench.cabinets["red"].mood = ZeroDivisionError("oops")
        await counted(runtime, "bug", 3)
        assert "oops" in device(runtime).last_error and device(runtime, "blue").errors == {}
        bench.cabinets["red"].mood = None
        await in_state(runtime, State.ONLINE)

    play(bench, scene)
    assert sum(record.exc_info is not None for record in caplog.records) == 1, "told once"


def test_a_session_is_opened_anew_after_what_may_leave_it_out_of_step(bench: Bench) -> None:
    async def scene(runtime: Runtime) -> None:
        await in_state(runtime, State.ONLINE)
        red = bench.cabinets["red"]
        assert red.opened == 1
        red.mood = Malformed("garbage")
        await eventually(lambda: red.opened >= 3)
        assert red.open_now <= 1
        red.mood = None

    play(bench, scene)


def test_devices_on_one_link_share_it_one_request_at_a_time(bench: Bench) -> None:
    document = bench.document()
    document["devices"] = [
        {
            "id": f"d{drawer}",
            "friendly_name": "Drawer",
            "profile": "drawers",
            "config": {"cabinet": "red", "drawer": drawer},
        }
        for drawer in range(8)
    ]

    async def run() -> None:
        async with bench.running() as runtime:
            plan = bench.plan(document)
            await runtime.apply(plan, bench.ids(plan), 9)
            await eventually(lambda: all(d.ok >= 2 for d in runtime.health().devices))

    asyncio.run(run())
    red = bench.cabinets["red"]
    assert (red.opened, red.reading_most) == (1, 1)


def test_a_lost_stream_does_not_stop_polling_and_nothing_is_lost(bench: Bench) -> None:
    bench.outlet.refusal = OutletUnavailable("no broker")

    async def scene(runtime: Runtime) -> None:
        await eventually(lambda: device(runtime).ok >= 5)
        await eventually(lambda: runtime.health().spool.samples >= 5)
        assert runtime.health().outlet_error == "no broker"

    play(bench, scene)
    left = len(bench.outlet.ids)
    assert left == 0
    bench.outlet.refusal = None

    async def idle(runtime: Runtime) -> None:
        await eventually(lambda: runtime.health().spool.frames == 0)

    play(bench, idle)
    numbers = [int(message_id.rsplit(":", 1)[1]) for message_id in bench.outlet.ids]
    assert numbers == list(range(1, len(numbers) + 1)), "a restart continues where it stopped"


def test_applying_the_same_again_disturbs_nothing(bench: Bench) -> None:
    async def scene(runtime: Runtime) -> None:
        await in_state(runtime, State.ONLINE)
        tasks = asyncio.all_tasks()
        plan = bench.plan(bench.document())
        applied = await runtime.apply(plan, bench.ids(plan), 9)
        assert applied.kept == ("red", "blue")
        assert not (applied.started or applied.stopped or applied.restarted)
        assert asyncio.all_tasks() == tasks and bench.cabinets["red"].opened == 1

    play(bench, scene)


def test_only_the_devices_that_changed_are_restarted(bench: Bench) -> None:
    async def scene(runtime: Runtime) -> None:
        document = bench.document()
        document["devices"][0]["config"]["drawer"] = 3
        document["devices"][0]["friendly_name"] = "Scarlet"
        document["devices"][1] |= {"id": "green", "uuid": plan_uuid(bench, 1)}
        plan = bench.plan(document)
        applied = await runtime.apply(plan, bench.ids(plan), 9)
        assert (applied.restarted, applied.started, applied.stopped) == (
            ("red",),
            ("green",),
            ("blue",),
        )
        await eventually(lambda: device(runtime, "green").ok >= 1)

    play(bench, scene)


def plan_uuid(bench: Bench, number: int) -> str:
    return bench.plan(bench.document()).devices[number].endpoint


def test_what_cannot_be_applied_leaves_the_old_running(bench: Bench) -> None:
    async def scene(runtime: Runtime) -> None:
        await in_state(runtime, State.ONLINE)
        plan = bench.plan(bench.document(cells=(0, 1)))
        ids = bench.ids(plan)
        ids.popitem()
        with pytest.raises(ApplyError, match="enrol again"):
            await runtime.apply(plan, ids, 9)
        before = device(runtime).ok
        await eventually(lambda: device(runtime).ok > before)

    play(bench, scene)


def test_a_connection_switched_off_shows_as_disabled_and_is_not_polled(bench: Bench) -> None:
    async def scene(runtime: Runtime) -> None:
        await in_state(runtime, State.ONLINE)
        plan = bench.plan(bench.document())
        await runtime.apply(plan, bench.ids(plan), 9, enabled=False)
        assert {health.state for health in runtime.health().devices} == {State.DISABLED}
        assert bench.cabinets["red"].open_now == 1, "the link stays known"
        await runtime.remove("bench-1")
        assert runtime.health().devices == () and bench.cabinets["red"].open_now == 0
        await runtime.remove("bench-1")

    play(bench, scene)


def test_points_gone_stale_are_named(bench: Bench) -> None:
    document = bench.document()
    document["profiles"][0]["points"][0]["validity"] = {"stale_after_s": 0.2}

    async def run() -> None:
        async with bench.running() as runtime:
            plan = bench.plan(document)
            await runtime.apply(plan, bench.ids(plan), 9)
            await in_state(runtime, State.ONLINE)
            bench.cabinets["red"].mood = Unreachable("cable cut")
            await eventually(lambda: len(device(runtime).stale) == 1)
            assert device(runtime, "blue").stale == ()

    asyncio.run(run())


def test_stopping_in_the_middle_of_a_read_ends_cleanly(bench: Bench) -> None:
    async def scene(runtime: Runtime) -> None:
        await in_state(runtime, State.ONLINE)
        red = bench.cabinets["red"]
        red.mute.clear()
        await eventually(lambda: red.reading == 1)

    play(bench, scene)
    assert bench.cabinets["red"].open_now == 0


def test_a_call_that_never_returns_is_cut_off(bench: Bench) -> None:
    async def run() -> None:
        adapter = bench.adapters["bench"]()
        assert isinstance(adapter, Poll)
        planned = bench.plan(bench.document()).devices[0]
        batch = adapter.plan(planned.config, [planned.points[0].target])[0]
        backoff = Backoff(Random(1), Pace(0.01, 0.02))
        link = Link(adapter, planned.config, backoff, call_s_max=0.05)
        red = bench.cabinets["red"]
        red.mute.clear()
        with pytest.raises(Unreachable, match=r"no answer within 0.05 s"):
            await link.read(batch)
        assert red.open_now == 0
        red.mute.set()
        assert await link.read(batch)
        await link.close()

    assert ADAPTER_CALL_S_MAX == inspect.signature(Link).parameters["call_s_max"].default
    asyncio.run(run())


def test_a_dead_link_is_tried_once_for_all_its_devices(bench: Bench) -> None:
    async def run() -> None:
        adapter = bench.adapters["bench"]()
        assert isinstance(adapter, Poll)
        planned = bench.plan(bench.document()).devices[0]
        batch = adapter.plan(planned.config, [planned.points[0].target])[0]
        link = Link(adapter, planned.config, Backoff(Random(1), Pace(30.0, 60.0)))
        red = bench.cabinets["red"]
        red.cannot_open = Unreachable("no route")
        with pytest.raises(Unreachable, match="no route"):
            await link.read(batch)
        red.cannot_open = None
        for _ in range(5):
            with pytest.raises(Unreachable, match="no route"):
                await link.read(batch)
        assert red.opened == 0

    asyncio.run(run())


@pytest.mark.parametrize(
    ("asked_s", "wait_s"), [(0.0, 0.01), (5.0, 5.0), (10 * RETRY_AFTER_S_MAX, RETRY_AFTER_S_MAX)]
)
def test_a_device_is_left_alone_as_long_as_it_asks_within_reason(
    bench: Bench, asked_s: float, wait_s: float
) -> None:
    async def scene(runtime: Runtime) -> None:
        running = runtime._connections["bench-1"]["red"].device
        assert isinstance(running, SupervisedDevice)
        await in_state(runtime, State.ONLINE)
        await running.stop()
        bench.cabinets["red"].mood = RateLimited("later", retry_after_s=asked_s)
        assert await running._turn(Turn(0, 0.0)) == wait_s

    play(bench, scene)


def test_latencies_are_kept_up_to_a_bound(bench: Bench) -> None:
    async def scene(runtime: Runtime) -> None:
        await in_state(runtime, State.ONLINE)
        running = runtime._connections["bench-1"]["red"].device
        assert isinstance(running, SupervisedDevice)
        running._tally.latencies_s.extend([1.0] * (LATENCIES_KEPT_MAX + 10))
        assert len(running._tally.latencies_s) == LATENCIES_KEPT_MAX
        assert device(runtime).p50_ms == 1_000.0

    play(bench, scene)
