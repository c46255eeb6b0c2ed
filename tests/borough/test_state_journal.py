"""The watch role's journal of states: whole lines, each taken in once, ends by force told."""

from __future__ import annotations

import json
from pathlib import Path

from borough.roles.state_journal import Line, StateJournal, tidy, unread
from security.dependability.states import State


def told(folder: Path, read: tuple[str, int] = ("", 0)) -> list[Line]:
    return list(unread(folder, read))


def test_states_are_read_in_the_order_they_were_told(tmp_path: Path) -> None:
    journal = StateJournal(tmp_path, 1_000)
    journal.note("role:core", State.UP, 1_500)
    journal.note("role:core", State.UP, 1_600)
    journal.note("role:core", State.DOWN, 2_000, "ended with signal 9")
    start, *rest = told(tmp_path)
    assert start.start_of_watch and start.document["seen"] == 1_000
    transitions = [line.transition() for line in rest]
    assert [(t.resource.name, t.state, t.at, t.cause) for t in transitions] == [
        ("role:core", State.UP, 1_500, ""),
        ("role:core", State.DOWN, 2_000, "ended with signal 9"),
    ]
    assert transitions[0].resource.kind == "role"


def test_reading_goes_on_after_what_was_read(tmp_path: Path) -> None:
    journal = StateJournal(tmp_path, 1_000)
    journal.note("host", State.UP, 1_000)
    last = told(tmp_path)[-1]
    assert told(tmp_path, (last.file, last.end)) == []
    journal.note("role:field", State.UP, 1_200)
    assert [line.document["resource"] for line in told(tmp_path, (last.file, last.end))] == [
        "role:field"
    ]


def test_a_torn_line_waits_until_it_is_whole(tmp_path: Path) -> None:
    StateJournal(tmp_path, 1_000)
    (file,) = tmp_path.glob("watch-*.jsonl")
    before = told(tmp_path)
    with file.open("a") as out:
        out.write('{"at": 5, "resource": "ho')
    assert told(tmp_path) == before


def test_the_next_start_knows_until_when_a_killed_one_was_at_work(tmp_path: Path) -> None:
    StateJournal(tmp_path, 1_000).alive(7_000)
    StateJournal(tmp_path, 9_000)
    assert [line.document["seen"] for line in told(tmp_path)] == [1_000, 7_000]


def test_an_end_in_order_says_that_nothing_is_known_from_then_on(tmp_path: Path) -> None:
    journal = StateJournal(tmp_path, 1_000)
    journal.note("role:core", State.UP, 1_100)
    journal.close(3_000)
    last = told(tmp_path)[-1].transition()
    assert (last.resource.name, last.state, last.at) == ("role:core", State.UNKNOWN, 3_000)


def test_a_clock_set_back_does_not_reach_into_the_future(tmp_path: Path) -> None:
    StateJournal(tmp_path, 1_000).alive(50_000)
    StateJournal(tmp_path, 9_000)
    assert told(tmp_path)[-1].document["seen"] == 9_000


def test_files_that_are_taken_in_whole_are_removed_but_the_last(tmp_path: Path) -> None:
    for start in (1_000, 2_000, 3_000):
        StateJournal(tmp_path, start).note("host", State.UP, start)
    lines = told(tmp_path)
    second = [line for line in lines if line.file.endswith("2000.jsonl")]
    tidy(tmp_path, (second[0].file, second[0].end))
    assert len(list(tmp_path.glob("watch-*.jsonl"))) == 2
    tidy(tmp_path, (lines[-1].file, lines[-1].end))
    assert [path.name for path in tmp_path.glob("watch-*.jsonl")] == [lines[-1].file]


def test_a_damaged_line_costs_itself_alone(tmp_path: Path) -> None:
    StateJournal(tmp_path, 1_000)
    (file,) = tmp_path.glob("watch-*.jsonl")
    with file.open("ab") as out:
        out.write(b"\x00\xff damaged\n")
    line = {"at": 1_200, "resource": "host", "state": "up", "cause": ""}
    with file.open("a") as out:
        out.write(json.dumps(line) + "\n")
    start, host = told(tmp_path)
    assert start.start_of_watch and host.document == line
    assert host.end == file.stat().st_size
