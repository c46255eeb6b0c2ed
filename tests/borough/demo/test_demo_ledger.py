"""What the ledger counts survives a crash; what it does not count is cut off."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from borough.demo.devices.ledger import Ledger, read_segment, segments
from borough.demo.devices.sample import Reading

READINGS = tuple(Reading("a/b/c/d", 1_000 + n, n / 3) for n in range(5))


def test_what_was_flushed_is_read_back_exactly(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "one")
    ledger.add(READINGS)
    assert (ledger.counted, ledger.waiting) == (0, True)
    ledger.flush()
    assert (ledger.counted, ledger.waiting) == (5, False)
    ledger.close()
    (path,) = segments(tmp_path)
    assert tuple(read_segment(path)) == READINGS


def test_torn_line_is_not_counted_and_is_cut_off(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "one")
    ledger.add(READINGS[:2])
    ledger.close()
    (path,) = segments(tmp_path)
    with path.open("ab") as file:
        file.write(b'["a/b/c/d",10')
    assert tuple(read_segment(path)) == READINGS[:2]
    again = Ledger(tmp_path, "one")
    again.add(READINGS[2:])
    again.close()
    assert tuple(read_segment(path)) == READINGS
    assert path.read_bytes().count(b"\n") == 5


def test_full_segment_is_closed_and_the_next_goes_on(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "one", segment_bytes=50)
    for reading in READINGS:
        ledger.add((reading,))
        ledger.flush()
    ledger.close()
    files = segments(tmp_path)
    assert len(files) > 1
    assert tuple(r for path in files for r in read_segment(path)) == READINGS
    later = Ledger(tmp_path, "one", segment_bytes=50)
    later.close()
    assert segments(tmp_path)[-1] == files[-1]


def test_two_ledgers_share_a_folder(tmp_path: Path) -> None:
    for name in ("one", "two"):
        ledger = Ledger(tmp_path, name)
        ledger.add(READINGS[:1])
        ledger.close()
    assert [path.name for path in segments(tmp_path)] == [
        "one-000001.ledger",
        "two-000001.ledger",
    ]


def test_killed_writer_leaves_all_that_it_counted(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from borough.demo.devices.ledger import Ledger
from borough.demo.devices.sample import Reading
ledger = Ledger(Path(sys.argv[1]), "one")
number = 0
while True:
    ledger.add(tuple(Reading("a/b/c/d", number + n, 0.5) for n in range(7)))
    number += 7
    ledger.flush()
    print(ledger.counted, flush=True)
"""
    writer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    for line in writer.stdout:
        if int(line) > 100:
            break
    os.kill(writer.pid, signal.SIGKILL)
    said = [*writer.stdout.read().split()]
    writer.stdout.close()
    writer.wait()
    counted = max(101, *(int(number) for number in said if number.isdigit())) if said else 101
    (path,) = segments(tmp_path)
    kept = list(read_segment(path))
    assert len(kept) >= counted - 7
    assert [reading.time_ms for reading in kept] == list(range(len(kept)))
    assert all(json.loads(line) for line in path.read_bytes().splitlines())
