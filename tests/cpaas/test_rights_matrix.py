"""Every route by every verb: nobody gets in without a token, and nothing of others exists.

A route without a row here fails.
"""

from __future__ import annotations

import uuid

import httpx
import pytest

from ciaas.computing.jobs import Job
from ciaas.kernel.address import EndpointId, PointAddress
from ciaas.kernel.downlink.command import Rung, Step
from ciaas.kernel.downlink.ports import NewCommand
from ciaas.management.alarms.ports import Alarm, Harvest, State
from ciaas.management.enrolment.ports import Batch, Progress
from ciaas.management.enrolment.ports import Row as Device
from ciaas.management.subscriptions.ports import DeadLetter, EventKind, Subscription
from security.aaa.tokens import Scope
from security.encryption.named.ports import Use
from tests.cpaas.conftest import API, USER_SCOPES, House
from tests.cpaas.route_matrix import (
    ADMIN,
    BODILESS,
    DOCUMENT,
    FOREIGN,
    JOB,
    LIST,
    MATRIX,
    NAMELESS,
    NOTHING_FOUND,
    NOWHERE,
    OWN,
    SCOPELESS,
    SERVICE,
    Others,
    ask,
    routes,
)


@pytest.fixture(scope="module")
def others(shared_house: House) -> Others:
    """A tenant with everything that a tenant can have."""
    house = shared_house
    house.project("water")
    pump = house.endpoint("Pump", project="water")
    point = f"{pump}/Pump/flow/rate"
    assert house.observe((point, 1.0, 1_700_000_000)).status_code == 201
    house.user("owner", {f"{pump}/#": "OWN"})
    group = house.registry.groups.add_group("waterworkers")
    house.registry.groups.add_member(group.id, house.city.accounts.users()[-1].id)
    body = {"group": "waterworkers", "prefix": f"{pump}/#", "level": "READ"}
    assert house.client().put("/grants", json=body).status_code == 204
    project = next(p for p in house.registry.resources.projects() if p.name == "water")
    house.registry.resources.put_connection("waterworks", project.id, "modbus", {"x": 1}, True)
    house.city.keys.subjects.declare(project.id, "tenant-7")
    house.city.keys.named.create(project.id, "flow-key", Use.ENCRYPT, 1)
    mashup = house.registry.mashups.create(project.id, {"name": "Flow"})
    application, service = publish(house)
    found = Others(pump, point, mashup=mashup.uuid, application=application, service=service)
    sets = house.registry.sets
    sets.put_selection(project.id, found.selection, {"class": ["Pump"]}, 1, None)
    sets.add_endpoint(sets.add_endpoint_group(project.id, found.endpoint_group).id, pump)
    enrol(house, project.id, found)
    raise_alarm(house, found)
    record_command(house, found)
    house.registry.jobs.add(Job(found.job, project.id, 1, JOB, None, 1))
    return found


def enrol(house: House, project: int, whose: Others) -> None:
    """Have the water works keep a profile and a batch by it that halted."""
    document = {"friendly_name": "Meter {serial}"}
    house.registry.enrolments.put_profile(project, whose.profile, document, None)
    batch = Batch(
        whose.batch, project, 1, whose.profile, 1, document, 1, 1, progress=Progress.HALTED
    )
    device = Device(2, "m-1", str(uuid.uuid4()), "Meter m-1", None, {}, {})
    house.registry.enrolments.add(batch, [device])


def publish(house: House) -> tuple[str, str]:
    """Have the water works register an application with a service; returns their names."""
    body = {"name": "Tides", "redirect_uris": ["https://tides.example/in"]}
    made = house.client().post("/applications", json=body, params={"project": "water"})
    client_id = made.json()["client_id"]
    service = house.client().post("/services", json=SERVICE | {"application": client_id})
    assert service.status_code == 201, service.text
    return client_id, service.json()["uuid"]


def record_command(house: House, whose: Others) -> None:
    known = house.city.catalogue.by_address(PointAddress(whose.point))
    owner = house.registry.accounts.user("owner")
    assert known is not None and owner is not None
    project = house.registry.resources.endpoint(EndpointId(whose.endpoint)).project
    steps = [Step(Rung.REQUESTED, 1, "owner"), Step(Rung.AUTHORISED, 1, "core")]
    steps.append(Step(Rung.REJECTED, 1, "core", "dry"))
    house.registry.commands.add(
        NewCommand(whose.command, project, known.id, known.address, owner.id, 1.0, 1, 2, steps)
    )


def raise_alarm(house: House, whose: Others) -> None:
    known = house.city.catalogue.by_address(PointAddress(whose.point))
    assert known is not None
    alarm = Alarm(whose.alarm, known.id, "minor", "dry", State.RAISED, 0.0, 0, 1, 1, 0)
    house.registry.alarms.store(Harvest(house.history.last_commit(), {}, {alarm.id: alarm}))


def subscribe(house: House, whose: Others) -> None:
    [owner] = [user.id for user in house.city.accounts.users() if user.name == "owner"]
    store = house.registry.subscriptions
    kind, url = EventKind.SAMPLES, "http://10.0.0.1/"
    store.add(Subscription(whose.subscription, owner, kind, "", url, {}, 0, "", False, 0, 0))
    store.bury(whose.subscription, DeadLetter(0, 0, 1, 0, "no"))


@pytest.fixture(scope="module")
def stranger(shared_house: House, others: Others) -> httpx.Client:
    """A user with every scope but admin, and without a grant."""
    return shared_house.user("stranger")


@pytest.fixture(scope="module")
def robot(shared_house: House, others: Others) -> httpx.Client:
    """An application that acts for itself, with every scope but admin and without a grant."""
    body = {"name": "a", "grants": ["client_credentials"], "scopes": sorted(USER_SCOPES)}
    made = shared_house.client().post("/applications?project=city", json=body).json()
    answer = shared_house.client(token=None).post(
        f"{shared_house.base_url.removesuffix(API)}/oauth2/token",
        data={"grant_type": "client_credentials"},
        auth=(made["client_id"], made["client_secret"]),
    )
    return shared_house.client(answer.json()["access_token"])


def of_kind(*kinds: str) -> list[tuple[str, str]]:
    return [key for key, row in MATRIX.items() if row.kind in kinds]


def test_every_route_has_a_row_and_no_row_is_left_over(shared_house: House) -> None:
    assert sorted(routes(shared_house)) == sorted(MATRIX)


@pytest.mark.parametrize(
    ("verb", "path"), of_kind(OWN, ADMIN, FOREIGN, LIST, NAMELESS, NOTHING_FOUND)
)
@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer bor_x", "Basic YWxhZGRpbjp4"])
def test_nothing_is_answered_without_a_token(
    shared_house: House, others: Others, verb: str, path: str, authorization: str | None
) -> None:
    with shared_house.client(token=None) as client:
        if authorization is not None:
            client.headers["Authorization"] = authorization
        answer = ask(client, verb, MATRIX[verb, path], others)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["status"] == 401


@pytest.mark.parametrize(("verb", "path"), of_kind(FOREIGN, ADMIN))
def test_what_is_of_others_reads_as_what_does_not_exist(
    stranger: httpx.Client, others: Others, verb: str, path: str
) -> None:
    row = MATRIX[verb, path]
    theirs, nobodys = ask(stranger, verb, row, others), ask(stranger, verb, row, NOWHERE)
    if (verb, path) == ("PUT", "/connections/{name}"):
        # A free name may be taken by who may configure a project; the stranger may not.
        assert nobodys.status_code == 403
    else:
        assert nobodys.status_code == 404
        assert theirs.content == nobodys.content
    assert theirs.status_code == 404
    assert theirs.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "nothing of that name is visible to you",
    }


@pytest.mark.parametrize(("verb", "path"), of_kind(BODILESS))
def test_an_answer_without_a_body_tells_no_more(
    shared_house: House, stranger: httpx.Client, others: Others, verb: str, path: str
) -> None:
    row = MATRIX[verb, path]
    theirs, nobodys = ask(stranger, verb, row, others), ask(stranger, verb, row, NOWHERE)
    assert theirs.status_code == nobodys.status_code == 404
    assert theirs.headers["Content-Length"] == nobodys.headers["Content-Length"]
    with shared_house.client(token=None) as client:
        assert ask(client, verb, row, others).status_code == 401
    scopeless = shared_house.user("scopeless", scopes=USER_SCOPES - {Scope.READ})
    assert ask(scopeless, verb, row, NOWHERE).status_code == 403


@pytest.mark.parametrize(("verb", "path"), of_kind(LIST))
def test_lists_of_a_stranger_are_empty(
    stranger: httpx.Client, others: Others, verb: str, path: str
) -> None:
    assert ask(stranger, verb, MATRIX[verb, path], others).json() == []


@pytest.mark.parametrize(("verb", "path"), of_kind(NOTHING_FOUND))
def test_what_is_of_others_is_not_found(
    stranger: httpx.Client, others: Others, verb: str, path: str
) -> None:
    row = MATRIX[verb, path]
    theirs, nobodys = ask(stranger, verb, row, others), ask(stranger, verb, row, NOWHERE)
    assert theirs.status_code == 200
    assert theirs.content == nobodys.content
    assert theirs.json().get("hits", theirs.json().get("changes")) == []


def test_to_an_application_nothing_of_others_exists_either(
    robot: httpx.Client, others: Others
) -> None:
    assert robot.get("/account").json()["scopes"] == sorted(USER_SCOPES)
    told: dict[int, set[str]] = {}
    for verb, path in of_kind(FOREIGN, ADMIN):
        theirs, nobodys = (ask(robot, verb, MATRIX[verb, path], o) for o in (others, NOWHERE))
        if (verb, path) != ("PUT", "/connections/{name}"):  # a free name is anybody's to take
            assert theirs.content == nobodys.content, (verb, path)
        told.setdefault(theirs.status_code, set()).add(theirs.json()["detail"])
    assert told == {
        403: {"no application may do this for you: sign in and do it yourself"},
        404: {"nothing of that name is visible to you"},
    }
    for verb, path in of_kind(LIST):
        assert ask(robot, verb, MATRIX[verb, path], others).json() == [], path


def test_the_stranger_changed_nothing(
    shared_house: House, stranger: httpx.Client, others: Others
) -> None:
    admin = shared_house.client()
    before = [admin.get(path).json() for path in ("/users", "/grants", "/projects", "/connections")]
    endpoint = admin.get(f"/endpoints/{others.endpoint}").json()
    for (verb, _), row in MATRIX.items():
        if row.kind in (FOREIGN, ADMIN):
            ask(stranger, verb, row, others)
    after = [admin.get(path).json() for path in ("/users", "/grants", "/projects", "/connections")]
    assert after == before
    assert admin.get(f"/endpoints/{others.endpoint}").json() == endpoint
    assert shared_house.room.sent_away == []


def test_a_sample_for_another_tenant_is_refused_as_for_nobody(
    stranger: httpx.Client, others: Others
) -> None:
    row = MATRIX["POST", "/observations"]
    theirs, nobodys = (ask(stranger, "POST", row, whose) for whose in (others, NOWHERE))
    assert theirs.status_code == nobodys.status_code == 422
    assert theirs.content == nobodys.content


def test_the_commands_of_others_are_not_listed(
    shared_house: House, stranger: httpx.Client, others: Others
) -> None:
    assert stranger.get("/commands").json() == {"commands": [], "next": None}
    assert len(shared_house.client().get("/commands").json()["commands"]) == 1


def test_the_alarms_of_others_are_not_listed(
    shared_house: House, stranger: httpx.Client, others: Others
) -> None:
    assert stranger.get("/alarms").json() == {"alarms": [], "before": None}
    assert len(shared_house.client().get("/alarms").json()["alarms"]) == 1


def test_the_quarantine_of_others_is_not_listed(stranger: httpx.Client, others: Others) -> None:
    assert stranger.get("/quarantine").json() == []


@pytest.mark.parametrize(
    "body",
    [
        {"user": "nobody", "prefix": "U/#", "level": "READ"},
        {"user": "owner", "prefix": "project:water", "level": "OWN"},
        {"user": "owner", "prefix": "project:nowhere", "level": "OWN"},
    ],
)
def test_grants_tell_nothing_of_others(
    stranger: httpx.Client, others: Others, body: dict[str, str]
) -> None:
    answer = stranger.put("/grants", json=others.fill_body(body))
    assert (answer.status_code, answer.json()["detail"]) == (
        404, "nothing of that name is visible to you",
    )  # fmt: skip


def test_a_uuid_is_no_way_to_learn_of_others(
    shared_house: House, stranger: httpx.Client, others: Others
) -> None:
    shared_house.project("parks")
    gardener = shared_house.user("gardener", {"project:parks": "OWN"})
    taken, free = (
        gardener.post("/endpoints", params={"friendlyName": "a"}, json={"uuid": whose.endpoint})
        for whose in (others, NOWHERE)
    )
    assert taken.status_code == free.status_code == 403
    assert taken.content == free.content
    answers = []
    for whose in (others, NOWHERE):
        device = {**DOCUMENT["devices"][0], "uuid": whose.endpoint}  # type: ignore[index] # a literal above
        answers.append(gardener.put("/connections/parks", json={**DOCUMENT, "devices": [device]}))
    assert [answer.status_code for answer in answers] == [422, 422]
    texts = [
        answer.json()["detail"].replace(whose.endpoint, "")
        for answer, whose in zip(answers, (others, NOWHERE), strict=True)
    ]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(("verb", "path"), of_kind(OWN, FOREIGN, LIST, NAMELESS, NOTHING_FOUND))
def test_a_scope_too_few_is_refused_before_anything_is_looked_up(
    shared_house: House, others: Others, verb: str, path: str
) -> None:
    if path in SCOPELESS:
        return  # the own account needs a token and no scope
    answers = []
    for scope in sorted(USER_SCOPES):
        user = shared_house.city.accounts.users()[0]
        accounts = shared_house.city.accounts
        issued = accounts.issue_token(user.id, "one scope", USER_SCOPES - {scope}, None)
        with shared_house.client(issued.text) as client:
            answers.append(ask(client, verb, MATRIX[verb, path], NOWHERE))
        accounts.revoke(user.id, issued.token.id)
    refused = [a for a in answers if a.status_code == 403 and "lacks the scope" in a.text]
    assert len(refused) == 1, f"{verb} {path} asks for {len(refused)} scopes"


def test_an_administrator_whose_token_lacks_the_scope_is_told_so(shared_house: House) -> None:
    admin = shared_house.city.accounts.users()[0]
    scopes = frozenset({Scope.READ})
    token = shared_house.city.accounts.issue_token(admin.id, "reader", scopes, None)
    answer = shared_house.client(token.text).get("/users")
    assert answer.status_code == 403
    assert "scope 'admin'" in answer.json()["detail"]
