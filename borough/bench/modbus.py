"""Bench ``modbus``: what our runtime costs beside bare pymodbus that reads the same registers.

Both sides read the same devices of the same server at the same pace, one process each and one after
the other; what is compared is the processor time that their processes take. Ours decodes, scales,
gathers and stores in a spool, frames encoded as for the stream; the baseline throws away what it
has read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from borough.bench.result import Case, Pair, Result
from borough.bench.rig.child import BenchError, child
from borough.settings import Settings

CASES = ("poll",)
_BAR = 1.5
_ANSWERED_MIN = 0.95
"""Of the requests that the pace asks for; with fewer the figures are of a busy machine."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How large a run is."""

    devices: int = 100
    registers: int = 10
    interval_s: float = 1.0
    warm_s: float = 4.0
    """Connecting and the first reads are not measured."""
    seconds: float = 15.0


def bench(
    settings: Settings,
    cases: Sequence[str],
    pairs: int,
    say: Callable[[str], None],
    plan: Plan | None = None,
) -> Result:
    """Measure; raises BenchError when there is no figure."""
    plan = plan or Plan()
    measured = []
    with child(
        "borough.bench.load.modbus_server", str(plan.devices), str(plan.registers)
    ) as server:
        ports = server.hear()["ports"]
        for number in range(pairs):
            ours, bare = (_cpu_s(side, ports, plan) for side in ("runtime", "bare"))
            measured.append(Pair(1_000 * ours / plan.seconds, 1_000 * bare / plan.seconds))
            say(f"pair {number + 1}: {measured[-1].ours:.1f} / {measured[-1].baseline:.1f} ms/s")
    facts = {**asdict(plan), "values_per_s": plan.devices * plan.registers / plan.interval_s}
    found = [Case(name, "ms/s", measured, _BAR, "lower", facts=facts) for name in cases]
    return Result("modbus", found, {"sync_interval": settings.sync_interval})


def _cpu_s(side: str, ports: Sequence[int], plan: Plan) -> float:
    """Return the processor time in seconds that one side took while it was measured."""
    wanted = plan.devices * plan.seconds / plan.interval_s
    with child("borough.bench.load.modbus_reader") as reader:
        said = reader.tell(side=side, ports=ports, **asdict(plan))
        if said["answered"] < _ANSWERED_MIN * wanted:
            raise BenchError(
                f"{side} had {said['answered']} of {wanted:g} requests answered; "
                "end other work on this machine"
            )
        return float(said["cpu_s"])
