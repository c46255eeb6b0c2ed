"""The bench of enrolment gives up in time."""

from __future__ import annotations

import httpx
import pytest

from borough.bench import enrol
from borough.bench.rig.child import BenchError


def test_a_batch_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def platform(request: httpx.Request) -> httpx.Response:
        return httpx.Response(202, json={"id": "a", "progress": "running", "done": 7})

    monkeypatch.setattr(enrol, "ENROL_BATCH_S_MAX", 0.0)
    with httpx.Client(transport=httpx.MockTransport(platform), base_url="http://a") as client:
        with pytest.raises(BenchError, match="7 devices after 0 s"):
            enrol._enrol(client, ["L-1"])
