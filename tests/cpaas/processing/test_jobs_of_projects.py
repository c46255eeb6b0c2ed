"""Scheduled jobs: documents, runs, rights at each run, restarts, what is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ciaas.computing.jobs import Cause, Job, JobRun, Outcome
from ciaas.kernel.address import PointAddress
from ciaas.limits import JOB_RUNS_KEPT_MAX, JOBS_PER_PROJECT_MAX
from ciaas.ports import Conflict
from cpaas import limits
from cpaas.processing.jobs.jobs import Jobs
from cpaas.processing.jobs.runner import Runner
from cpaas.processing.jobs.schedule import next_ms, trigger
from tests.cpaas.conftest import House

START = 1_700_000_000


def document(address: str, **changed: Any) -> dict[str, Any]:
    return {
        "name": "hourly",
        "query": {
            "select": {"addresses": [address]},
            "interval": {"from": "2023-11-14", "to": "2023-11-16"},
            "measures": ["count"],
        },
        "schedule": {"every": "1h"},
        "target": {"key": "reports/{date}/{time}.csv"},
    } | changed


@pytest.fixture
def address(house: House) -> str:
    point = f"{house.endpoint()}/Lamp/meter/power"
    assert house.observe((point, 1.0, START), (point, 2.0, START + 60)).status_code == 201
    return point


@pytest.fixture
def working(house: House) -> Iterator[Jobs]:
    jobs = house.city.processing.jobs
    jobs.start()
    yield jobs
    jobs.stop()


def add(house: House, address: str, client: Any = None, **changed: Any) -> str:
    made = (client or house.client()).post("/jobs", json=document(address, **changed))
    assert made.status_code == 201, made.text
    id_: str = made.json()["id"]
    return id_


def runs(house: House, id_: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = house.client().get(f"/jobs/{id_}/runs").json()
    return found


def until(asked: Callable[[], Any]) -> Any:
    pause = threading.Event()
    for _ in range(200):
        if answer := asked():
            return answer
        pause.wait(0.05)
    raise AssertionError("it did not come")


def ended(house: House, id_: str, count: int = 1) -> list[dict[str, Any]]:
    def done() -> Any:
        found = runs(house, id_)
        return len(found) >= count and all(run["ended_at"] for run in found) and found

    found: list[dict[str, Any]] = until(done)
    return found


def test_a_job_stores_the_answer_of_its_query(house: House, address: str, working: Jobs) -> None:
    id_ = add(house, address)
    assert house.client().post(f"/jobs/{id_}/runs").status_code == 202
    [run] = ended(house, id_)
    assert (run["outcome"], run["cause"], run["detail"]) == ("succeeded", "request", "")
    stored = house.client().get(f"/objects/city/{run['key']}")
    assert stored.headers["Content-Type"].startswith("text/csv")
    assert stored.text.splitlines()[0] == '"time","series","count"' or stored.text.startswith(
        "time"
    )
    assert stored.text.splitlines()[1].endswith(",2")
    entry = next(e for e in house.recorded() if e["verb"] == "RUN")
    point = house.city.catalogue.by_address(PointAddress(address))
    assert point is not None
    assert entry["path"] == f"/api/v1/jobs/{id_}"
    assert entry["about"] == {
        "reads": True,
        "points": str(point.id),
        "count": 1,
        "object": run["key"],
    }


def test_a_job_runs_when_it_is_due(house: House, address: str) -> None:
    id_ = add(house, address)
    house.registry.jobs.put_off(id_, house.city.clock.now_ms() + 300)
    jobs = house.city.processing.jobs
    jobs.start()
    [run] = ended(house, id_)
    assert (run["cause"], run["outcome"]) == ("schedule", "succeeded")
    job = house.registry.jobs.job(id_)
    assert job is not None and job.due_at is not None
    assert job.due_at > house.city.clock.now_ms()
    jobs.stop()


@pytest.mark.parametrize(("missed", "outcome"), [("run", "succeeded"), ("skip", "skipped")])
def test_a_time_that_passed_while_the_platform_was_down(
    house: House, address: str, missed: str, outcome: str
) -> None:
    id_ = add(house, address, missed=missed)
    house.registry.jobs.put_off(id_, house.city.clock.now_ms() - 3_600_000)
    jobs = house.city.processing.jobs
    jobs.start()
    [run] = ended(house, id_)
    assert (run["cause"], run["outcome"]) == ("missed", outcome)
    job = house.registry.jobs.job(id_)
    assert job is not None and job.due_at is not None
    assert job.due_at > house.city.clock.now_ms()
    jobs.stop()


def test_a_run_that_a_crash_broke_off_is_told(house: House, address: str) -> None:
    id_ = add(house, address)
    assert house.registry.jobs.begin(id_, Cause.SCHEDULE, 1) is not None
    house.city.processing.jobs.start()
    [run] = runs(house, id_)
    assert run["outcome"] == "interrupted"
    house.city.processing.jobs.stop()


def test_rights_are_looked_at_anew_for_each_run(house: House, address: str, working: Jobs) -> None:
    grants = {"project:city": "WRITE"}
    owner = house.user("job.owner", grants)
    id_ = add(house, address, owner)
    owner.post(f"/jobs/{id_}/runs")
    assert ended(house, id_)[0]["outcome"] == "succeeded"
    house.grant("job.owner", address, "DENY")
    house.client().post(f"/jobs/{id_}/runs")
    run = ended(house, id_, 2)[0]
    assert (run["outcome"], run["key"]) == ("refused", None)
    house.grant("job.owner", "project:city", "READ")
    house.client().post(f"/jobs/{id_}/runs")
    run = ended(house, id_, 3)[0]
    assert (run["outcome"], "no longer holds WRITE" in run["detail"]) == ("refused", True)
    assert house.client().patch("/users/job.owner", json={"disabled": True}).status_code == 200
    house.client().post(f"/jobs/{id_}/runs")
    run = ended(house, id_, 4)[0]
    assert (run["outcome"], "no longer sign in" in run["detail"]) == ("refused", True)


def test_whoever_changes_a_job_is_its_owner(house: House, address: str) -> None:
    id_ = add(house, address)
    writer = house.user("job.writer", {"project:city": "WRITE"})
    changed = writer.put(f"/jobs/{id_}", json=document(address, enabled=False))
    assert (changed.json()["owner"], changed.json()["due_at"]) == ("job.writer", None)


def test_a_token_gets_nothing_through_a_job(house: House, address: str) -> None:
    from security.aaa.tokens import Scope

    few = frozenset({Scope.CONFIGURE, Scope.READ})
    client = house.user("configurer", {"project:city": "OWN"}, few)
    refused = client.post("/jobs", json=document(address))
    assert (refused.status_code, "needs write too" in refused.text) == (403, True)


def test_jobs_are_for_who_may_write_in_their_project(house: House, address: str) -> None:
    id_ = add(house, address)
    reader = house.user("job.reader", {"project:city": "READ"})
    assert reader.get("/jobs").json() == []
    assert reader.get(f"/jobs/{id_}").status_code == 403
    assert reader.post("/jobs", json=document(address)).status_code == 403
    assert len(house.client().get("/jobs", params={"project": "city"}).json()) == 1
    assert house.client().delete(f"/jobs/{id_}").status_code == 204
    assert house.client().get(f"/jobs/{id_}").status_code == 404
    assert house.client().get("/jobs/x").status_code == 404


def test_old_objects_of_a_job_make_way(house: House, address: str, working: Jobs) -> None:
    target = {"key": "n/{date}.json", "form": "json", "keep": 2}
    id_ = add(house, address, target=target)
    runner = working._runner
    job = working.job(id_)
    # As if the runs had been on other days: three older objects.
    for day in ("01", "02", "03"):
        house.client().put(f"/objects/city/n/{day}.json", content=day.encode())
        number = house.registry.jobs.begin(id_, Cause.SCHEDULE, 1)
        assert number is not None
        house.registry.jobs.end(number, 2, Outcome.SUCCEEDED, "", f"n/{day}.json", 2)
    done = runner.run(job, Cause.SCHEDULE)
    assert done is not None and done.key is not None
    kept = [one["key"] for one in house.client().get("/objects/city").json()["objects"]]
    assert sorted(kept) == sorted(["n/03.json", done.key])


def test_a_query_that_fails_is_told(house: House, address: str, working: Jobs) -> None:
    query = document(address)["query"] | {"formulas": {"x": "unknown + 1"}}
    id_ = add(house, address, query=query)
    house.client().post(f"/jobs/{id_}/runs")
    [run] = ended(house, id_)
    assert (run["outcome"], "no name known" in run["detail"]) == ("failed", True)


@pytest.mark.parametrize(
    ("bound", "value", "told"),
    [("JOB_OUTPUT_BYTES_MAX", 1, "more than 1 bytes"), ("JOB_S_MAX", -1.0, "took more than")],
)
def test_a_run_is_bounded(
    house: House,
    address: str,
    monkeypatch: pytest.MonkeyPatch,
    bound: str,
    value: float,
    told: str,
) -> None:
    monkeypatch.setattr(f"cpaas.processing.jobs.runner.{bound}", value)
    jobs = house.city.processing.jobs
    done = jobs._runner.run(jobs.job(add(house, address)), Cause.REQUEST)
    assert done is not None
    assert (done.outcome, told in done.detail) == (Outcome.FAILED, True)
    assert house.client().get("/objects/city").json()["count"] == 0


def test_a_platform_that_ends_breaks_a_run_off(house: House, address: str) -> None:
    jobs = house.city.processing.jobs
    jobs._runner.stopping.set()
    done = jobs._runner.run(jobs.job(add(house, address)), Cause.SCHEDULE)
    assert done is not None and done.outcome is Outcome.INTERRUPTED


def test_a_fault_of_ours_leaves_no_run_open(
    house: House, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr("cpaas.processing.jobs.runner.written", broken)
    jobs = house.city.processing.jobs
    id_ = add(house, address)
    jobs._runner.run(jobs.job(id_), Cause.SCHEDULE)
    [run] = runs(house, id_)
    assert (run["outcome"], "failed on this job" in run["detail"]) == ("failed", True)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"schedule": {}}, "exactly one"),
    ({"schedule": {"every": "30s"}}, "every"),
    ({"schedule": {"cron": "61 * * * *"}}, "cron"),
    ({"schedule": {"cron": "* * *"}}, "five fields"),
    ({"schedule": {"cron": "0 1 * * *", "zone": "Nowhere"}}, "IANA"),
    ({"target": {"key": "a/{week}"}}, "no field"),
    ({"target": {"key": "a{"}}, "brace"),
    ({"target": {"key": "../a"}}, "empty, . or .."),
    ({"target": {"key": "a", "keep": limits.JOB_OBJECTS_KEPT_MAX + 1}}, "keep"),
    ({"name": "x" * (limits.JOB_NAME_CHARS_MAX + 1)}, "name"),
]


@pytest.mark.parametrize(("changed", "told"), BAD)
def test_what_is_no_job(shared_house: House, changed: dict[str, Any], told: str) -> None:
    body = document("00000000-0000-4000-8000-00000000dead/a/b/c", **changed)
    answer = shared_house.client().post("/jobs", json=body)
    assert answer.status_code == 422
    assert told in answer.text


@pytest.mark.parametrize(
    ("cron", "zone", "after", "due"),
    [
        ("0 6 * * *", "Europe/Zurich", "2025-03-29T12:00Z", "2025-03-30T04:00Z"),
        ("30 1 * * 0", "UTC", "2026-11-21T00:00Z", "2026-11-22T01:30Z"),
        ("30 1 * * 7", "UTC", "2026-11-21T00:00Z", "2026-11-22T01:30Z"),
        ("0 0 * * 1-5", "UTC", "2026-11-21T00:00Z", "2026-11-23T00:00Z"),
        ("*/20 * * * *", "UTC", "2026-11-21T00:01Z", "2026-11-21T00:20Z"),
        ("0 0 1 1 *", "UTC", "2026-11-21T00:01Z", "2027-01-01T00:00Z"),
    ],
)
def test_cron_times_are_those_of_their_zone(cron: str, zone: str, after: str, due: str) -> None:
    from datetime import datetime

    def ms(text: str) -> int:
        return int(datetime.fromisoformat(text).timestamp() * 1000)

    assert next_ms(trigger(cron, None, zone, 0), ms(after)) == ms(due)


def test_intervals_count_from_the_creation() -> None:
    assert next_ms(trigger(None, 60_000, "UTC", 5_000), 70_000) == 125_000


def test_the_number_of_jobs_and_runs_is_bounded(house: House) -> None:
    jobs = house.registry.jobs

    def job(number: int) -> Job:
        return Job(f"id{number}", 1, 1, {"name": "x"}, None, 1)

    for number in range(JOBS_PER_PROJECT_MAX):
        jobs.add(job(number))
    with pytest.raises(Conflict, match="remove one first"):
        jobs.add(job(JOBS_PER_PROJECT_MAX))
    with pytest.raises(Conflict, match="at most"):
        jobs.change(Job("id0", 1, 1, {"name": "x" * 70_000}, None, 1))
    for at in range(JOB_RUNS_KEPT_MAX + 5):
        jobs.begin("id0", Cause.SCHEDULE, at)
    kept: list[JobRun] = list(jobs.runs("id0", 1_000))
    assert len(kept) == JOB_RUNS_KEPT_MAX
    assert kept[-1].started_at == 5
    assert jobs.begin("gone", Cause.SCHEDULE, 1) is None


def test_a_run_longer_than_its_interval_is_followed_by_the_next(
    house: House, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, store = house.city.processing.jobs, house.registry.jobs
    true_run = Runner.run
    monkeypatch.setattr(Jobs, "_next", lambda *_: house.city.clock.now_ms() + 50)

    def slow(self: Runner, job: Job, cause: Cause) -> Any:
        threading.Event().wait(0.2)
        return true_run(self, job, cause)

    monkeypatch.setattr(Runner, "run", slow)
    jobs.start()
    id_ = add(house, address)
    until(lambda: len(store.runs(id_, 10)) >= 3)
    jobs.stop()


def test_a_job_is_asked_for_once(
    house: House, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = house.city.processing.jobs
    started, held = threading.Event(), threading.Event()
    true_run = Runner.run

    def slow(self: Runner, job: Job, cause: Cause) -> Any:
        started.set()
        held.wait(10)
        return true_run(self, job, cause)

    monkeypatch.setattr(Runner, "run", slow)
    jobs.start()
    first, second = add(house, address), add(house, address)
    client = house.client()
    client.post(f"/jobs/{first}/runs")
    assert started.wait(10)
    assert client.post(f"/jobs/{second}/runs").status_code == 202
    refused = client.post(f"/jobs/{second}/runs")
    assert (refused.status_code, "asked for already" in refused.text) == (503, True)
    held.set()
    ended(house, first)
    ended(house, second)
    assert client.post(f"/jobs/{second}/runs").status_code == 202
    jobs.stop()


@pytest.mark.parametrize(("missed", "outcome"), [("run", "succeeded"), ("skip", "skipped")])
def test_a_run_that_others_kept_waiting_too_long(
    house: House, address: str, missed: str, outcome: str
) -> None:
    jobs, store = house.city.processing.jobs, house.registry.jobs
    id_ = add(house, address, missed=missed)
    late = house.city.clock.now_ms() - round(limits.JOB_LATE_S_MAX * 1000) - 1_000
    store.put_off(id_, late)
    jobs._due(id_, late, Cause.SCHEDULE)
    [run] = runs(house, id_)
    assert run["outcome"] == outcome
    # A call that is outdated by now does nothing.
    jobs._due(id_, late, Cause.SCHEDULE)
    assert len(runs(house, id_)) == 1
