"""Changes: the events whose value is another than the one before."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ciaas.kernel.sample import Numbers
from cpaas.composition.nodes.contract import IN, Operator, Setting
from cpaas.composition.running.flow import ByKey, Flow


class Changes(Operator):
    """Passes the first event of each key, and then those that say something else."""

    __slots__ = ()

    @classmethod
    def at_start(cls, setting: Setting) -> Changes:
        """Return one that has passed nothing yet."""
        return cls(state={"value": np.full(setting.key_count, np.nan)})

    def advance(self, inputs: Mapping[str, Flow], since: int, until: int) -> Flow:
        """Return the changes of one span."""
        return changed(inputs[IN], self.state["value"])


def changed(flow: Flow, value: Numbers) -> Flow:
    """Return the events that differ from their key's value before; ``value`` is brought up."""
    rows = ByKey.of(flow)
    before = np.roll(rows.value, 1)
    before[rows.first] = value[rows.key[rows.first]]
    value[rows.key[rows.last]] = rows.value[rows.last]
    kept = np.empty(len(flow), np.bool_)
    kept[rows.order] = rows.value != before  # nothing is equal to NaN: a first value passes
    return flow.where(kept)
