"""The bench ``modbus`` with a few devices: both sides read, and the answer has its form."""

from __future__ import annotations

from borough.bench import modbus
from borough.bench.command import _BENCHES
from borough.settings import Settings


def test_both_sides_read_and_their_processor_time_is_compared() -> None:
    said: list[str] = []
    plan = modbus.Plan(devices=3, registers=4, interval_s=0.2, warm_s=0.5, seconds=1.0)
    result = modbus.bench(Settings(), modbus.CASES, 1, said.append, plan).as_dict()
    [case] = result["cases"]
    assert (result["bench"], case["case"], case["bar"], case["better"]) == (
        "modbus",
        "poll",
        1.5,
        "lower",
    )
    assert case["ours"] > 0 and case["baseline"] > 0 and case["values_per_s"] == 60
    assert len(said) == 1 and _BENCHES["modbus"][1] is modbus.bench
