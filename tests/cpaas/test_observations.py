"""Apps write their own points: bulk, repeats, keys, refusals, and a writer that is held up."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest

from ciaas.kernel.sample import Frame
from ciaas.limits import APP_WRITES_WAITING, POINTS_PER_ENDPOINT_MAX
from ciaas.ports import Commit, DiskFull, Feed, Receipt
from cpaas.access.routes.samples import observations
from cpaas.limits import (
    IDEMPOTENCY_KEY_CHARS_MAX,
    OBSERVATION_TEXT_CHARS_MAX,
    OBSERVATIONS_MAX,
)
from tests.cpaas.conftest import NO_TLS, House, served

NOW = int(time.time()) - 3_600


def body(*samples: dict[str, Any]) -> dict[str, Any]:
    return {"observations": list(samples)}


def test_ten_thousand_in_one_request(house: House) -> None:
    uuid, client = house.endpoint(), house.client()
    many = [
        {"address": f"{uuid}/n/o/a{i % 100}", "value": float(i), "timestamp": NOW + i // 100}
        for i in range(OBSERVATIONS_MAX)
    ]
    answer = client.post("/observations", json=body(*many))
    assert answer.json() == {
        "commit": 1, "stored": OBSERVATIONS_MAX, "repeats": 0, "refused": []
    }  # fmt: skip
    again = client.post("/observations", json=body(*many))
    assert again.status_code == 201
    assert again.json()["repeats"] == OBSERVATIONS_MAX
    too_many = client.post("/observations", json=body(*many, many[0]))
    assert too_many.status_code == 422
    assert client.post("/observations", json=body()).status_code == 422


def test_each_refusal_has_its_index_and_reason(house: House) -> None:
    uuid, other = house.endpoint(), house.endpoint("Other")
    device = house.endpoint("Device")
    house.city.registry.change_endpoint(house.city.catalogue.endpoints()[-1].uuid, feed=Feed.DEVICE)
    house.observe((f"{other}/n/o/a", 1.0, NOW))
    app = house.user(
        "app", {f"{uuid}/#": "CONFIGURE", f"{other}/n/#": "OBSERVE", f"{device}/#": "OWN"}
    )
    house.grant("app", f"{other}/m/#", "READ")
    samples = [
        (f"{uuid}/n/o/a", 1.0, NOW, None),
        (f"{other}/n/o/a", 2.0, NOW, None),
        (f"{other}/n/o/new", 2.0, NOW, "CONFIGURE is needed"),
        (f"{other}/m/o/a", 2.0, NOW, "needs the level OBSERVE; you hold READ"),
        (f"{other}/hidden/o/a", 2.0, NOW, "nothing of that name is visible to you"),
        (f"{device}/n/o/a", 2.0, NOW, "fed by its device"),
        ("00000000-0000-4000-8000-000000000001/n/o/a", 2.0, NOW, "nothing of that name"),
        (f"{uuid}/n/a", 2.0, NOW, "endpoint/node/object/attribute"),
        (f"{uuid}/n o/o/a", 2.0, NOW, "no topic may carry"),
        (f"{uuid}/n/o/a", 1.0, -1, "negative or in the future"),
        (f"{uuid}/n/o/a", 1.0, time.time() + 3_600, "negative or in the future"),
        (f"{uuid}/n/o/a", "x" * (OBSERVATION_TEXT_CHARS_MAX + 1), NOW, "characters"),
        (f"{uuid}/n/o/b", "x" * OBSERVATION_TEXT_CHARS_MAX, NOW, None),
    ]
    sent = [{"address": a, "value": v, "timestamp": t} for a, v, t, _ in samples]
    answer = app.post("/observations", json=body(*sent))
    assert answer.status_code == 201
    refused = {entry["index"]: entry["reason"] for entry in answer.json()["refused"]}
    assert set(refused) == {i for i, sample in enumerate(samples) if sample[3] is not None}
    for index, (_, _, _, reason) in enumerate(samples):
        assert reason is None or reason in refused[index]
    assert answer.json()["stored"] == len(samples) - len(refused)


def test_when_none_may_be_written_all_reasons_are_told(house: House) -> None:
    answer = house.observe(("x", 1.0, NOW), ("y", 1.0, NOW))
    assert answer.status_code == 422
    assert [entry["index"] for entry in answer.json()["refused"]] == [0, 1]
    assert house.history.counts()["samples"] == 0


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"{", 400),
        (b"", 400),
        (b'{"observations": [{"address": "\xff", "value": 1}]}', 400),
        (b"[]", 422),
        (b'{"observations": 1}', 422),
        (b'{"observations": [], "more": 1}', 422),
        (b'{"observations": [{"value": 1}]}', 422),
        (b'{"observations": [{"address": "a", "value": [1]}]}', 422),
        (b'{"observations": [{"address": "a", "value": 1, "timestamp": "now"}]}', 422),
        (b'{"observations": [{"address": "a", "value": 1, "unit": "W"}]}', 422),
    ],
)
def test_a_body_at_fault_is_refused_whole(shared_house: House, text: bytes, status: int) -> None:
    answer = shared_house.client().post("/observations", content=text)
    assert answer.status_code == status
    assert answer.json()["detail"]


def test_numbers_that_no_64_bits_hold_are_refused(house: House) -> None:
    uuid, client = house.endpoint(), house.client()

    def sent(*values: str) -> httpx.Response:
        samples = ",".join(
            f'{{"address":"{uuid}/n/o/a{i}","value":{value},"timestamp":{NOW}}}'
            for i, value in enumerate(values)
        )
        return client.post("/observations", content=f'{{"observations":[{samples}]}}')

    assert sent("1.0", "1e400").status_code == 422
    answer = sent("1" + "0" * 400, str(2**70), str(2**63 - 1), "-0.0")
    assert answer.status_code == 201
    assert [entry["index"] for entry in answer.json()["refused"]] == [0]
    values = {key[-1]: point["value"] for key, point in client.get(f"/data/{uuid}").json().items()}
    assert values == {"1": float(2**70), "2": 2**63 - 1, "3": -0.0}


def test_a_sample_without_a_time_was_observed_just_now_and_is_uncertain(house: House) -> None:
    point = f"{house.endpoint()}/n/o/a"
    house.observe((point, 1.0, None))
    last = house.client().get(f"/data/{point}").json()
    assert last["observed_at"] == last["received_at"]
    assert (last["verdict"], last["reason"]) == ("uncertain", "no-timestamp")
    rows = house.client().get(f"/history/{point}").json()
    assert (rows[0]["verdict"], rows[0]["reason"]) == ("uncertain", "no-timestamp")


def test_an_endpoint_takes_no_more_points_than_it_may_have(house: House) -> None:
    uuid = house.endpoint()
    for start in range(0, POINTS_PER_ENDPOINT_MAX, OBSERVATIONS_MAX):
        assert (
            house.observe(
                *((f"{uuid}/n/o/a{start + i}", 1.0, NOW) for i in range(OBSERVATIONS_MAX))
            ).json()["stored"]
            == OBSERVATIONS_MAX
        )
    answer = house.observe((f"{uuid}/n/o/more", 1.0, NOW), (f"{uuid}/n/o/a0", 2.0, NOW))
    assert [entry["index"] for entry in answer.json()["refused"]] == [0]


def test_the_same_key_at_the_same_time_writes_once(house: House) -> None:
    point = f"{house.endpoint()}/n/o/a"
    house.observe((point, 0.0, NOW - 1))
    ready, answers = threading.Barrier(8), []
    sent = body(*({"address": point, "value": float(i), "timestamp": NOW + i} for i in range(50)))

    def write() -> None:
        with house.client() as client:
            ready.wait()
            answers.append(
                client.post("/observations", json=sent, headers={"Idempotency-Key": "k"})
            )

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(a.status_code for a in answers) == [200] * 7 + [201]
    assert {a.json()["commit"] for a in answers} == {2}
    assert sum(a.json()["stored"] for a in answers) == 50
    assert house.history.counts()["samples"] == 51


def test_keys_of_two_users_are_two_keys(house: House) -> None:
    uuid = house.endpoint()
    house.observe((f"{uuid}/n/o/a", 0.0, NOW))
    for number, name in enumerate(("anna", "bert")):
        client = house.user(name, {f"{uuid}/#": "OBSERVE"})
        sent = body({"address": f"{uuid}/n/o/a", "value": float(number), "timestamp": NOW + 1})
        answer = client.post("/observations", json=sent, headers={"Idempotency-Key": "k"})
        assert answer.status_code == 201


@pytest.mark.parametrize("key", ["", "x" * (IDEMPOTENCY_KEY_CHARS_MAX + 1)])
def test_a_key_has_a_length(shared_house: House, key: str) -> None:
    answer = shared_house.client().post(
        "/observations", json=body(), headers={"Idempotency-Key": key}
    )
    assert answer.status_code == 422


def test_a_writer_that_is_held_up_is_told_as_such_and_others_are_served(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = f"{house.endpoint()}/n/o/a"
    house.observe((point, 1.0, NOW))
    monkeypatch.setattr(observations, "COMMIT_WAIT_S", 0.2)
    held: list[tuple[Frame, Receipt | None, Future[Commit]]] = []

    def hold(frame: Frame, receipt: Receipt | None) -> Future[Commit]:
        held.append((frame, receipt, Future()))
        return held[-1][2]

    sent = body({"address": point, "value": 2.0, "timestamp": NOW + 1})
    key = {"Idempotency-Key": "late"}
    with served(replace(house.city, write=hold)) as base_url:
        client = house.client(base_url=base_url)
        answer = client.post("/observations", json=sent, headers=key)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        # What was handed over is recorded all the same, and the same key finds it.
        frame, receipt, late = held[0]
        late.set_result(house.history.record(frame, receipt=receipt))
        again = client.post("/observations", json=sent, headers=key)
        assert (again.status_code, again.json()["commit"]) == (200, 2)
    assert house.history.counts()["samples"] == 2


def test_too_many_waiting_writes_are_turned_away(house: House) -> None:
    point = f"{house.endpoint()}/n/o/a"
    house.observe((point, 1.0, NOW))
    house.uplink.stop()
    for _ in range(APP_WRITES_WAITING):
        house.city.write(Frame.empty(), None)
    answer = house.observe((point, 2.0, NOW + 1))
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"


def test_a_full_disk_is_told_as_such(house: House) -> None:
    point = f"{house.endpoint()}/n/o/a"
    house.observe((point, 1.0, NOW))

    def full(frame: Frame, receipt: Receipt | None) -> Future[Commit]:
        done: Future[Commit] = Future()
        done.set_exception(DiskFull("the disk of the history store is full; free some space"))
        return done

    with served(replace(house.city, write=full)) as base_url:
        sent = body({"address": point, "value": 2.0, "timestamp": NOW})
        answer = house.client(base_url=base_url).post("/observations", json=sent)
    assert answer.status_code == 507
    assert "free some space" in answer.json()["detail"]


def test_slow_commits_hold_no_thread(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    point = f"{house.endpoint()}/n/o/a"
    house.observe((point, 1.0, NOW))
    never: list[Future[Commit]] = []

    def hold(frame: Frame, receipt: Receipt | None) -> Future[Commit]:
        never.append(Future())
        return never[-1]

    monkeypatch.setattr(observations, "COMMIT_WAIT_S", 20.0)
    sent = body({"address": point, "value": 2.0, "timestamp": NOW})
    with served(replace(house.city, write=hold)) as base_url:

        def write() -> None:
            with httpx.Client(
                base_url=base_url, headers=house.client().headers, verify=NO_TLS
            ) as client:
                client.post("/observations", json=sent, timeout=30.0)

        threads = [threading.Thread(target=write) for _ in range(60)]  # more than all threads
        for thread in threads:
            thread.start()
        while len(never) < len(threads):
            threading.Event().wait(0.01)  # each request reaches the writer
        assert house.client(base_url=base_url).get("/endpoints").status_code == 200
        for waiting in never:
            waiting.set_result(Commit(9, Frame.empty().select(np.empty(0, np.int64)), 1, 0))
        for thread in threads:
            thread.join()
