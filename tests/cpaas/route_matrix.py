"""Every route by every verb: what it is about, and how it is asked for what is of others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
from fastapi.routing import iter_route_contexts

from cpaas.access.app import create_app
from tests.cpaas.conftest import API, House

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
