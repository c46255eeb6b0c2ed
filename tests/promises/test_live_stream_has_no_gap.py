"""What subscribers of the live stream see is what is recorded: every commit, whole and in order."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from ciaas.kernel.sample import Frame
from tests.promises.storm import Storm

pytestmark = pytest.mark.slow


def test_every_commit_comes_whole_and_in_order(storm: Storm) -> None:
    """A chunk may come twice after a crash; a subscriber drops it by its numbers."""
    came = list(dict.fromkeys((c.commit, c.number, c.of) for c in storm.follower.chunks))
    chunks = {commit: of for commit, _, of in came}
    assert storm.follower.connections > 1
    assert came == [
        (commit, number, chunks[commit])
        for commit in range(1, storm.commit[-1] + 1)
        for number in range(1, chunks[commit] + 1)
    ]


def test_rows_of_the_stream_are_those_of_history(storm: Storm) -> None:
    streamed = Frame.concat(list(storm.follower.commits().values()))
    assert len(streamed) == len(storm.rows) > 1_000
    for field in fields(Frame):
        theirs, ours = getattr(streamed, field.name), getattr(storm.rows, field.name)
        if ours.dtype == np.float64:
            assert np.array_equal(theirs, ours, equal_nan=True), field.name
        else:
            assert np.array_equal(theirs, ours), field.name
