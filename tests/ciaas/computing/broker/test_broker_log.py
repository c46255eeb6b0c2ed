"""Following the broker's log across rotation, restart and strange content."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ciaas.computing.broker.log import LogReader
from ciaas.limits import BROKER_LOG_FILES_MAX, LOG_LINE_BYTES_MAX, LOG_READ_BYTES_MAX
from tests.ciaas.computing.city import City, until
from tests.ciaas.computing.doorkeeper import Doorkeeper


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "broker.log"


@pytest.fixture
def log(path: Path) -> Iterator[LogReader]:
    log = LogReader(path)
    yield log
    log.close()


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def rotate(path: Path, number: int) -> None:
    path.rename(path.with_name(f"{path.name}.2026.11.22.03.00.26.{number:09}"))


def test_a_file_that_comes_later_is_read_from_its_start(path: Path, log: LogReader) -> None:
    assert log.read() == b""
    append(path, b"a\n")
    assert log.read() == b"a\n"
    assert log.read() == b""


def test_only_whole_lines(path: Path, log: LogReader) -> None:
    append(path, b"a\nb")
    assert log.read() == b"a\n"
    assert log.offset == 2
    append(path, b"c\n")
    assert log.read() == b"bc\n"


def test_it_begins_at_the_end_or_where_it_is_told(path: Path) -> None:
    append(path, b"a\nb\n")
    for offset, expected in ((None, b""), (2, b"b\n"), (99, b"")):
        reader = LogReader(path, offset)
        assert reader.read() == expected
        reader.close()


def test_lines_around_a_rotation(path: Path, log: LogReader) -> None:
    append(path, b"a\n")
    assert log.read() == b"a\n"
    append(path, b"b\n")
    rotate(path, 1)
    append(path, b"c\n")
    assert log.read() == b"b\nc\n"


def test_several_rotations_between_two_reads(path: Path, log: LogReader) -> None:
    append(path, b"a\n")
    assert log.read() == b"a\n"
    for number, line in enumerate((b"b\n", b"c\n", b"d\n")):
        rotate(path, number)
        append(path, line)
    assert log.read() == b"b\nc\nd\n"


def test_a_rotation_whose_new_file_is_not_there_yet(path: Path, log: LogReader) -> None:
    append(path, b"a\n")
    assert log.read() == b"a\n"
    rotate(path, 1)
    assert log.read() == b""
    append(path, b"b\n")
    assert log.read() == b"b\n"


def test_a_file_deleted_while_it_is_read(path: Path, log: LogReader) -> None:
    append(path, b"a\n")
    assert log.read() == b"a\n"
    append(path, b"b\n")
    path.unlink()
    append(path, b"c\n")
    assert log.read() == b"b\nc\n"


def test_other_files_beside_it_are_not_its_backups(path: Path, log: LogReader) -> None:
    append(path, b"a\n")
    assert log.read() == b"a\n"
    append(path.with_name(path.name + ".stderr"), b"panic\n")
    rotate(path, 1)
    append(path, b"b\n")
    assert log.read() == b"b\n"


def test_a_file_emptied_in_place(path: Path, log: LogReader) -> None:
    append(path, b"aaaa\n")
    assert log.read() == b"aaaa\n"
    path.write_bytes(b"b\n")
    assert log.read() == b"b\n"


def test_a_read_is_bounded(path: Path, log: LogReader) -> None:
    lines = b"x" * 99 + b"\n"
    append(path, lines * (LOG_READ_BYTES_MAX // 100 + 50))
    first = log.read()
    assert LOG_READ_BYTES_MAX - 100 < len(first) <= LOG_READ_BYTES_MAX
    assert len(first) + len(log.read()) == path.stat().st_size


def test_an_overlong_line_is_left_out(path: Path, log: LogReader) -> None:
    append(path, b"a\n" + b"x" * (2 * LOG_LINE_BYTES_MAX + 10))
    append(path, b"x\nb\n")
    read = b""
    for _ in range(5):
        read += log.read()
    assert read == b"a\nb\n"


def test_the_brokers_own_rotation(tmp_path: Path) -> None:
    """Every refused publish is found although the log was rotated many times meanwhile."""
    city = City(tmp_path, log_bytes_max=4096)
    doorkeeper = Doorkeeper(city)
    log = LogReader(city.configuration.log_file, 0)
    try:
        city.start()
        city.run(doorkeeper.prepare())
        doorkeeper.callout.open()
        device = doorkeeper.device()
        assert device.connect() == "Success"
        found = 0
        for number in range(300):
            device.publish(f"foreign/{number}", b"x")
            if number % 20 == 0:
                found += log.read().count(b"Publish Violation")
        device.leave()

        def all_found() -> bool:
            nonlocal found
            found += log.read().count(b"Publish Violation")
            return found == 300

        until(all_found, "every line")
        files = list(tmp_path.glob("broker.log.2*"))
        assert 1 <= len(files) <= BROKER_LOG_FILES_MAX
        city.run(doorkeeper.end())
    finally:
        log.close()
        city.end()
