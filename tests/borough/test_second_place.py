"""Checkpoints in a second place: all of them, also after it was away, and never written over."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from borough.roles.second_place import SecondPlace


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "checkpoint.pub").write_text("key")
    path = tmp_path / "checkpoints.jsonl"
    path.write_text("1\n2\n")
    return path


def place(tmp_path: Path, source: Path) -> SecondPlace:
    return SecondPlace(tmp_path / "share", source, tmp_path / "checkpoint.pub")


def test_what_is_new_is_copied(tmp_path: Path, source: Path) -> None:
    share = tmp_path / "share"
    share.mkdir()
    second = place(tmp_path, source)
    second.catch_up()
    assert (share / "checkpoints.jsonl").read_text() == "1\n2\n"
    assert (share / "checkpoint.pub").read_text() == "key"
    with source.open("a") as file:
        file.write("3\n")
    second.catch_up()
    place(tmp_path, source).catch_up()  # a restart goes on with the same copy
    assert (share / "checkpoints.jsonl").read_text() == "1\n2\n3\n"
    assert [path.name for path in share.iterdir() if "jsonl" in path.name] == ["checkpoints.jsonl"]


def test_a_place_that_was_away_gets_everything_when_it_is_back(
    tmp_path: Path, source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    share = tmp_path / "share"
    second = place(tmp_path, source)
    for _ in range(3):
        second.catch_up()
    assert [second.reached] == [False]
    assert caplog.text.count("do not reach") == 1
    share.mkdir()
    second.catch_up()
    assert [second.reached] == [True]
    assert (share / "checkpoints.jsonl").read_text() == "1\n2\n"
    shutil.rmtree(share)
    second.catch_up()
    assert [second.reached] == [False]


def test_a_copy_of_another_record_is_left_as_it_is(tmp_path: Path, source: Path) -> None:
    share = tmp_path / "share"
    share.mkdir()
    (share / "checkpoints.jsonl").write_text("1\nother\n")
    place(tmp_path, source).catch_up()
    assert (share / "checkpoints.jsonl").read_text() == "1\nother\n"
    assert (share / "checkpoints-2.jsonl").read_text() == "1\n2\n"


def test_a_torn_line_is_not_copied(tmp_path: Path, source: Path) -> None:
    share = tmp_path / "share"
    share.mkdir()
    second = place(tmp_path, source)
    source.write_text("1\n2\nto")
    second.catch_up()
    assert (share / "checkpoints.jsonl").read_text() == "1\n2\n"
    source.write_text("1\n2\n3\n")
    second.catch_up()
    place(tmp_path, source).catch_up()
    assert (share / "checkpoints.jsonl").read_text() == "1\n2\n3\n"
    assert not (share / "checkpoints-2.jsonl").exists()


def test_nothing_is_copied_before_there_is_a_checkpoint(tmp_path: Path, source: Path) -> None:
    (tmp_path / "share").mkdir()
    source.unlink()
    second = place(tmp_path, source)
    second.catch_up()
    assert second.reached and not (tmp_path / "share" / "checkpoints.jsonl").exists()
