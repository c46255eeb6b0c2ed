"""The console's pages as core serves them: what is answered, what is kept, what is allowed."""

from __future__ import annotations

import fcntl
import gzip
import json
from pathlib import Path

import httpx
import pytest

from cpaas import limits
from cpaas.access.pages import folder as folders
from cpaas.access.pages.door import PAGES
from cpaas.access.pages.folder import LOCK, STAMP, STATE, PageFolder
from tests.cpaas.conftest import House

HTML = '<!doctype html><meta property="csp-nonce" content="__NONCE__"><div id="root"></div>'
SCRIPT = b"console.log('a page')" * 100


def put(house: House, stamp: str = "one", html: str = HTML) -> Path:
    """Leave a built console where the build would."""
    work = folder_of(house)
    (work / "dist/assets").mkdir(parents=True, exist_ok=True)
    (work / "dist/index.html").write_text(html)
    (work / "dist/favicon.svg").write_text("<svg/>")
    (work / "dist/assets/index-abc.js").write_bytes(SCRIPT)
    (work / "dist/assets/index-abc.js.gz").write_bytes(gzip.compress(SCRIPT))
    (work / "dist" / STAMP).write_text(stamp)
    return work


def folder_of(house: House) -> Path:
    return house.city.pages._folder


def visitor(house: House) -> httpx.Client:
    return house.client(token=None, base_url=house.base_url.removesuffix("/api/v1"))


@pytest.mark.parametrize("path", ["/", *(f"/{page}" for page in PAGES), "/devices/a/b?point=c"])
def test_every_page_is_the_one_document(house: House, path: str) -> None:
    put(house)
    answer = visitor(house).get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert '<div id="root">' in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_a_page_may_load_nothing_but_its_own_and_stand_in_no_frame(house: House) -> None:
    put(house)
    first, second = visitor(house).get("/"), visitor(house).get("/")
    policy = dict(
        part.strip().partition(" ")[::2]
        for part in first.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == policy["font-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in str(policy)
    nonce = policy["style-src"].partition("'nonce-")[2].rstrip("'")
    assert f'content="{nonce}"' in first.text
    assert len(nonce) > 20 and nonce not in second.text
    assert first.headers["x-frame-options"] == "DENY"
    assert first.headers["x-content-type-options"] == "nosniff"
    assert first.headers["referrer-policy"] == "no-referrer"


def test_a_file_whose_name_holds_its_hash_is_kept_for_ever(house: House) -> None:
    put(house)
    client = visitor(house)
    answer = client.get("/assets/index-abc.js")
    assert answer.content == SCRIPT
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) < len(SCRIPT)
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]
    plain = client.get("/assets/index-abc.js", headers={"Accept-Encoding": "identity"})
    assert plain.content == SCRIPT and "content-encoding" not in plain.headers
    known = {"If-None-Match": answer.headers["etag"]}
    assert client.get("/assets/index-abc.js", headers=known).status_code == 304
    assert client.get("/favicon.svg").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    ["/nowhere", "/api/v1/nowhere", "/assets/none.js", "/index.html", "/built.json",
     "/assets/..%2f..%2fstate.json", "/assets/../../state.json", "/devicesx", "/metrics/x"],
)  # fmt: skip
def test_what_is_no_page_is_not_answered_by_one(house: House, path: str) -> None:
    put(house)
    answer = visitor(house).get(path)
    assert answer.status_code in (401, 404)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_page_takes_no_other_verb(house: House) -> None:
    put(house)
    assert visitor(house).post("/devices").status_code == 401
    head = visitor(house).head("/")
    assert (head.status_code, head.content) == (200, b"")


def test_until_there_is_a_console_the_page_says_how_far_it_is(house: House) -> None:
    client, work = visitor(house), folder_of(house)
    answer = client.get("/devices")
    assert answer.status_code == 200
    assert "./run console" in answer.text
    work.mkdir()
    (work / STATE).write_text(json.dumps({"step": "bundling <b>", "failed": None}))
    with (work / LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        answer = client.get("/")
        assert "bundling &lt;b&gt;" in answer.text
        assert 'http-equiv="refresh"' in answer.text
        assert "style-src 'self' 'sha256-" in answer.headers["content-security-policy"]
    # Whoever built is gone without having said so.
    assert "./run console" in client.get("/").text
    failed = {"step": "", "failed": "no registry is reachable; go online"}
    (work / STATE).write_text(json.dumps(failed))
    assert "go online" in client.get("/").text
    (work / STATE).write_text("{")
    assert "./run console" in client.get("/").text


def test_a_new_build_is_found_and_the_old_one_serves_until_it_is_whole(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    moment = [0.0]
    pages = PageFolder(tmp_path, lambda: moment[0])
    (tmp_path / "dist/index.html").write_text("first")
    assert pages.files() == {}
    (tmp_path / "dist" / STAMP).write_text("one")
    assert pages.files() == {}, "looked again before its time"
    moment[0] += limits.PAGES_LOOK_EACH_S
    assert pages.files()["index.html"].plain == b"first"
    (tmp_path / "dist").rename(tmp_path / "before")
    moment[0] += limits.PAGES_LOOK_EACH_S
    assert pages.files()["index.html"].plain == b"first"
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist/index.html").write_text("second")
    (tmp_path / "dist" / STAMP).write_text("two")
    moment[0] += limits.PAGES_LOOK_EACH_S
    assert pages.files()["index.html"].plain == b"second"


def test_more_than_may_be_held_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "PAGES_BYTES_MAX", 10)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist/index.html").write_text("x" * 11)
    (tmp_path / "dist" / STAMP).write_text("one")
    assert PageFolder(tmp_path).files() == {}


def test_pages_leave_no_record_and_ask_for_no_token(house: House) -> None:
    put(house)
    before = len(house.recorded())
    assert visitor(house).get("/").status_code == 200
    assert visitor(house).get("/assets/index-abc.js").status_code == 200
    assert len(house.recorded()) == before
