"""Killed with SIGKILL while it records and seals: nothing acknowledged is lost or doubled."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

from ciaas.ports import StreamId
from ciaas.storage.history import Bounds, open_history

STREAM = StreamId("S", "1")
WRITER = """
import sys
from pathlib import Path
import numpy as np
from ciaas.kernel.sample import Frame
from ciaas.ports import Intake, StreamId
from ciaas.storage.history import Bounds, open_history

class Clock:
    def now_ms(self):
        return 0

bounds = Bounds(segment_rows=300, fan_in=3, tidy_commits=7)
with open_history(Path(sys.argv[1]), clock=Clock(), bounds=bounds) as history:
    stream = StreamId("S", "1")
    sequence = history.position(stream)
    while True:
        # Each message makes one sample, so that what is stored can be told from the sequences.
        sequences = np.arange(sequence + 1, sequence + 51, dtype=np.uint64)
        sequence += 50
        size = len(sequences)
        none = np.full(size, None, object)
        zeros = np.zeros(size, np.int64)
        frame = Frame(
            (sequences % 7).astype(np.uint32), sequences.astype(np.int64), zeros,
            np.ones(size, np.uint8), sequences.astype(float), none, zeros.astype(np.uint8),
            zeros.astype(np.uint16), none, zeros.astype(np.uint32), zeros.astype(np.uint16),
        )
        commit = history.record(frame, Intake(stream, sequences, sequences.astype(np.int64)))
        print(commit.number, sequence, flush=True)
"""


class Clock:
    def now_ms(self) -> int:
        return 0


def test_five_kills_lose_and_double_nothing(path: Path) -> None:
    acknowledged: list[tuple[int, int]] = []
    chance = random.Random(20261103)

    for _ in range(5):
        acknowledged += lines_until_killed(path, chance.uniform(0.02, 0.4))
    with open_history(path, clock=Clock(), bounds=Bounds(segment_rows=300)) as history:
        last, position = acknowledged[-1]
        commits = [*history.commits(0)]
        stored = np.concatenate([commit.frame.num for commit in commits])

        assert len(acknowledged) > 5
        assert history.last_commit() >= last
        assert history.position(STREAM) >= position
        assert [commit.number for commit in commits] == [*range(1, history.last_commit() + 1)]
        # One sample per sequence, each exactly once, and exactly those that count as covered.
        assert sorted(stored.tolist()) == [*range(1, history.position(STREAM) + 1)]
        covered = np.arange(1, history.position(STREAM) + 2, dtype=np.uint64)
        mask = history.stored(STREAM, covered, covered.astype(np.int64))
        assert mask.tolist() == [True] * (len(covered) - 1) + [False]
        assert history.counts()["samples"] == len(stored)


def lines_until_killed(path: Path, after_s: float) -> list[tuple[int, int]]:
    """Run the writer, kill it some time after its first commit, and return what it said."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    lines = [writer.stdout.readline()]
    timer = threading.Timer(after_s, writer.send_signal, [signal.SIGKILL])
    timer.start()
    lines += writer.stdout.readlines()
    assert writer.wait() == -signal.SIGKILL
    timer.cancel()
    writer.stdout.close()
    return [
        (int(number), int(sequence))
        for number, sequence in (line.split() for line in lines if line.endswith("\n"))
    ]
