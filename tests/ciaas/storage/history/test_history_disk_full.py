"""A full disk refuses the commit, keeps what was acknowledged, and is no trouble afterwards.

The limit on the size of a file (RLIMIT_FSIZE) stands for the disk: it makes the same system calls
fail, and needs no right to mount anything. It is set in a child, as it holds for a whole process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CHILD = """
import json, resource, sys
from pathlib import Path
import numpy as np
from ciaas.kernel.sample import Frame
from ciaas.ports import DiskFull, Intake, Span, StreamId
from ciaas.storage.history import Bounds, Interrupted, open_history

class Clock:
    def now_ms(self):
        return 0

def room(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

def batch(number):
    sequences = np.arange(number * 1000 + 1, number * 1000 + 1001, dtype=np.uint64)
    texts = np.array([f"{sequence:064d}" for sequence in sequences], object)
    none = np.full(1000, None, object)
    zeros = np.zeros(1000, np.int64)
    frame = Frame(
        (sequences % 7).astype(np.uint32), sequences.astype(np.int64), zeros,
        np.full(1000, 3, np.uint8), np.full(1000, np.nan), texts, zeros.astype(np.uint8),
        zeros.astype(np.uint16), none, zeros.astype(np.uint32), zeros.astype(np.uint16),
    )
    return frame, Intake(StreamId("S", "1"), sequences, sequences.astype(np.int64))

def summary(history, seen):
    rows = sum(len(commit.frame) for commit in history.commits(0))
    return {**seen, "rows": rows, "position": history.position(StreamId("S", "1"))}

path, bounds, seen = Path(sys.argv[1]), Bounds(segment_rows=3000), {"refused": 0, "batches": 0}
with open_history(path, clock=Clock(), bounds=bounds) as history:
    room(3_000_000)
    while not seen["refused"]:
        try:
            history.record(*batch(seen["batches"]))
            seen["batches"] += 1
        except DiskFull as error:
            seen["refused"] += 1
            seen["told"] = str(error)
        except Interrupted:  # the sealer met the full disk first
            continue
    answer = history.series(Span(np.array([1], np.uint32), None, None, 5))
    seen["readable"] = len(answer.point)
    room(resource.RLIM_INFINITY)
    for _ in range(5):
        history.record(*batch(seen["batches"]))
        seen["batches"] += 1
    history.seal()
    seen["before"] = summary(history, {})
with open_history(path, clock=Clock(), bounds=bounds) as history:
    print(json.dumps(summary(history, seen)))
"""


def test_a_full_disk_refuses_then_goes_on(path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True, check=True
    )
    seen = json.loads(run.stdout)

    assert seen["refused"] == 1
    assert "free some space" in seen["told"]
    assert seen["readable"] == 5
    assert seen["batches"] > 6
    assert seen["rows"] == seen["position"] == seen["batches"] * 1000
    assert seen["before"] == {"rows": seen["rows"], "position": seen["position"]}
