"""What our own description of the API allows, sent to the API: no answer is a fault of ours."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from cpaas.access.problems import PROBLEM
from tests.cpaas.conftest import API, SECRET, House
from tests.cpaas.route_matrix import MATRIX, ROOT

schemathesis = pytest.importorskip("schemathesis", reason="a peer of requirements-ci.lock")
pytestmark = pytest.mark.peer

LEFT_OUT = {
    ("GET", "/openapi.json"),  # describes, and is not described
    ("GET", "/live"),  # never ends
    ("GET", "/backup"),  # of a history on disk, which this house keeps in memory
    # These would shut the test's own user out:
    ("PATCH", "/users/{name}"),
    ("DELETE", "/tokens/{number}"),
    ("DELETE", "/session"),
}
DESCRIBED = sorted(key for key in MATRIX if key not in LEFT_OUT and ROOT not in MATRIX[key].path)


@pytest.fixture(scope="module")
def description(shared_house: House) -> Any:
    uuid = shared_house.endpoint()
    assert shared_house.observe((f"{uuid}/n/o/a", 1.0, 1_700_000_000)).status_code == 201
    return schemathesis.openapi.from_url(f"{shared_house.base_url}/openapi.json")


@pytest.mark.parametrize(("verb", "path"), DESCRIBED)
def test_no_request_is_a_fault(description: Any, verb: str, path: str) -> None:
    operation = description[API + path.replace(":path}", "}")][verb]

    @settings(
        max_examples=5,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def sent(case: Any) -> None:
        answer = case.call(headers={"Authorization": f"Bearer {SECRET}"}, timeout=30)
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400 and verb != "HEAD":
            assert answer.headers["content-type"] == [PROBLEM]
            assert answer.json()["detail"]

    sent()
