"""What devices wrote about themselves, kept and listed."""

from __future__ import annotations

import numpy as np

from ciaas.kernel.sample import Frame
from ciaas.ports import Intake, JournalLine, StreamId
from ciaas.storage.history import open_history

STREAM = StreamId("devices", "2026-01-01T00:00:00Z")


class Clock:
    def now_ms(self) -> int:
        return 60


def line(endpoint: str, level: str, logged: int) -> JournalLine:
    return JournalLine(endpoint, 50, level, logged, f"{level} at {logged}", "net", "")


def test_the_journal_gives_an_endpoints_lines_of_some_levels() -> None:
    written = [line("a", "ERROR", 10), line("a", "WARN", 20), line("a", "ERROR", 30)]
    intake = Intake(STREAM, np.array([1], np.uint64), np.array([50]))
    with open_history(None, clock=Clock()) as history:
        history.record(Frame.empty(), intake, journal=[*written, line("b", "ERROR", 20)])
        assert history.stored(STREAM, intake.sequences, intake.received).all()
        assert history.journal("a", ["ERROR"], None, None, 10) == [written[2], written[0]]
        both = ["ERROR", "WARN"]
        assert history.journal("a", both, 10, 20, 10) == [written[1], written[0]]
        assert history.journal("a", both, None, None, 1) == [written[2]]
        assert history.journal("nobody", both, None, None, 10) == []
