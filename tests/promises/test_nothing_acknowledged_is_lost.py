"""Nothing that the broker acknowledged is lost and nothing is doubled, whatever is killed."""

from __future__ import annotations

import numpy as np
import pytest

from tests.promises.storm import VICTIMS, Storm

pytestmark = pytest.mark.slow


def test_everything_acknowledged_is_in_history_once(storm: Storm) -> None:
    assert set(storm.kills) >= set(VICTIMS)
    assert storm.account.acked > 1_000
    assert storm.account.clean, str(storm)


def test_every_row_on_disk_stands_alone_for_its_point_and_time(storm: Storm) -> None:
    """The API would show but the newest of two revisions; here are all."""
    keys = np.stack([storm.rows.point.astype(np.int64), storm.rows.observed], axis=1)
    assert len(np.unique(keys, axis=0)) == len(keys)
    assert not storm.rows.revision.any()
    assert len(keys) >= storm.account.stored + len(storm.metered)


def test_a_device_that_is_polled_loses_readings_only_while_its_reader_is_dead(
    storm: Storm,
) -> None:
    """Each kill of what reads it may cost the readings in hand: one run of numbers."""
    counted = np.array(storm.metered)
    assert len(counted) > 50
    steps = np.diff(counted)
    assert (steps > 0).all()
    readers_killed = sum(victim in ("field", "up") for victim in storm.kills)
    assert (steps > 1).sum() <= readers_killed, storm.kills
