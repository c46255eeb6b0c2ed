"""Whatever is sent to whatever route: an answer below 500, and a problem where it is an error."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cpaas.access.problems import PROBLEM
from cpaas.limits import NUMBER_MAX
from tests.cpaas.conftest import API, House
from tests.cpaas.route_matrix import MATRIX

NASTY = [
    "..", "%2f", "%2e%2e%2f", "%00", "%ff", "%c0%af", "%ed%a0%80", "a%20b", "%23", "%2a", "%3e",
    "class:%00", "class:", "%252f", "'%20OR%201=1--", "%22;DROP%20TABLE%20point;--", "9" * 400,
    "00000000-0000-0000-0000-000000000000", "A" * 300, "%F0%9F%8F%99", "%C2%85", "%E2%80%AE", "%7F",
]  # fmt: skip

texts = st.text(max_size=30)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
bodies = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
parts = (
    st.sampled_from(NASTY)
    | texts.map(lambda text: quote(text, safe="", errors="surrogatepass"))
    | st.sampled_from(
        ["EXISTING", "EXISTING/n/o/a", "EXISTING/n", "project:city", "city", "x/y/z/w"]
    )
)
NAMES = [
    "friendlyName", "banned", "online", "project", "limit", "after", "before", "endpoint",
    "address", "from", "to", "resampleInterval", "resampleFunction", "fillValue", "max",
    "separator", "user", "prefix", "blocked", "publicKey", "propertiesFileName",
    "text", "class", "near", "box", "value", "silent", "permission", "what", "sort",
]  # fmt: skip
queries = st.lists(st.tuples(st.sampled_from(NAMES), parts), max_size=4)
FIELDS = [
    "user", "prefix", "level", "name", "password", "label", "scopes", "csr", "metaData", "uuid",
    "customProperties", "observations", "adapter", "devices", "profiles", "unit", "range",
    "expires_in_s", "admin", "disabled",
]  # fmt: skip
shaped = st.dictionaries(st.sampled_from(FIELDS), bodies, max_size=4)
DEADLY = {("PATCH", "/users/{name}"), ("DELETE", "/tokens/{number}")}
"""Would shut the test's own user out; what they take is asked in other tests."""
OTHERWISE = {("GET", "/live"), ("GET", "/backup")}
"""An answer without end, and one of a history on disk, which this house has not: tests of their own
ask for them."""


@pytest.fixture(scope="module")
def existing(shared_house: House) -> str:
    uuid = shared_house.endpoint()
    assert shared_house.observe((f"{uuid}/n/o/a", 1.0, 1_700_000_000)).status_code == 201
    return uuid


def send(house: House, existing: str, verb: str, path: str, body: bytes | None) -> httpx.Response:
    # By hand: a client library would mend what is wrong with the path.
    client = house.clients[0] if house.clients else house.client()
    raw = (API + path.replace("EXISTING", existing)).encode("ascii")
    url = httpx.URL(house.base_url).copy_with(raw_path=raw)
    headers = {} if body is None else {"Content-Type": "application/json"}
    return client.request(verb, url, content=body, headers=headers)


def check(answer: httpx.Response) -> None:
    if answer.status_code == 503:  # the platform is well; nothing here may make it wait
        raise AssertionError(answer.text)
    assert answer.status_code < 500, answer.text
    if answer.request.method == "HEAD":
        assert not answer.content
        return
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == PROBLEM
        assert answer.json()["detail"]
    elif answer.status_code == 204:
        assert not answer.content
        assert "content-type" not in answer.headers
    elif answer.headers.get("content-type") == "application/json":
        json.loads(answer.content, parse_constant=_refuse)


def _refuse(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


@pytest.mark.parametrize(("verb", "template"), sorted(set(MATRIX) - DEADLY - OTHERWISE))
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    part=parts,
    query=queries,
    body=st.none() | bodies | shaped,
    raw=st.none() | st.binary(max_size=60),
)
@example(part="%2e%2e", query=[], body=None, raw=b"\xff")
@example(part="EXISTING", query=[("max", "9" * 30)], body={}, raw=None)
def test_no_request_is_a_fault(
    shared_house: House,
    existing: str,
    verb: str,
    template: str,
    part: str,
    query: list[tuple[str, str]],
    body: Any,
    raw: bytes | None,
) -> None:
    path = re.sub(r"\{[^}]*\}", lambda _: part, template)
    if query:
        path += "?" + "&".join(f"{name}={value}" for name, value in query)
    content = None
    if verb != "GET":
        content = raw if raw is not None else json.dumps(body).encode()
    check(send(shared_house, existing, verb, path, content))


@pytest.mark.parametrize("path", ["/record?before={}", "/alarms?before={}"])
def test_a_number_that_no_store_can_hold_is_refused(
    shared_house: House, existing: str, path: str
) -> None:
    held = send(shared_house, existing, "GET", path.format(NUMBER_MAX), None)
    assert held.status_code == 200
    refused = send(shared_house, existing, "GET", path.format(NUMBER_MAX + 1), None)
    assert refused.status_code == 422
    assert str(NUMBER_MAX) in refused.json()["detail"]


@pytest.mark.parametrize("part", NASTY)
@pytest.mark.parametrize(
    "template",
    ["/data/EXISTING/{}", "/history/EXISTING/n/o/{}", "/metadata/{}", "/history?address={}"],
)
def test_no_address_is_a_fault(
    shared_house: House, existing: str, template: str, part: str
) -> None:
    answer = send(shared_house, existing, "GET", template.format(part), None)
    check(answer)
    if part != "%23":
        assert answer.status_code in (200, 400, 404)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    samples=st.lists(
        st.fixed_dictionaries(
            {"address": st.sampled_from(["EXISTING/n/o/a", "EXISTING/n/o/b"]) | texts},
            optional={"value": bodies, "timestamp": st.none() | st.floats() | st.integers()},
        ),
        max_size=4,
    )
)
def test_no_samples_are_a_fault(shared_house: House, existing: str, samples: list[Any]) -> None:
    text = json.dumps({"observations": samples}).replace("EXISTING", existing)
    check(send(shared_house, existing, "POST", "/observations", text.encode()))
    check(send(shared_house, existing, "GET", f"/data/{existing}", None))
    check(send(shared_house, existing, "GET", f"/history/{existing}/n/o/a", None))
