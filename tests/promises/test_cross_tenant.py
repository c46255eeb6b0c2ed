"""Another tenant's things do not exist: asked for on every route, by every verb, in every place.

The questions are made from the description of the running API. A route or a parameter that this
page knows nothing of fails, so that nobody adds one without saying what it names.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import httpx
import pytest

from tests.cpaas.route_matrix import BODILESS, FOREIGN, JOB, MATRIX, OPEN, SERVICE, Others
from tests.cpaas.test_connections import DOCUMENT
from tests.promises.platform import running

pytestmark = pytest.mark.slow  # some two thousand questions, each recorded on disk

SECRETS = ("canary", "424242")
"""In everything that the other tenant wrote."""
ENDLESS = {("GET", "/live")}
"""Never ends; what it sends to whom is proved in `tests/cpaas`."""
TELLS_A_TAKEN_NAME = {("PUT", "/connections/{name}")}
"""Connections are named for the whole platform: who may make one learns that a name is taken."""
NAMES_ITS_OWN = {
    ("PUT", "/selections/{project}/{name}"),
    ("PUT", "/endpoint-groups/{project}/{name}"),
    ("PUT", "/enrolment-profiles/{project}/{name}"),
}
"""Within an own project any name may be chosen, also one that somebody else has chosen."""
IN_PATHS = {
    "uuid": ("endpoint", "mashup", "service"),
    "client_id": ("application",),
    "address": ("point", "endpoint"),
    "name": (
        "connection",
        "group",
        "user",
        "key",
        "selection",
        "endpoint_group",
        "project",
        "profile",
    ),
    "project": ("project",),
    "id": ("subscription", "job", "mashup", "batch"),
    "user": ("user",),
}
"""What a part of a path may name."""
PLAIN_PARTS = {
    "token": "0" * 64,
    "number": "1",
    "session": "token:1",
    "template": "index",
    "key": "report.csv",
    "version": "1",
    "serial": "ab" * 16,
}
"""Parts that name nothing that could be somebody's, or something within what stands before."""
IN_QUERIES = {
    "address": ("point", "endpoint"),
    "endpoint": ("endpoint",),
    "project": ("project",),
    "prefix": ("endpoint", "point", "extent"),
    "user": ("user",),
    "group": ("group",),
    "subject": ("user",),
    "after": ("endpoint", "user"),
    "resource": ("resource",),
    "text": ("endpoint",),
    "profile": ("profile",),
}
PLAIN_QUERIES = frozenset(
    "act refused event purpose friendlyName banned online limit before from to resampleInterval "
    "resampleFunction fillValue "
    "max separator blocked publicKey propertiesFileName threshold class implements tag constraint "
    "unit quantity near box value verdict state silent permission what sort every wait action "
    "kind severity state open format level status rung history since until number version "
    "terminal count acknowledged at who scope revision form dryRun".split()
)
"""Parameters that name nothing that could be somebody's."""

SUBSCRIPTION = {"url": "http://198.41.0.4:9/", "filter": {"text": "what nobody ever wrote"}}
"""To an address that passes as public; nothing is ever sent there."""


@dataclass(frozen=True)
class Things:
    """The name of one thing of each kind."""

    project: str
    endpoint: str
    point: str
    connection: str
    group: str
    user: str
    subscription: str
    job: str
    mashup: str
    key: str
    application: str
    service: str
    resource: str
    selection: str
    endpoint_group: str
    extent: str
    profile: str
    batch: str

    def as_others(self) -> Others:
        """Return what fills the bodies of the matrix."""
        return Others(
            self.endpoint, self.point, self.connection, self.project, self.group,
            subscription=self.subscription, job=self.job, mashup=self.mashup, key=self.key,
            application=self.application, service=self.service,
        )  # fmt: skip

    def without_names(self, answer: httpx.Response) -> tuple[int, str]:
        """Return an answer with each name replaced by its kind, so that answers compare."""
        text = answer.text
        for field in sorted(fields(self), key=lambda field: -len(getattr(self, field.name))):
            text = text.replace(getattr(self, field.name), f"<{field.name}>")
        return answer.status_code, text


NOBODY = "00000000-0000-4000-8000-00000000dead"
NOBODYS = Things(
    project="nowhere",
    endpoint=NOBODY,
    point=f"{NOBODY}/Pump/flow/rate",
    connection="no-link",
    group="no-group",
    user="no-user",
    subscription=NOBODY,
    job=NOBODY,
    mashup=NOBODY,
    key="no-key",
    application=NOBODY,
    service=NOBODY,
    resource=f"device:{NOBODY}",
    selection="no-choice",
    endpoint_group="no-pumps",
    extent="selection:nowhere/no-choice",
    profile="no-profile",
    batch=NOBODY,
)


class City(NamedTuple):
    """Two tenants on one platform, asked by one of them."""

    admin: httpx.Client
    mallory: httpx.Client
    theirs: Things
    own: Things
    routes: Mapping[tuple[str, str], list[Mapping[str, Any]]]
    """Parameters by verb and path."""


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    settings = {"MODE": "public"}
    with running(tmp_path_factory.mktemp("tenants") / "home", settings=settings) as platform:
        admin = platform.client()
        theirs, own = settle(admin, "canary"), settle(admin, "own")
        scopes = ["read", "write", "configure", "grant", "audit"]
        password = {"password": "a long enough password"}
        sent(admin, "PATCH", "/users/own-user", json=password)
        grant = {"user": "own-user", "prefix": "project:own-project", "level": "OWN"}
        sent(admin, "PUT", "/grants", json=grant)
        login = admin.post("/login", json={"name": "own-user", **password}).json()
        bearer = {"Authorization": f"Bearer {login['token']}"}
        issued = httpx.post(
            f"{admin.base_url}tokens", headers=bearer, json={"label": "all", "scopes": scopes}
        )
        with httpx.Client(
            base_url=admin.base_url,
            headers={"Authorization": f"Bearer {issued.json()['token']}"},
            timeout=30.0,
        ) as mallory:
            yield City(admin, mallory, theirs, own, described(admin))


def settle(admin: httpx.Client, name: str) -> Things:
    """Make a tenant with one thing of each kind, all of them named alike."""
    project, user = f"{name}-project", f"{name}-user"
    sent(admin, "POST", "/projects", json={"name": project})
    sent(admin, "POST", "/users", json={"name": user})
    sent(admin, "POST", "/groups", json={"name": f"{name}-group"})
    made = sent(
        admin, "POST", "/endpoints", params={"friendlyName": f"{name} pump", "project": project},
        json={"metaData": {"note": f"{name} note"}},
    )  # fmt: skip
    uuid = made["uuid"]
    point = f"{uuid}/Pump/flow/rate"
    samples = [{"address": point, "value": 424242.5 if name == "canary" else 1.0}]
    sent(admin, "POST", "/observations", json={"observations": samples})
    overlay = {"title": f"{name} title", "tags": [f"{name} tag"], "unit": "m3/h"}
    sent(admin, "PATCH", f"/metadata/{uuid}", json=overlay)
    of_project = {"project": project}
    devices = [{**DOCUMENT["devices"][0], "friendly_name": f"{name} meter"}]
    document = {**DOCUMENT, "devices": devices}
    sent(admin, "PUT", f"/connections/{name}-link", json=document, params=of_project)
    sent(admin, "PUT", f"/objects/{project}/report.csv", content=name.encode())
    key = {"name": f"{name}-key", "use": "encrypt"}
    sent(admin, "POST", "/keys", params=of_project, json=key)
    app = {"name": f"{name} app", "redirect_uris": ["https://app.example/in"]}
    application = sent(admin, "POST", "/applications", params=of_project, json=app)["client_id"]
    sent(admin, "PUT", f"/selections/{project}/{name}-choice", json={"filter": {"text": name}})
    sent(admin, "PUT", f"/endpoint-groups/{project}/{name}-pumps")
    sent(admin, "PUT", f"/endpoint-groups/{project}/{name}-pumps/members/{uuid}")
    plain = {"friendly_name": f"{name} {{serial}}"}
    sent(admin, "PUT", f"/enrolment-profiles/{project}/{name}-profile", json=plain)
    wanted = {"profile": f"{name}-profile", "project": project}
    batch = sent(admin, "POST", "/enrolments", params=wanted, content="serial\nA1\n")["id"]
    service = {**SERVICE, "application": application, "name": f"{name} service"}
    job = {**JOB, "name": f"{name} job"}
    return Things(
        project=project,
        endpoint=uuid,
        point=point,
        connection=f"{name}-link",
        group=f"{name}-group",
        user=user,
        subscription=sent(admin, "POST", "/subscriptions", json=SUBSCRIPTION)["id"],
        job=sent(admin, "POST", "/jobs", params=of_project, json=job)["id"],
        mashup=sent(admin, "POST", "/mashups", params=of_project, json={"name": name})["uuid"],
        key=f"{name}-key",
        application=application,
        service=sent(admin, "POST", "/services", json=service)["uuid"],
        resource=f"device:{uuid}",
        selection=f"{name}-choice",
        endpoint_group=f"{name}-pumps",
        extent=f"selection:{project}/{name}-choice",
        profile=f"{name}-profile",
        batch=batch,
    )


def sent(client: httpx.Client, verb: str, path: str, **more: Any) -> Any:
    answer = client.request(verb, path, **more)
    assert answer.is_success, f"{verb} {path}: {answer.text}"
    return answer.json() if answer.content else None


def described(admin: httpx.Client) -> Mapping[tuple[str, str], list[Mapping[str, Any]]]:
    """Return the parameters of each route, in the matrix's words."""
    paths = admin.get("/openapi.json").json()["paths"]
    in_matrix = {(verb, path.replace(":path}", "}")): path for verb, path in MATRIX}
    found = {}
    for path, operations in paths.items():
        for verb, operation in operations.items():
            key = verb.upper(), path.removeprefix("/api/v1")
            assert key in in_matrix or key[1] == "/metrics", f"{key} has no row in the matrix"
            if key in in_matrix:
                found[key[0], in_matrix[key]] = operation.get("parameters", [])
    return found


def placed(path: str, whose: Things, own: Things) -> Iterator[str]:
    """Yield the path with each name in it in turn whose it is, the others the asker's own."""
    names = [part.strip("{}").removesuffix(":path") for part in path.split("/") if "{" in part]
    for name in names:
        assert name in IN_PATHS or name in PLAIN_PARTS, f"{path}: say what {name} names"
    for chosen in itertools.product(*(IN_PATHS.get(name, ("",)) for name in names)):
        for foreign in range(len(names)) if names else [0]:
            filled = path
            for at, (name, kind) in enumerate(zip(names, chosen, strict=True)):
                thing = whose if at == foreign else own
                text = PLAIN_PARTS.get(name) or getattr(thing, kind)
                filled = filled.replace(f"{{{name}:path}}", text).replace(f"{{{name}}}", text)
            yield filled


def queried(parameters: list[Mapping[str, Any]], whose: Things) -> Iterator[dict[str, str]]:
    """Yield queries that name one of their things each, and first the one that names nothing."""
    yield {}
    for parameter in parameters:
        name = parameter["name"]
        if parameter["in"] != "query":
            continue
        assert name in IN_QUERIES or name in PLAIN_QUERIES, f"say what ?{name}= names"
        for kind in IN_QUERIES.get(name, ()):
            yield {name: getattr(whose, kind)}


def questions(
    parameters: list[Mapping[str, Any]], verb: str, path: str, whose: Things, own: Things
) -> Iterator[tuple[str, dict[str, str], Any]]:
    """Yield path, query and body of each question that names one of somebody's things."""
    body = whose.as_others().fill_body(MATRIX[verb, path].body)
    names = [getattr(whose, field.name) for field in fields(whose)]
    for filled in placed(path, whose, own):
        for query in queried(parameters, whose):
            told = f"{filled} {query} {body}"
            if (verb, path) in NAMES_ITS_OWN and f"/{whose.project}/" not in filled:
                continue
            if any(name in told for name in names):
                yield filled, query, body


def answers(
    city: City, verb: str, path: str, whose: Things
) -> Iterator[tuple[str, httpx.Response]]:
    for filled, query, body in questions(city.routes[verb, path], verb, path, whose, city.own):
        answer = city.mallory.request(verb, filled, params=query, json=body)
        yield f"{verb} {filled} {query}", answer


def test_every_question_about_others_is_answered_as_one_about_nobody(city: City) -> None:
    asked = 0
    different = []
    for verb, path in city.routes:
        if (verb, path) in ENDLESS or MATRIX[verb, path].kind == OPEN:
            continue
        pairs = zip(
            answers(city, verb, path, city.theirs),
            answers(city, verb, path, NOBODYS),
            strict=True,
        )
        for (question, theirs), (_, nobodys) in pairs:
            asked += 1
            assert theirs.status_code < 500, f"{question}: {theirs.text}"
            if (verb, path) in TELLS_A_TAKEN_NAME:
                assert theirs.status_code in (404, 422), f"{question}: {theirs.text}"
                continue
            shown, expected = city.theirs.without_names(theirs), NOBODYS.without_names(nobodys)
            if shown != expected or any(secret in shown[1] for secret in SECRETS):
                different.append(f"{question}: {shown} for {expected}")
    assert not different, "\n".join(different)
    assert asked > 150


def test_what_a_path_names_of_others_is_not_found(city: City) -> None:
    """404 and never 403, with the one body that there is for it."""
    found, wrong = set(), []
    for verb, path in city.routes:
        row = MATRIX[verb, path]
        if row.kind not in (FOREIGN, BODILESS) or "{" not in path:
            continue
        for question, answer in answers(city, verb, path, city.theirs):
            if (verb, path) in TELLS_A_TAKEN_NAME or "/members/" in path:
                continue  # also of nobody's: the user or the name may be the asker's to choose
            if answer.status_code not in (400, 404, 422):
                wrong.append(f"{question}: {answer.status_code} {answer.text}")
            if answer.status_code == 404 and verb != "HEAD":
                found.add(answer.content)
    assert not wrong, "\n".join(wrong)
    [only] = found
    assert b"nothing of that name is visible to you" in only


def test_no_list_and_no_count_has_anything_of_others(city: City) -> None:
    for verb, path in city.routes:
        if verb != "GET" or "{" in path or (verb, path) in ENDLESS:
            continue
        for query in ({}, {"limit": "1"}, {"what": "endpoints"}, {"what": "candidates"}):
            answer = city.mallory.get(path, params=query)
            if path.startswith("/record") and answer.is_success:
                # The record repeats what the asker asked, of the asker's own project alone.
                assert len(set(re.findall(r'"chain":(\d+)', answer.text))) <= 1
                continue
            text = answer.text
            assert not any(secret in text for secret in SECRETS), f"{path} {query}: {text}"
            assert city.theirs.endpoint not in text
    for what in ("points", "endpoints"):
        asked = {"what": what, "text": "pump"}
        assert city.mallory.get("/search", params=asked).json()["count"] == 1
        assert city.admin.get("/search", params=asked).json()["count"] == 2


@pytest.mark.parametrize(
    "query",
    [
        "text=canary",
        "tag=canary%20tag",
        "project=canary-project",
        "value=%3E424242",
        "what=endpoints&text=canary%20note",
        "what=endpoints&permission=ACCESS&text=canary",
        "what=candidates&project=canary-project",
    ],
)
def test_a_search_for_what_others_wrote_is_one_for_what_nobody_wrote(
    city: City, query: str
) -> None:
    theirs = city.mallory.get(f"/search?{query}")
    nobodys = city.mallory.get(
        f"/search?{query.replace('canary', 'nobody').replace('424242', '989898')}"
    )
    assert theirs.status_code == 200
    assert theirs.content == nobodys.content


def test_own_things_beside_those_of_others_do_not_help(city: City) -> None:
    asked, refused = [], []
    for other in (city.theirs.point, NOBODYS.point):
        both = [city.own.point, other]
        asked.append(city.mallory.get("/history", params={"address": both}))
        observations = [{"address": address, "value": 1} for address in both]
        sent_both = city.mallory.post("/observations", json={"observations": observations})
        refused.append(sent_both.json()["refused"])
    assert [answer.status_code for answer in asked] == [404, 404]
    assert asked[0].content == asked[1].content
    assert refused[0] == refused[1] != []


def test_nothing_of_others_was_changed(city: City) -> None:
    """After all that was asked above, when it runs last; by itself it asks everything again."""

    def seen() -> dict[str, str]:
        theirs = city.theirs
        return {
            path: city.admin.get(path).text
            for path in (
                f"/endpoints/{theirs.endpoint}", f"/metadata/{theirs.endpoint}",
                f"/data/{theirs.point}", f"/connections/{theirs.connection}",
                f"/objects/{theirs.project}", f"/jobs/{theirs.job}", f"/mashups/{theirs.mashup}",
                f"/subscriptions/{theirs.subscription}",
            )
        }  # fmt: skip

    before = seen()
    assert not [path for path, text in before.items() if "Not Found" in text]
    for verb, path in city.routes:
        if (verb, path) not in ENDLESS and MATRIX[verb, path].kind != OPEN:
            for _ in answers(city, verb, path, city.theirs):
                pass
    assert seen() == before
