from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

import ciaas.sensorisation.handover.sending as sending_module
from ciaas.kernel.columns import encode
from ciaas.kernel.sample import Frame, Kind, Reason, Verdict
from ciaas.limits import FRAME_ROWS_MAX, GAPS_KEPT_MAX, SPOOL_PAGE_FRAMES
from ciaas.sensorisation.handover.gathering import Gathering, to_frame
from ciaas.sensorisation.handover.sending import Sending
from ciaas.sensorisation.handover.spool import Gap, Spool, SpoolFailed
from ciaas.sensorisation.polling.backoff import Backoff, Pace
from ciaas.sensorisation.polling.decoding import Value
from ciaas.sensorisation.polling.points import Row
from ciaas.sensorisation.ports import OutletFull, OutletUnavailable
from tests.ciaas.sensorisation.bench import CollectingOutlet, eventually


def rows(first: int, count: int = 10) -> list[Row]:
    value = Value(Kind.TEXT, float("nan"), "grün", Verdict.GOOD, Reason.NONE, None)
    return [Row(1, 1_000 * number, value, 7) for number in range(first, first + count)]


def frame(first: int, count: int = 10) -> Frame:
    return to_frame(rows(first, count))


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path, "field")
    yield opened
    opened.close()


def test_frames_come_back_whole_and_in_order(spool: Spool, tmp_path: Path) -> None:
    numbers = [spool.append(frame(10 * index)) for index in range(SPOOL_PAGE_FRAMES + 5)]
    page = spool.waiting()
    assert [entry.sequence for entry in page] == numbers[:SPOOL_PAGE_FRAMES]
    assert len(spool.waiting(after=page[-1].sequence)) == 5
    first = page[0].frame
    assert first.observed.tolist() == [1_000 * number for number in range(10)]
    assert set(first.txt) == {"grün"} and set(first.source.tolist()) == {7}


def test_a_number_is_never_used_twice_even_when_all_was_handed_over(
    spool: Spool, tmp_path: Path
) -> None:
    last = spool.append(frame(0))
    spool.handed_over(last)
    source = spool.source
    spool.close()
    again = Spool(tmp_path, "field")
    assert again.source == source
    assert again.append(frame(1)) == last + 1
    again.close()


def test_a_spool_made_anew_is_another_source(tmp_path: Path) -> None:
    sources = set()
    for _ in range(2):
        spool = Spool(tmp_path, "field")
        sources.add(spool.source)
        spool.close()
        for file in tmp_path.iterdir():
            file.unlink()
    assert len(sources) == 2


def test_when_full_the_oldest_go_and_the_gap_is_told(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "field", bytes_max=20_000)
    for index in range(40):
        spool.append(frame(10 * index))
    level = spool.level()
    assert level.bytes <= 20_000 and 0 < level.frames < 40
    (gap,) = spool.gaps()
    assert gap.samples == level.lost == 10 * (40 - level.frames)
    assert (gap.first, gap.reason) == (0, "spool full")
    assert gap.last == 1_000 * (gap.samples - 1)
    assert spool.waiting()[0].frame.observed[0] == gap.last + 1_000
    spool.close()
    reopened = Spool(tmp_path, "field", bytes_max=20_000)
    assert reopened.level() == level
    reopened.close()


def on_disk(spool: Spool) -> list[int]:
    """Return the numbers that another process would find after a kill of this one."""
    return [number for (number,) in spool._database.execute("SELECT sequence FROM frame")]


def test_what_was_just_stored_is_sent_without_asking_the_disk(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "field")
    spool.append(frame(0))
    spool.close()
    spool = Spool(tmp_path, "field")
    assert spool.at_hand() is None, "an older frame waits on disk"
    fresh = frame(1)
    number = spool.append(fresh)
    assert spool.at_hand() is None
    assert [entry.sequence for entry in spool.waiting()] == [number - 1, number]
    spool.handed_over(number - 1)
    assert spool.at_hand() == ((number, len(fresh), encode(fresh)),)
    spool.handed_over(number)
    assert spool.at_hand() == () and list(spool.waiting()) == []
    for _ in range(SPOOL_PAGE_FRAMES + 1):
        last = spool.append(frame(2))
    assert spool.at_hand() is None, "no more than a page is kept in memory"
    spool.handed_over(last)
    assert spool.at_hand() == ()
    spool.close()


def test_what_was_handed_over_leaves_the_disk_with_the_next_write(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "field")
    spool.handed_over(spool.append(frame(0)))
    assert on_disk(spool) == [1]
    assert spool.level().frames == spool.level().bytes == 0
    spool.append(frame(1))
    assert on_disk(spool) == [2]
    spool.handed_over(2)
    spool.tidy()
    assert on_disk(spool) == []
    spool.handed_over(spool.append(frame(2)))
    spool.close()
    again = Spool(tmp_path, "field")
    assert on_disk(again) == [] and again.at_hand() == ()
    again.close()


def test_a_dropped_frame_is_not_sent_after_all(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "field", bytes_max=20_000)
    for index in range(30):
        spool.append(frame(10 * index))
    at_hand = spool.at_hand()
    assert at_hand is not None
    assert [entry.sequence for entry in at_hand] == on_disk(spool)
    assert len(at_hand) == spool.level().frames < 30
    spool.close()


def test_a_spool_at_rest_is_tidied(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending_module, "_TIDY_S", 0.02)

    async def send() -> None:
        sending = Sending(spool, CollectingOutlet(), Backoff(Random(1)))
        task = asyncio.create_task(sending.run())
        spool.append(frame(0))
        sending.wake()
        await sending.rest()
        await eventually(lambda: not on_disk(spool))
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(send())


def test_gaps_far_apart_are_kept_apart_up_to_a_bound(spool: Spool) -> None:
    spool._database.execute("PRAGMA synchronous = OFF")  # a thousand syncs prove nothing here
    for number in range(GAPS_KEPT_MAX + 3):
        spool.record_gap(Gap(1, 100_000 * number, 100_000 * number, "spool full"))
    gaps = spool.gaps()
    assert len(gaps) == GAPS_KEPT_MAX and gaps[0].first == 300_000


def test_a_spool_in_use_or_unwritable_says_what_to_do(spool: Spool, tmp_path: Path) -> None:
    with pytest.raises(SpoolFailed, match="no other process has it open"):
        Spool(tmp_path, "field", busy_s=0.1)
    (tmp_path / "file").touch()
    with pytest.raises(SpoolFailed, match="make its directory writable"):
        Spool(tmp_path / "file", "field")


def test_a_full_disk_keeps_rows_in_memory_up_to_a_bound(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "field")
    spool._database.execute("PRAGMA max_page_count = 20")

    async def fill() -> None:
        gathering = Gathering(spool, lambda: None, rows_max=30)
        stored = 0
        with pytest.raises(SpoolFailed, match="disk refused"):
            while True:
                gathering.deliver(rows(stored))
                await gathering.flush()
                stored += 10
        assert gathering.waiting == 10
        gathering.deliver(rows(stored + 10, 50))
        assert gathering.waiting == 30
        spool._database.execute("PRAGMA max_page_count = 100000")
        await gathering.flush()
        assert gathering.waiting == 0
        assert spool.level().lost == 30
        assert spool.gaps()[-1] == Gap(30, 1_000 * stored, 1_000 * (stored + 29), "disk refused")

    asyncio.run(fill())
    spool.close()


def test_rows_become_frames_of_bounded_size(spool: Spool) -> None:
    async def gather() -> None:
        gathering = Gathering(spool, lambda: None)
        gathering.deliver(rows(0, FRAME_ROWS_MAX + 1))
        await gathering.flush()

    asyncio.run(gather())
    assert [len(entry.frame) for entry in spool.waiting()] == [FRAME_ROWS_MAX, 1]


@pytest.mark.parametrize(
    "refusal", [OutletUnavailable("no broker"), OutletFull("stream full"), KeyError("bug")]
)
def test_a_stream_that_refuses_gets_everything_later_in_order(
    spool: Spool, refusal: Exception
) -> None:
    async def send() -> None:
        outlet = CollectingOutlet()
        outlet.refusal = refusal
        sending = Sending(spool, outlet, Backoff(Random(1), Pace(0.01, 0.02)))
        task = asyncio.create_task(sending.run())
        for index in range(100):
            spool.append(frame(10 * index))
            sending.wake()
        await eventually(lambda: bool(sending.last_error))
        await sending.rest()
        assert spool.level().frames == 100
        outlet.refusal = None
        await eventually(lambda: sending.last_error == "")
        await sending.rest()
        assert (spool.level().frames, sending.samples) == (0, 1_000)
        assert outlet.ids == [f"field:{spool.source}:{number}" for number in range(1, 101)]
        assert outlet.rows().observed.tolist() == [1_000 * number for number in range(1_000)]
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(send())


_WRITER = """
import sys
from pathlib import Path
from tests.ciaas.sensorisation.test_spooling import frame
from ciaas.sensorisation.handover.spool import Spool
spool = Spool(Path(sys.argv[1]), "field")
number = spool.append(frame(0))
while True:
    print(number, spool.source, flush=True)
    if number % 3 == 0:
        spool.handed_over(number - 2)
    number = spool.append(frame(10 * number))
"""


def test_kill_9_loses_nothing_stored_and_reuses_no_number(tmp_path: Path) -> None:
    last, sources = 0, set()
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        ) as writer:
            assert writer.stdout is not None
            told = []
            for line in writer.stdout:
                told.append(line.split())
                if len(told) == 20:
                    os.kill(writer.pid, signal.SIGKILL)
                    break
            told += [line.split() for line in writer.stdout if line.endswith("\n")]
        numbers = [int(number) for number, _ in told]
        sources |= {source for _, source in told}
        assert numbers[0] > last, "a number was used twice"
        last = numbers[-1]
        spool = Spool(tmp_path, "field")
        waiting = [entry.sequence for entry in spool.waiting()]
        spool.close()
        gone = max(number - 2 for number in numbers if number % 3 == 0)
        assert set(range(gone + 1, last + 1)) <= set(waiting)
        assert len(waiting) == len(set(waiting))
        last = max(last, *waiting)
    assert len(sources) == 1


def test_the_file_stays_within_its_bound_on_disk(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "field", bytes_max=200_000)
    for index in range(300):
        spool.append(frame(10 * index))
    spool.close()
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 600_000
    with sqlite3.connect(tmp_path / "field.spool") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
