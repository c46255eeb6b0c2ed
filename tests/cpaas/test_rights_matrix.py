"""Every route by every verb: nobody gets in without a token, and nothing of others exists.

A route without a row here fails.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from ciaas.computing.jobs import Job
from ciaas.kernel.address import EndpointId, PointAddress
from ciaas.kernel.downlink.command import Rung, Step
from ciaas.kernel.downlink.ports import NewCommand
from ciaas.management.alarms.ports import Alarm, Harvest, State
from ciaas.management.enrolment.ports import Batch, Progress
from ciaas.management.enrolment.ports import Row as Device
from ciaas.management.subscriptions.ports import DeadLetter, EventKind, Subscription
from cpaas.access.app import create_app
from security.aaa.tokens import Scope
from security.encryption.named.ports import Use
from tests.cpaas.conftest import API, USER_SCOPES, House

OPEN = "answers without a login"
OWN = "is about the caller alone"
ADMIN = "does not exist for other users"
FOREIGN = "names a thing of another tenant"
BODILESS = "names a thing of another tenant; the verb is answered without a body"
LIST = "lists what the caller may know"
NAMELESS = "names no thing of others"
NOTHING_FOUND = "finds nothing of others, as it finds nothing of nobody"
ROOT = "root:"
"""Before a path that does not lie below the API's prefix."""


class Row(NamedTuple):
    """What a stranger sends, and why the answer is as it is."""

    kind: str
    path: str = ""
    """With ``U`` endpoint, ``P`` point, ``C`` connection and ``T`` project and ``G`` group of
    others."""
    body: Any = None


JOB = {
    "name": "nightly",
    "query": {"select": {"filter": {"unit": "W"}}, "interval": {"previous": "day"}},
    "schedule": {"cron": "0 1 * * *"},
    "target": {"key": "nightly/{date}.csv"},
}

SERVICE = {
    "application": "V",
    "name": "Forecast",
    "base_url": "https://forecast.example",
    "scopes": {"forecast": "READ"},
    "version": "1.0",
    "openapi": {"openapi": "3.1.0", "info": {"title": "a", "version": "1"}, "paths": {}},
}

MATRIX: dict[tuple[str, str], Row] = {
    ("GET", "/openapi.json"): Row(OPEN, "/openapi.json"),
    ("GET", "/health"): Row(OPEN, "/health"),
    ("POST", "/setup"): Row(OPEN, "/setup", {"code": "x", "name": "a", "password": "b"}),
    ("POST", "/login"): Row(OPEN, "/login", {"name": "a", "password": "b"}),
    ("GET", "/session"): Row(OPEN, "/session"),
    ("POST", "/session"): Row(OPEN, "/session", {"name": "a", "password": "b"}),
    ("DELETE", "/session"): Row(OPEN, "/session"),
    ("GET", "/provision/{token}"): Row(OPEN, "/provision/" + "0" * 64),
    ("GET", "/account"): Row(OWN, "/account"),
    ("GET", "/tokens"): Row(OWN, "/tokens"),
    ("POST", "/tokens"): Row(OWN, "/tokens", {"label": "a", "scopes": ["read"]}),
    ("DELETE", "/tokens/{number}"): Row(FOREIGN, "/tokens/1"),
    ("GET", "/status"): Row(ADMIN, "/status"),
    ("GET", "/users"): Row(ADMIN, "/users"),
    ("POST", "/users"): Row(ADMIN, "/users", {"name": "new"}),
    ("PATCH", "/users/{name}"): Row(ADMIN, "/users/owner", {"disabled": True}),
    ("DELETE", "/users/{name}"): Row(ADMIN, "/users/owner"),
    ("DELETE", "/users/{name}/second-factor"): Row(ADMIN, "/users/owner/second-factor"),
    ("GET", "/users/{name}/sessions"): Row(ADMIN, "/users/owner/sessions"),
    ("DELETE", "/users/{name}/sessions"): Row(ADMIN, "/users/owner/sessions"),
    ("DELETE", "/users/{name}/sessions/{session}"): Row(ADMIN, "/users/owner/sessions/token:1"),
    ("PUT", "/account/password"): Row(
        OWN, "/account/password", {"password": "a", "new_password": "b"}
    ),
    ("GET", "/account/second-factor"): Row(OWN, "/account/second-factor"),
    ("POST", "/account/second-factor"): Row(OWN, "/account/second-factor", {"password": "a"}),
    ("POST", "/account/second-factor/confirm"): Row(
        OWN, "/account/second-factor/confirm", {"code": "123456"}
    ),
    ("POST", "/account/second-factor/recovery-codes"): Row(
        OWN, "/account/second-factor/recovery-codes", {"password": "a"}
    ),
    ("POST", "/account/second-factor/removal"): Row(
        OWN, "/account/second-factor/removal", {"password": "a"}
    ),
    ("GET", "/second-factor/administrators"): Row(ADMIN, "/second-factor/administrators"),
    ("PUT", "/second-factor/administrators"): Row(
        ADMIN, "/second-factor/administrators", {"required": True}
    ),
    ("GET", "/sessions"): Row(OWN, "/sessions"),
    ("DELETE", "/sessions"): Row(OWN, "/sessions"),
    ("DELETE", "/sessions/{session}"): Row(FOREIGN, "/sessions/token:1"),
    ("GET", "/invitations"): Row(LIST, "/invitations"),
    ("POST", "/invitations"): Row(
        FOREIGN, "/invitations", {"note": "a", "project": "T", "level": "READ"}
    ),
    ("DELETE", "/invitations/{number}"): Row(FOREIGN, "/invitations/1"),
    ("POST", "/invitations/accept"): Row(
        OPEN, "/invitations/accept", {"token": "a", "name": "b", "password": "c"}
    ),
    ("PATCH", "/projects/{name}"): Row(FOREIGN, "/projects/T", {"second_factor": True}),
    ("GET", "/projects/{name}/quotas"): Row(FOREIGN, "/projects/T/quotas"),
    ("PUT", "/projects/{name}/quotas"): Row(ADMIN, "/projects/T/quotas", {"points": 1}),
    ("GET", "/projects"): Row(LIST, "/projects"),
    ("POST", "/projects"): Row(ADMIN, "/projects", {"name": "new"}),
    ("GET", "/grants"): Row(LIST, "/grants"),
    ("PUT", "/grants"): Row(
        FOREIGN, "/grants", {"user": "stranger", "prefix": "U/#", "level": "READ"}
    ),
    ("DELETE", "/grants"): Row(FOREIGN, "/grants?user=owner&prefix=U"),
    ("GET", "/accesses/{address:path}"): Row(FOREIGN, "/accesses/P"),
    ("GET", "/backup"): Row(ADMIN, "/backup"),
    ("GET", "/record"): Row(FOREIGN, "/record?project=T"),
    ("GET", "/record/checkpoints"): Row(ADMIN, "/record/checkpoints"),
    ("GET", "/record/export"): Row(FOREIGN, "/record/export?project=T"),
    ("GET", "/record/key"): Row(NAMELESS, "/record/key"),
    ("GET", "/record/{project}/{number}/proof"): Row(FOREIGN, "/record/T/1/proof"),
    ("GET", "/groups"): Row(LIST, "/groups"),
    ("POST", "/groups"): Row(ADMIN, "/groups", {"name": "new"}),
    ("DELETE", "/groups/{name}"): Row(ADMIN, "/groups/waterworkers"),
    ("PUT", "/groups/{name}/members/{user}"): Row(FOREIGN, "/groups/G/members/stranger"),
    ("DELETE", "/groups/{name}/members/{user}"): Row(FOREIGN, "/groups/G/members/owner"),
    ("GET", "/rights"): Row(FOREIGN, "/rights?prefix=U"),
    ("GET", "/rights/why"): Row(FOREIGN, "/rights/why?address=U&action=read"),
    ("GET", "/endpoints"): Row(LIST, "/endpoints"),
    ("POST", "/endpoints"): Row(FOREIGN, "/endpoints?friendlyName=a&project=T"),
    ("GET", "/endpoints/{uuid}"): Row(FOREIGN, "/endpoints/U"),
    ("DELETE", "/endpoints/{uuid}"): Row(FOREIGN, "/endpoints/U"),
    ("GET", "/endpoints/{uuid}/online"): Row(FOREIGN, "/endpoints/U/online"),
    ("GET", "/endpoints/{uuid}/log"): Row(FOREIGN, "/endpoints/U/log"),
    ("PUT", "/endpoints/{uuid}/friendlyName"): Row(
        FOREIGN, "/endpoints/U/friendlyName?friendlyName=mine"
    ),
    ("PUT", "/endpoints/{uuid}/metaData"): Row(FOREIGN, "/endpoints/U/metaData", {"a": 1}),
    ("PUT", "/endpoints/{uuid}/banned"): Row(FOREIGN, "/endpoints/U/banned?blocked=true"),
    ("POST", "/endpoints/{uuid}/provisionToken"): Row(FOREIGN, "/endpoints/U/provisionToken"),
    ("POST", "/endpoints/{uuid}/certificate"): Row(
        FOREIGN, "/endpoints/U/certificate", {"csr": "x"}
    ),
    ("GET", "/endpoints/{uuid}/certificates"): Row(FOREIGN, "/endpoints/U/certificates"),
    ("DELETE", "/endpoints/{uuid}/certificates"): Row(FOREIGN, "/endpoints/U/certificates"),
    ("DELETE", "/endpoints/{uuid}/certificates/{serial}"): Row(
        FOREIGN, "/endpoints/U/certificates/1f"
    ),
    ("GET", "/.well-known/est/cacerts"): Row(OPEN, f"{ROOT}/.well-known/est/cacerts"),
    ("GET", "/.well-known/est/csrattrs"): Row(OPEN, f"{ROOT}/.well-known/est/csrattrs"),
    ("POST", "/.well-known/est/simpleenroll"): Row(OPEN, f"{ROOT}/.well-known/est/simpleenroll"),
    ("POST", "/.well-known/est/simplereenroll"): Row(
        OPEN, f"{ROOT}/.well-known/est/simplereenroll"
    ),
    ("GET", "/ca-certificate"): Row(NAMELESS, "/ca-certificate"),
    ("GET", "/metadata/{address:path}"): Row(FOREIGN, "/metadata/P"),
    ("PATCH", "/metadata/{address:path}"): Row(FOREIGN, "/metadata/P", {"unit": "W"}),
    ("GET", "/connections"): Row(LIST, "/connections"),
    ("GET", "/connections/{name}"): Row(FOREIGN, "/connections/C"),
    ("PUT", "/connections/{name}"): Row(FOREIGN, "/connections/C", {"adapter": "modbus"}),
    ("DELETE", "/connections/{name}"): Row(FOREIGN, "/connections/C"),
    ("GET", "/data/{address:path}"): Row(FOREIGN, "/data/P"),
    ("PUT", "/data/{address:path}"): Row(FOREIGN, "/data/P?value=1"),
    ("GET", "/commands"): Row(FOREIGN, "/commands?address=P"),
    ("GET", "/commands/{id}"): Row(FOREIGN, "/commands/K"),
    ("GET", "/history"): Row(FOREIGN, "/history?address=P"),
    ("GET", "/history/{address:path}"): Row(FOREIGN, "/history/P"),
    ("POST", "/query"): Row(
        FOREIGN, "/query", {"select": {"addresses": ["P"]}, "interval": {"last": "1d"}}
    ),
    ("GET", "/jobs"): Row(LIST, "/jobs"),
    ("POST", "/jobs"): Row(FOREIGN, "/jobs?project=T", JOB),
    ("GET", "/jobs/{id}"): Row(FOREIGN, "/jobs/J"),
    ("PUT", "/jobs/{id}"): Row(FOREIGN, "/jobs/J", JOB),
    ("DELETE", "/jobs/{id}"): Row(FOREIGN, "/jobs/J"),
    ("POST", "/jobs/{id}/runs"): Row(FOREIGN, "/jobs/J/runs"),
    ("GET", "/jobs/{id}/runs"): Row(FOREIGN, "/jobs/J/runs"),
    ("GET", "/objects/{project}"): Row(FOREIGN, "/objects/T"),
    ("PUT", "/objects/{project}/{key:path}"): Row(FOREIGN, "/objects/T/a/report.csv", "x"),
    ("GET", "/objects/{project}/{key:path}"): Row(FOREIGN, "/objects/T/a/report.csv"),
    ("HEAD", "/objects/{project}/{key:path}"): Row(BODILESS, "/objects/T/a/report.csv"),
    ("DELETE", "/objects/{project}/{key:path}"): Row(FOREIGN, "/objects/T/a/report.csv"),
    ("POST", "/observations"): Row(
        NAMELESS, "/observations", {"observations": [{"address": "P", "value": 1.0}]}
    ),
    ("GET", "/alarms"): Row(NAMELESS, "/alarms"),
    ("GET", "/alarms/{id}"): Row(FOREIGN, "/alarms/A"),
    ("POST", "/alarms/{id}/acknowledge"): Row(FOREIGN, "/alarms/A/acknowledge", {"comment": "a"}),
    ("GET", "/subscriptions"): Row(LIST, "/subscriptions"),
    ("POST", "/subscriptions"): Row(NAMELESS, "/subscriptions", {"url": "http://10.0.0.1/"}),
    ("GET", "/subscriptions/{id}"): Row(FOREIGN, "/subscriptions/S"),
    ("PATCH", "/subscriptions/{id}"): Row(FOREIGN, "/subscriptions/S", {"enabled": False}),
    ("DELETE", "/subscriptions/{id}"): Row(FOREIGN, "/subscriptions/S"),
    ("GET", "/subscriptions/{id}/dead-letters"): Row(FOREIGN, "/subscriptions/S/dead-letters"),
    ("POST", "/subscriptions/{id}/dead-letters/{number}/replay"): Row(
        FOREIGN, "/subscriptions/S/dead-letters/1/replay"
    ),
    ("DELETE", "/subscriptions/{id}/dead-letters/{number}"): Row(
        FOREIGN, "/subscriptions/S/dead-letters/1"
    ),
    ("GET", "/live"): Row(NAMELESS, "/live?after=no-id"),
    ("GET", "/changes"): Row(NOTHING_FOUND, "/changes"),
    ("GET", "/search"): Row(NOTHING_FOUND, "/search?address=U"),
    ("POST", "/search"): Row(NOTHING_FOUND, "/search", {"filter": {"address": ["P"]}}),
    ("GET", "/dependability"): Row(FOREIGN, "/dependability?endpoint=U"),
    ("GET", "/dependability/report"): Row(FOREIGN, "/dependability/report?endpoint=U"),
    ("GET", "/dependability/states"): Row(FOREIGN, "/dependability/states?resource=device:U"),
    ("GET", "/metrics"): Row(ADMIN, f"{ROOT}/metrics"),
    ("GET", "/mashups"): Row(LIST, "/mashups"),
    ("POST", "/mashups"): Row(FOREIGN, "/mashups?project=T", {"name": "a"}),
    ("GET", "/mashups/node-types"): Row(NAMELESS, "/mashups/node-types"),
    ("GET", "/mashups/templates"): Row(NAMELESS, "/mashups/templates"),
    ("POST", "/mashups/templates/{template}"): Row(
        NAMELESS, "/mashups/templates/index", {"name": "a", "points": {"text": "a"}}
    ),
    ("GET", "/mashups/{uuid}"): Row(FOREIGN, "/mashups/M"),
    ("PUT", "/mashups/{uuid}"): Row(FOREIGN, "/mashups/M", {"name": "mine"}),
    ("DELETE", "/mashups/{uuid}"): Row(FOREIGN, "/mashups/M"),
    ("GET", "/mashups/{uuid}/check"): Row(FOREIGN, "/mashups/M/check"),
    ("GET", "/mashups/{uuid}/status"): Row(FOREIGN, "/mashups/M/status"),
    ("POST", "/mashups/{uuid}/publish"): Row(FOREIGN, "/mashups/M/publish", {}),
    ("POST", "/mashups/{uuid}/pause"): Row(FOREIGN, "/mashups/M/pause"),
    ("POST", "/mashups/{uuid}/resume"): Row(FOREIGN, "/mashups/M/resume"),
    ("GET", "/mashups/{uuid}/versions"): Row(FOREIGN, "/mashups/M/versions"),
    ("GET", "/mashups/{uuid}/versions/{number}"): Row(FOREIGN, "/mashups/M/versions/1"),
    ("POST", "/mashups/{uuid}/dry-run"): Row(
        FOREIGN, "/mashups/M/dry-run", {"from": "2026-01-01", "to": "2026-01-02"}
    ),
    ("GET", "/keys"): Row(LIST, "/keys"),
    ("POST", "/keys"): Row(FOREIGN, "/keys?project=T", {"name": "seal", "use": "encrypt"}),
    ("GET", "/keys/ring"): Row(ADMIN, "/keys/ring"),
    ("DELETE", "/keys/ring/{version}"): Row(ADMIN, "/keys/ring/1"),
    ("POST", "/keys/rotate"): Row(ADMIN, "/keys/rotate"),
    ("GET", "/keys/{name}"): Row(FOREIGN, "/keys/E"),
    ("PATCH", "/keys/{name}"): Row(FOREIGN, "/keys/E", {"disabled": True}),
    ("POST", "/keys/{name}/rotate"): Row(FOREIGN, "/keys/E/rotate"),
    ("POST", "/keys/{name}/encrypt"): Row(FOREIGN, "/keys/E/encrypt", {"plaintext": "YQ=="}),
    ("POST", "/keys/{name}/decrypt"): Row(FOREIGN, "/keys/E/decrypt", {"ciphertext": "x"}),
    ("POST", "/keys/{name}/sign"): Row(FOREIGN, "/keys/E/sign", {"message": "YQ=="}),
    ("POST", "/keys/{name}/verify"): Row(
        FOREIGN, "/keys/E/verify", {"message": "YQ==", "signature": "x"}
    ),
    ("GET", "/applications"): Row(LIST, "/applications"),
    ("POST", "/applications"): Row(FOREIGN, "/applications?project=T", {"name": "mine"}),
    ("GET", "/applications/{client_id}"): Row(FOREIGN, "/applications/V"),
    ("PATCH", "/applications/{client_id}"): Row(FOREIGN, "/applications/V", {"disabled": True}),
    ("DELETE", "/applications/{client_id}"): Row(FOREIGN, "/applications/V"),
    ("POST", "/applications/{client_id}/secret"): Row(FOREIGN, "/applications/V/secret", {}),
    ("GET", "/authorisations"): Row(OWN, "/authorisations"),
    ("DELETE", "/authorisations/{client_id}"): Row(FOREIGN, "/authorisations/V"),
    ("POST", "/signing-keys"): Row(ADMIN, "/signing-keys", {}),
    ("GET", "/selections"): Row(FOREIGN, "/selections?project=T"),
    ("GET", "/selections/{project}/{name}"): Row(FOREIGN, "/selections/T/L"),
    ("PUT", "/selections/{project}/{name}"): Row(FOREIGN, "/selections/T/L", {"filter": {}}),
    ("DELETE", "/selections/{project}/{name}"): Row(FOREIGN, "/selections/T/L"),
    ("GET", "/endpoint-groups"): Row(FOREIGN, "/endpoint-groups?project=T"),
    ("GET", "/endpoint-groups/{project}/{name}"): Row(FOREIGN, "/endpoint-groups/T/Z"),
    ("PUT", "/endpoint-groups/{project}/{name}"): Row(FOREIGN, "/endpoint-groups/T/Z"),
    ("DELETE", "/endpoint-groups/{project}/{name}"): Row(FOREIGN, "/endpoint-groups/T/Z"),
    ("PUT", "/endpoint-groups/{project}/{name}/members/{uuid}"): Row(
        FOREIGN, "/endpoint-groups/T/Z/members/U"
    ),
    ("DELETE", "/endpoint-groups/{project}/{name}/members/{uuid}"): Row(
        FOREIGN, "/endpoint-groups/T/Z/members/U"
    ),
    ("GET", "/enrolment-profiles"): Row(FOREIGN, "/enrolment-profiles?project=T"),
    ("GET", "/enrolment-profiles/{project}/{name}"): Row(FOREIGN, "/enrolment-profiles/T/F"),
    ("PUT", "/enrolment-profiles/{project}/{name}"): Row(
        FOREIGN, "/enrolment-profiles/T/F", {"friendly_name": "mine"}
    ),
    ("DELETE", "/enrolment-profiles/{project}/{name}"): Row(FOREIGN, "/enrolment-profiles/T/F"),
    ("GET", "/endpoints/{uuid}/devices"): Row(FOREIGN, "/endpoints/U/devices"),
    ("POST", "/endpoints/{uuid}/devices"): Row(FOREIGN, "/endpoints/U/devices", {"serial": "S-1"}),
    ("GET", "/enrolments"): Row(FOREIGN, "/enrolments?project=T"),
    ("POST", "/enrolments"): Row(FOREIGN, "/enrolments?project=T&profile=F"),
    ("GET", "/enrolments/{id}"): Row(FOREIGN, "/enrolments/B"),
    ("POST", "/enrolments/{id}/resume"): Row(FOREIGN, "/enrolments/B/resume"),
    ("POST", "/enrolments/{id}/result"): Row(FOREIGN, "/enrolments/B/result"),
    ("GET", "/services"): Row(LIST, "/services"),
    ("POST", "/services"): Row(FOREIGN, "/services", SERVICE),
    ("GET", "/services/{uuid}"): Row(FOREIGN, "/services/N"),
    ("GET", "/services/{uuid}/openapi.json"): Row(FOREIGN, "/services/N/openapi.json"),
    ("POST", "/services/{uuid}/versions"): Row(FOREIGN, "/services/N/versions", SERVICE),
    ("DELETE", "/services/{uuid}"): Row(FOREIGN, "/services/N"),
    ("PUT", "/services/{uuid}/grants"): Row(
        FOREIGN, "/services/N/grants", {"user": "stranger", "scope": "forecast"}
    ),
    ("DELETE", "/services/{uuid}/grants"): Row(
        FOREIGN, "/services/N/grants?user=owner&scope=forecast"
    ),
    ("GET", "/.well-known/openid-configuration"): Row(
        OPEN, f"{ROOT}/.well-known/openid-configuration"
    ),
    ("GET", "/oauth2/authorize"): Row(OPEN, f"{ROOT}/oauth2/authorize"),
    ("POST", "/oauth2/authorize"): Row(OPEN, f"{ROOT}/oauth2/authorize"),
    ("POST", "/oauth2/login"): Row(OPEN, f"{ROOT}/oauth2/login"),
    ("POST", "/oauth2/consent"): Row(OPEN, f"{ROOT}/oauth2/consent"),
    ("GET", "/oauth2/device"): Row(OPEN, f"{ROOT}/oauth2/device"),
    ("POST", "/oauth2/device"): Row(OPEN, f"{ROOT}/oauth2/device"),
    ("POST", "/oauth2/device/decision"): Row(OPEN, f"{ROOT}/oauth2/device/decision"),
    ("GET", "/oauth2/logout"): Row(OPEN, f"{ROOT}/oauth2/logout"),
    ("POST", "/oauth2/logout"): Row(OPEN, f"{ROOT}/oauth2/logout"),
    ("GET", "/oauth2/jwks"): Row(OPEN, f"{ROOT}/oauth2/jwks"),
    ("POST", "/oauth2/token"): Row(OPEN, f"{ROOT}/oauth2/token"),
    ("POST", "/oauth2/introspect"): Row(OPEN, f"{ROOT}/oauth2/introspect"),
    ("POST", "/oauth2/revoke"): Row(OPEN, f"{ROOT}/oauth2/revoke"),
    ("POST", "/oauth2/device_authorization"): Row(OPEN, f"{ROOT}/oauth2/device_authorization"),
    ("GET", "/oauth2/userinfo"): Row(OPEN, f"{ROOT}/oauth2/userinfo"),
    ("POST", "/oauth2/userinfo"): Row(OPEN, f"{ROOT}/oauth2/userinfo"),
    ("GET", "/data-subjects"): Row(LIST, "/data-subjects"),
    ("DELETE", "/data-subjects/{id}"): Row(FOREIGN, "/data-subjects/D"),
    ("GET", "/quarantine"): Row(FOREIGN, "/quarantine?endpoint=U"),
}
"""Both of `/observations` and `/ca-certificate` have tests of their own below; `/live`, which never
ends, in `test_live_feed`."""
SCOPELESS = (
    "/account", "/tokens", "/tokens/{number}", "/authorisations", "/authorisations/{client_id}",
    "/account/password", "/account/second-factor", "/account/second-factor/confirm",
    "/account/second-factor/recovery-codes", "/account/second-factor/removal",
    "/sessions", "/sessions/{session}",
)  # fmt: skip


class Others(NamedTuple):
    """What belongs to another tenant."""

    endpoint: str
    point: str
    connection: str = "waterworks"
    project: str = "water"
    group: str = "waterworkers"
    alarm: str = "a1a12000-0000-4000-8000-00000000beef"
    subscription: str = "5b5c0000-0000-4000-8000-00000000beef"
    command: str = "c0332000-0000-4000-8000-00000000beef"
    job: str = "10b10000-0000-4000-8000-00000000beef"
    mashup: str = ""
    key: str = "flow-key"
    application: str = ""
    service: str = ""
    selection: str = "flows"
    endpoint_group: str = "pumps"
    data_subject: str = "tenant-7"
    batch: str = "ba7c4000-0000-4000-8000-00000000beef"
    profile: str = "meters"

    def fill(self, text: str) -> str:
        for letter, name in zip("UPCTGASKJMEVNLZDBF", self, strict=True):
            text = text.replace(f"/{letter}", f"/{name}").replace(f"={letter}", f"={name}")
            text = text.replace(f":{letter}", f":{name}")
        return text

    def fill_body(self, body: Any) -> Any:
        match body:
            case dict():
                return {key: self.fill_body(value) for key, value in body.items()}
            case list():
                return [self.fill_body(value) for value in body]
            case "P":
                return self.point
            case "U/#":
                return f"{self.endpoint}/#"
            case "V":
                return self.application
        return body


NOWHERE = Others(
    "00000000-0000-4000-8000-00000000dead",
    "00000000-0000-4000-8000-00000000dead/Pump/flow/rate",
    "nowhere",
    "nowhere",
    "nowhere",
    "00000000-0000-4000-8000-00000000dead",
    "00000000-0000-4000-8000-00000000dead",
    job="00000000-0000-4000-8000-00000000dead",
    mashup="00000000-0000-4000-8000-00000000dead",
    key="nowhere",
    data_subject="nowhere",
    batch="00000000-0000-4000-8000-00000000dead",
    profile="nowhere",
    application="00000000-0000-4000-8000-00000000dead",
    service="00000000-0000-4000-8000-00000000dead",
)
DOCUMENT = {
    "adapter": "modbus",
    "host": "127.0.0.1",
    "profiles": {
        "meter": {"points": [{"name": "Meter/flow/rate", "address": 0, "type": "uint16"}]}
    },
    "devices": [{"id": "one", "profile": "meter", "unit": 1}],
}


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


def routes(house: House) -> Iterator[tuple[str, str]]:
    for route in iter_route_contexts(create_app(house.city).routes):
        assert route.path is not None and route.methods, f"{route} cannot be asked by this test"
        for verb in route.methods:
            yield verb, route.path.removeprefix(API)


def ask(client: httpx.Client, verb: str, row: Row, others: Others) -> httpx.Response:
    path = others.fill(row.path)
    if path.startswith(ROOT):
        path = str(client.base_url.copy_with(path=path.removeprefix(ROOT)))
    return client.request(verb, path, json=others.fill_body(row.body))


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
