"""Structured queries over HTTP: selection, rights, windows, forms, bounds."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import httpx
import pyarrow as pa
import pytest

from cpaas import limits
from cpaas.processing.query import writing
from tests.cpaas.conftest import House

HOUR = 3600
START = 1_743_289_200
"""2025-03-30T00:00 in Zurich; the day has 23 hours."""


@pytest.fixture(scope="module")
def lamps(shared_house: House) -> list[str]:
    """Two endpoints with the power of a lamp for each hour of three days, and the lamp's state."""
    addresses = []
    for number in (1, 2):
        uuid = shared_house.endpoint(f"Lamp {number}")
        power, state = f"{uuid}/Lamp/meter/power", f"{uuid}/Lamp/meter/state"
        samples: list[Any] = [(power, float(number * h), START + h * HOUR) for h in range(72)]
        samples += [(state, "on" if h % 2 else "off", START + h * HOUR) for h in range(72)]
        assert shared_house.observe(*samples).status_code == 201
        scope = {"unit": "W", "tags": ["light", f"n{number}"]}
        assert shared_house.client().patch(f"/metadata/{power}", json=scope).status_code == 200
        addresses += [power, state]
    return addresses


def asked(select: dict[str, Any], **more: Any) -> dict[str, Any]:
    interval = {"from": "2025-03-30", "to": "2025-04-02", "zone": "Europe/Zurich"}
    return {"select": select, "interval": interval} | more


def table(answer: httpx.Response) -> dict[str, list[Any]]:
    assert answer.status_code == 200, answer.text
    columns: dict[str, list[Any]] = answer.json()["columns"]
    return columns


def test_a_day_of_a_clock_change_is_a_day(shared_house: House, lamps: list[str]) -> None:
    document = asked({"addresses": [lamps[0]]}, window="day", measures=["count", "last"])
    assert table(shared_house.client().post("/query", json=document)) == {
        "time": [
            "2025-03-30T00:00:00.000+01:00",
            "2025-03-31T00:00:00.000+02:00",
            "2025-04-01T00:00:00.000+02:00",
        ],
        "series": [lamps[0]] * 3,
        "count": [23, 24, 24],
        "last": [22, 46, 70],
    }


def test_series_of_a_group_are_taken_together(shared_house: House, lamps: list[str]) -> None:
    document = asked(
        {"filter": {"unit": "W"}},
        measures=["count", {"function": "max", "name": "peak"}],
        group={"by": "tag"},
    )
    columns = table(shared_house.client().post("/query", json=document))
    assert columns["series"] == ["light", "n1", "n2"]
    assert columns["count"] == [142, 71, 71]
    assert columns["peak"] == [140, 70, 140]


@pytest.mark.parametrize(
    ("group", "labels"),
    [
        ({"by": "metadata", "key": "unit"}, ["W", None]),
        ({"by": "class"}, [None]),
        ({"by": "metadata", "key": "nothing"}, [None]),
    ],
)
def test_points_without_a_label_are_a_series_too(
    shared_house: House, lamps: list[str], group: dict[str, str], labels: list[str]
) -> None:
    document = asked({"addresses": lamps}, measures=["count"], group=group)
    assert table(shared_house.client().post("/query", json=document))["series"] == labels


def test_an_endpoint_is_a_group(shared_house: House, lamps: list[str]) -> None:
    document = asked(
        {"under": lamps[0].partition("/")[0]}, measures=["count"], group={"by": "endpoint"}
    )
    columns = table(shared_house.client().post("/query", json=document))
    assert (columns["series"], columns["count"]) == ([lamps[0].partition("/")[0]], [142])


def test_aligned_columns_can_be_computed_with(shared_house: House, lamps: list[str]) -> None:
    document = asked(
        {"named": {"one": lamps[0], "two": lamps[2]}},
        window="day",
        align=True,
        measures=["mean"],
        formulas={"both": "one + two", "half": "both / 2"},
        order=[{"by": "both", "descending": True}],
        limit=2,
    )
    columns = table(shared_house.client().post("/query", json=document))
    assert list(columns) == ["time", "one", "two", "both", "half"]
    assert columns["both"] == [58.5 * 3, 34.5 * 3]
    assert columns["half"] == [58.5 * 1.5, 34.5 * 1.5]


def test_several_measures_of_aligned_series_have_names_of_both(
    shared_house: House, lamps: list[str]
) -> None:
    document = asked(
        {"named": {"one": lamps[0]}},
        align=True,
        measures=["count", {"function": "min", "name": "low"}],
    )
    columns = table(shared_house.client().post("/query", json=document))
    assert columns == {"time": columns["time"], "one_count": [71], "one_low": [0]}
    document["select"] = {"addresses": [lamps[0]]}
    columns = table(shared_house.client().post("/query", json=document))
    assert list(columns) == ["time", f"{lamps[0]} count", f"{lamps[0]} low"]


def test_a_formula_needs_no_column(shared_house: House, lamps: list[str]) -> None:
    document = asked({"addresses": [lamps[0]]}, measures=["count"], formulas={"seven": "3 + 4"})
    assert table(shared_house.client().post("/query", json=document))["seven"] == [7.0]


def test_texts_have_a_column_of_their_own(shared_house: House, lamps: list[str]) -> None:
    document = asked({"addresses": lamps[:2]}, measures=["last", "count"])
    columns = table(shared_house.client().post("/query", json=document))
    assert columns["last"] == [70, None]
    assert columns["last_text"] == [None, "off"]
    assert columns["count"] == [71, 71]


def test_shares_of_time(shared_house: House, lamps: list[str]) -> None:
    document = asked(
        {"addresses": [lamps[1]]},
        window="day",
        measures=[
            {"function": "share", "state": "on", "name": "on"},
            {"function": "availability", "name": "there"},
        ],
    )
    columns = table(shared_house.client().post("/query", json=document))
    assert columns["on"] == pytest.approx([11 / 23, 0.5, 0.5])
    assert columns["there"] == [1.0, 1.0, 1.0]


def test_csv_and_arrow_say_what_json_says(shared_house: House, lamps: list[str]) -> None:
    document = asked(
        {"addresses": [lamps[0], lamps[3]]}, window="day", measures=["last"], fill="null"
    )
    client = shared_house.client()
    columns = table(client.post("/query", json=document))
    text = client.post("/query", json=document, headers={"Accept": "text/csv"})
    assert text.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(text.text)))
    assert list(rows[0]) == list(columns)
    assert [row["time"] for row in rows] == columns["time"]
    assert [row["last"] for row in rows] == ["22", "46", "70", "", "", ""]
    media_type = "application/vnd.apache.arrow.stream"
    stream = client.post("/query", json=document, headers={"Accept": media_type})
    assert stream.headers["Content-Type"] == media_type
    read = pa.ipc.open_stream(stream.content).read_all()
    assert str(read.schema.field("time").type) == "timestamp[ms, tz=Europe/Zurich]"
    assert read.column("series").to_pylist() == columns["series"]
    assert read.column("last").to_pylist() == columns["last"]
    assert read.column("last_text").to_pylist() == columns["last_text"]


def test_a_long_answer_comes_in_pieces(
    shared_house: House, lamps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    document = asked({"addresses": lamps[:4]}, window="1h", measures=["count"], fill="zero")
    client = shared_house.client()
    for accept in ("application/json", "application/vnd.apache.arrow.stream"):
        whole = client.post("/query", json=document, headers={"Accept": accept})
        assert int(whole.headers["Content-Length"]) == len(whole.content)
        monkeypatch.setattr(writing, "QUERY_PIECE_BYTES", len(whole.content) // 5)
        pieces = client.post("/query", json=document, headers={"Accept": accept})
        monkeypatch.undo()
        assert "Content-Length" not in pieces.headers
        assert pieces.content == whole.content


def test_nothing_selected_answers_an_empty_table(shared_house: House, lamps: list[str]) -> None:
    document = asked({"filter": {"unit": "furlong"}}, measures=["mean"])
    for accept in ("application/json", "text/csv", "application/vnd.apache.arrow.stream"):
        answer = shared_house.client().post("/query", json=document, headers={"Accept": accept})
        assert answer.status_code == 200
    answer = shared_house.client().post("/query", json=document)
    assert table(answer) == {"time": [], "series": [], "mean": []}
    assert answer.json()["rows"] == 0


def test_only_what_may_be_read_is_counted(shared_house: House, lamps: list[str]) -> None:
    reader = shared_house.user("reader.of.one", {lamps[0]: "READ"})
    document = asked({"filter": {"unit": "W"}}, measures=["count"])
    assert table(reader.post("/query", json=document))["series"] == [lamps[0]]
    document["select"] = {"under": lamps[0].partition("/")[0] + "/#"}
    assert table(reader.post("/query", json=document))["series"] == [lamps[0]]
    document["select"] = {"addresses": [lamps[1]]}
    assert reader.post("/query", json=document).status_code == 404
    browser = shared_house.user("browser", {lamps[1]: "BROWSE"})
    refused = browser.post("/query", json=document)
    assert (refused.status_code, "level READ" in refused.text) == (403, True)
    document["select"] = {"under": lamps[1]}
    assert browser.post("/query", json=document).status_code == 403


def test_the_record_says_what_was_selected(shared_house: House, lamps: list[str]) -> None:
    document = asked({"addresses": [lamps[0]]})
    table(shared_house.client().post("/query", json=document))
    entry = next(e for e in reversed(shared_house.recorded()) if e["path"].endswith("/query"))
    assert json.loads(entry["about"]["select"]) == {"addresses": [lamps[0]]}
    accesses = shared_house.client().get(f"/accesses/{lamps[0]}").json()
    assert (accesses[0]["did"], accesses[0]["path"]) == ("read", "/api/v1/query")


LONG = "x" * (limits.QUERY_COLUMN_NAME_CHARS_MAX + 1)
BAD: list[tuple[dict[str, Any], int, str]] = [
    ({"select": {}}, 422, "exactly one"),
    ({"select": {"addresses": ["x"]}}, 422, "UUID"),
    ({"interval": {"from": "2025-03-30", "zone": "Mars/Olympus"}}, 422, "IANA"),
    ({"interval": {"from": "2025-03-30", "zone": "../../etc/passwd"}}, 422, "IANA"),
    ({"interval": {"from": "yesterday"}}, 422, "is no time"),
    ({"interval": {"from": "0001-01-01"}}, 422, "outside the years"),
    ({"interval": {"from": "2025-03-30", "to": "2025-03-30"}}, 422, "empty"),
    ({"interval": {"last": "1d", "from": "2025-03-30"}}, 422, "exactly one"),
    ({"interval": {"last": "forever"}}, 422, "length of time"),
    ({"window": "fortnight"}, 422, "length of time"),
    ({"window": "1ms"}, 413, "windows"),
    ({"measures": ["average"]}, 422, "measures"),
    ({"measures": []}, 422, "measures"),
    ({"measures": ["mean"] * (limits.QUERY_MEASURES_MAX + 1)}, 422, "measures"),
    ({"measures": ["percentile"]}, 422, "needs p"),
    ({"measures": ["share"]}, 422, "needs state"),
    ({"measures": ["mean", "mean"]}, 422, "one name"),
    ({"measures": [{"function": "mean", "name": "time"}]}, 422, "every answer"),
    ({"measures": [{"function": "mean", "name": "a b"}]}, 422, "is no name"),
    (
        {
            "measures": [
                {"function": "mean", "name": "x" * (limits.QUERY_COLUMN_NAME_CHARS_MAX + 1)}
            ]
        },
        422,
        "measures",
    ),
    ({"formulas": {"x": "mean +"}}, 422, "x: "),
    ({"formulas": {"x": "nothing + 1"}}, 422, "no name known"),
    ({"formulas": {"x": "__import__('os')"}}, 422, "x: "),
    ({"formulas": {"mean": "1"}}, 422, "measure and a formula"),
    ({"formulas": {f"x{n}": "1" for n in range(limits.QUERY_FORMULAS_MAX + 1)}}, 422, "formulas"),
    ({"order": [{"by": "colour"}]}, 422, "no column 'colour'"),
    ({"limit": 0}, 422, "limit"),
    ({"hold": "32d"}, 422, "hold"),
    ({"group": {"by": "metadata"}}, 422, "needs a key"),
    ({"verdicts": ["fine"]}, 422, "verdicts"),
    ({"window": "1m", "align": True, "measures": ["mean"], "sql": "SELECT 1"}, 422, "sql"),
]


@pytest.mark.parametrize(("changed", "status", "told"), BAD)
def test_what_cannot_be_asked_is_told(
    shared_house: House, lamps: list[str], changed: dict[str, Any], status: int, told: str
) -> None:
    document = asked({"addresses": [lamps[0]]}) | changed
    answer = shared_house.client().post("/query", json=document)
    assert answer.status_code == status, answer.text
    assert told in answer.text


def test_what_is_put_together_in_memory_is_bounded(shared_house: House, lamps: list[str]) -> None:
    # Not reached by 30,000 windows as JSON, reached by 90,000 of sixteen measures.
    measures = [{"function": "mean", "name": f"m{n}"} for n in range(limits.QUERY_MEASURES_MAX)]
    interval = {"from": "2025-01-01", "to": "2025-03-15"}
    document = asked({"addresses": lamps[:2]}, window="72s", measures=measures) | {
        "interval": interval
    }
    client = shared_house.client()
    refused = client.post("/query", json=document)
    assert refused.status_code == 413
    assert f"{limits.QUERY_FIGURES_HELD_MAX:,}" in refused.text
    streamed = client.post("/query", json=document, headers={"Accept": "text/csv"})
    assert streamed.status_code == 200


def test_too_many_aligned_series_are_refused(
    shared_house: House, lamps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cpaas.processing.query.plan.QUERY_SERIES_ALIGNED_MAX", 1)
    document = asked({"addresses": [lamps[0], lamps[2]]}, align=True)
    assert "side by side" in shared_house.client().post("/query", json=document).text


def test_too_many_points_are_refused(
    shared_house: House, lamps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cpaas.processing.query.selection.QUERY_POINTS_MAX", 1)
    answer = shared_house.client().post("/query", json=asked({"filter": {"unit": "W"}}))
    assert (answer.status_code, "2 points are meant" in answer.text) == (413, True)


def test_too_many_windows_of_series_are_refused(
    shared_house: House, lamps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cpaas.processing.query.plan.QUERY_ROWS_MAX", 1)
    answer = shared_house.client().post("/query", json=asked({"addresses": lamps}, window="day"))
    assert (answer.status_code, "windows of series" in answer.text) == (413, True)


def test_a_query_that_takes_too_long_is_broken_off(
    shared_house: House, lamps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cpaas.processing.query.plan.QUERY_S_MAX", 0.0)
    answer = shared_house.client().post("/query", json=asked({"addresses": [lamps[0]]}))
    assert (answer.status_code, "takes too long" in answer.text) == (413, True)
