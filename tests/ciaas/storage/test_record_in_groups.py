"""Several callers of the record at once: they share writes, and each gets its own outcome."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from ciaas.storage import record as record_module
from ciaas.storage.record import RecordFile
from security.ports import Record
from tests.ciaas.storage.test_record import AT, files_end_at, numbers, open_record


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "home" / "audit"


@pytest.fixture
def record(directory: Path) -> Iterator[RecordFile]:
    with open_record(directory) as opened:
        yield opened


class TestGroups:
    def test_callers_at_the_same_time_share_an_fsync(
        self, record: RecordFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        works = [append(record, number) for number in range(16)]
        assert behind_a_slow_write(record, works, monkeypatch) == 2
        assert sorted(numbers(record)) == [*range(16), 99]

    def test_several_of_one_caller_keep_their_order_and_share_an_fsync(
        self, record: RecordFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        works: list[Callable[[], None]] = [
            partial(record.append_all, [{"n": start + i} for i in range(5)])
            for start in (0, 10, 20)
        ]
        assert behind_a_slow_write(record, works, monkeypatch, entries=15) == 2
        written = [number for number in numbers(record) if number != 99]
        assert sorted(written) == [*range(5), *range(10, 15), *range(20, 25)]
        for start in (0, 10, 20):
            first = written.index(start)
            assert written[first : first + 5] == [*range(start, start + 5)]
        record.append_all([])
        assert record.sequence == 16

    def test_one_bad_entry_of_several_is_told_and_the_others_are_written(
        self, record: RecordFile
    ) -> None:
        with pytest.raises(TypeError):
            record.append_all([{"n": 1}, {"n": object()}, {"n": 2}])
        with pytest.raises(ValueError, match="the record itself sets"):
            record.append_all([{"n": 3}, {"seq": 1}])
        assert numbers(record) == [1, 2]

    def test_a_write_is_bounded(self, record: RecordFile, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(record_module, "RECORD_GROUP_BYTES_MAX", 620)
        works = [append(record, number) for number in range(7)]
        # Three lines of 109 bytes fit into one write.
        assert behind_a_slow_write(record, works, monkeypatch) == 1 + 3
        assert sorted(numbers(record)) == [*range(7), 99]

    def test_one_bad_entry_harms_no_other(
        self, record: RecordFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refused: list[BaseException] = []

        def append_bad() -> None:
            try:
                record.append({"n": object()})
            except TypeError as error:
                refused.append(error)

        works = [append(record, 1), append_bad, append(record, 2)]
        assert behind_a_slow_write(record, works, monkeypatch) == 2
        assert len(refused) == 1
        assert sorted(numbers(record)) == [1, 2, 99]

    def test_an_error_reaches_every_caller_of_the_group(
        self, record: RecordFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outcomes: list[str] = []

        def attempt() -> None:
            try:
                record.append({"n": 1})
                outcomes.append("done")
            except OSError as error:
                outcomes.append(str(error))

        with files_end_at(0):
            for thread in start(*[attempt] * 16):
                thread.join()
        assert outcomes == ["[Errno 27] the record cannot be written: File too large"] * 16
        assert numbers(record) == [] and record.waiting == 0

    def test_callers_whose_writer_is_interrupted_are_refused(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outcomes: list[type[BaseException]] = []
        calls: list[int] = []

        def interrupted_at_the_second_call() -> int:
            calls.append(0)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return AT

        record = RecordFile(directory, interrupted_at_the_second_call)

        def attempt() -> None:
            try:
                record.append({"n": 1})
            except (OSError, KeyboardInterrupt) as error:
                outcomes.append(type(error))

        with record:
            behind_a_slow_write(record, [attempt] * 3, monkeypatch)
            record.append({"n": 2})
            assert numbers(record) == [99, 2]
        assert sorted(kind.__name__ for kind in outcomes) == [
            "InterruptedError",
            "InterruptedError",
            "KeyboardInterrupt",
        ]

    def test_many_threads_lose_and_double_nothing(self, record: RecordFile) -> None:
        def work(first: int) -> Callable[[], None]:
            def append_every_eighth() -> None:
                for number in range(first, 800, 8):
                    record.append({"n": number})

            return append_every_eighth

        for thread in start(*(work(first) for first in range(8))):
            thread.join()
        entries = list(record.read(0, 1_000))
        assert [entry["seq"] for entry in entries] == list(range(1, 801))
        assert sorted(entry["n"] for entry in entries) == list(range(800))


def append(record: Record, number: int) -> Callable[[], None]:
    return lambda: record.append({"n": number})


def start(*works: Callable[[], None]) -> list[threading.Thread]:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    return threads


def behind_a_slow_write(
    record: RecordFile,
    works: list[Callable[[], None]],
    monkeypatch: pytest.MonkeyPatch,
    entries: int | None = None,
) -> int:
    """Let all works wait for the write of entry 99 to end; return the number of writes in all.

    ``entries`` is what they append together; None for one each.
    """
    synced: list[int] = []
    go = threading.Event()
    fsync = os.fsync

    def hold(descriptor: int) -> None:
        synced.append(descriptor)
        go.wait()
        fsync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", hold)
        threads = start(append(record, 99))
        wait_until(lambda: len(synced) == 1)
        threads += start(*works)
        wait_until(lambda: record.waiting == (entries or len(works)))
        go.set()
        for thread in threads:
            thread.join()
    return len(synced)


def wait_until(reached: Callable[[], bool]) -> None:
    while not reached():
        threading.Event().wait(0.001)
