"""Objects over HTTP: contents, conditions, rights, room, and what a crash leaves behind."""

from __future__ import annotations

import hashlib
import http.client
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ciaas.ports import Conflict
from ciaas.storage.objects import Contents, NoRoom, ObjectEntry, TooLarge
from ciaas.storage.registry.processing.objects import Objects
from cpaas.limits import BODY_BYTES_MAX, OBJECT_KEY_LEVELS_MAX, OBJECT_MEDIA_TYPE_CHARS_MAX
from tests.cpaas.conftest import OBJECTS_QUOTA, House

BUCKET = "/objects/city"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def files(house: House) -> list[str]:
    folder = house.city.processing.buckets.contents._folder
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_what_was_stored_is_fetched(house: House) -> None:
    client = house.client()
    content = os.urandom(300_000)
    stored = client.put(f"{BUCKET}/a/räport 1.bin", content=content)
    assert stored.status_code == 201
    assert stored.headers["ETag"] == f'"{digest(content)}"'
    assert stored.json()["key"] == "a/räport 1.bin"
    assert stored.json()["changed_by"] == stored.json()["changed_by"] is not None
    fetched = client.get(f"{BUCKET}/a/räport 1.bin")
    assert fetched.content == content
    assert fetched.headers["Content-Type"] == "application/octet-stream"
    assert fetched.headers["ETag"] == stored.headers["ETag"]
    looked = client.head(f"{BUCKET}/a/räport 1.bin")
    assert (looked.content, looked.headers["Content-Length"]) == (b"", "300000")


def test_what_somebody_stored_does_not_run_in_a_browser(house: House) -> None:
    client = house.client()
    page = b"<script>alert(1)</script>"
    client.put(f"{BUCKET}/page.html", content=page, headers={"Content-Type": "text/html"})
    fetched = client.get(f"{BUCKET}/page.html")
    assert fetched.headers["Content-Type"].startswith("text/html")
    assert fetched.headers["Content-Disposition"] == "attachment"
    assert "sandbox" in fetched.headers["Content-Security-Policy"]
    assert fetched.headers["X-Content-Type-Options"] == "nosniff"


def test_conditions_keep_two_writers_from_undoing_each_other(house: House) -> None:
    client = house.client()
    only_new = {"If-None-Match": "*"}
    first = client.put(f"{BUCKET}/x", content=b"1", headers=only_new)
    assert first.status_code == 201
    assert client.put(f"{BUCKET}/x", content=b"2", headers=only_new).status_code == 412
    seen = {"If-Match": first.headers["ETag"]}
    assert client.put(f"{BUCKET}/x", content=b"2", headers=seen).status_code == 200
    late = client.put(f"{BUCKET}/x", content=b"3", headers=seen)
    assert late.status_code == 412
    assert digest(b"2") in late.json()["detail"]
    assert client.get(f"{BUCKET}/x").content == b"2"
    assert client.delete(f"{BUCKET}/x", headers=seen).status_code == 412
    assert client.put(f"{BUCKET}/y", content=b"2", headers={"If-Match": "*"}).status_code == 412
    assert client.put(f"{BUCKET}/y", content=b"2", headers={"If-Match": "2"}).status_code == 400
    unchanged = client.get(f"{BUCKET}/x", headers={"If-None-Match": f'"a", W/"{digest(b"2")}"'})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert client.get(f"{BUCKET}/x", headers={"If-None-Match": '"a"'}).content == b"2"
    assert client.delete(f"{BUCKET}/x", headers={"If-Match": "*"}).status_code == 204
    assert client.get(f"{BUCKET}/x").status_code == 404


def test_one_content_is_kept_once_and_goes_with_its_last_key(house: House) -> None:
    client = house.client()
    for key in ("a", "b"):
        client.put(f"{BUCKET}/{key}", content=b"same")
    assert files(house) == [digest(b"same")]
    assert client.delete(f"{BUCKET}/a").status_code == 204
    assert files(house) == [digest(b"same")]
    client.put(f"{BUCKET}/b", content=b"other")
    assert files(house) == [digest(b"other")]
    assert client.delete(f"{BUCKET}/a").status_code == 404


def test_a_listing_goes_on_where_a_page_ended(house: House) -> None:
    client = house.client()
    for key in ("a_1", "a_2", "aX3", "b"):
        client.put(f"{BUCKET}/{key}", content=key.encode())
    page = client.get(BUCKET, params={"prefix": "a", "limit": 2}).json()
    assert [one["key"] for one in page["objects"]] == ["aX3", "a_1"]
    assert (page["count"], page["bytes"], page["quota_bytes"]) == (4, 10, OBJECTS_QUOTA)
    page = client.get(BUCKET, params={"prefix": "a", "after": page["next"]}).json()
    assert ([one["key"] for one in page["objects"]], page["next"]) == (["a_2"], None)
    # An underscore is itself, no placeholder.
    assert len(client.get(BUCKET, params={"prefix": "a_"}).json()["objects"]) == 2


def test_the_room_of_a_project_is_bounded(house: House) -> None:
    client = house.client()
    assert client.put(f"{BUCKET}/a", content=bytes(OBJECTS_QUOTA)).status_code == 201
    refused = client.put(f"{BUCKET}/b", content=b"1")
    assert refused.status_code == 507
    assert f"{OBJECTS_QUOTA:,}" in refused.json()["detail"]
    assert client.put(f"{BUCKET}/a", content=b"1").status_code == 200
    assert client.put(f"{BUCKET}/b", content=b"1").status_code == 201
    assert files(house) == [digest(b"1")]


def test_objects_may_be_larger_than_other_bodies(house: House) -> None:
    content = bytes(BODY_BYTES_MAX + 1)
    refused = house.client().put(f"{BUCKET}/large", content=content)
    # Read to its end, and refused for its project's room alone.
    assert refused.status_code == 507
    assert files(house) == []


KEYS = ["", "a//b", "a/", "a/%2e%2e/b", "%2e", "a%00b", "a%0ab", "a%5cb", "x" * 513,
        "/".join("a" * (OBJECT_KEY_LEVELS_MAX + 1))]  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_what_is_no_key(shared_house: House, key: str) -> None:
    # As bytes on the wire: the client would tidy the path up.
    answer = raw(shared_house, "PUT", f"/api/v1/objects/city/{key}", b"x")
    assert answer in (400, 404, 409), answer
    assert shared_house.client().get(BUCKET).json()["count"] == 0


def raw(house: House, verb: str, path: str, body: bytes) -> int:
    url = httpx.URL(house.base_url)
    connection = http.client.HTTPConnection(url.host, url.port, timeout=30)
    token = house.client().headers["Authorization"]
    connection.request(verb, path, body, {"Authorization": token})
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize("media_type", ["text", "a b/c", "x/" + "y" * OBJECT_MEDIA_TYPE_CHARS_MAX])
def test_what_is_no_media_type(shared_house: House, media_type: str) -> None:
    headers = {"Content-Type": media_type}
    answer = shared_house.client().put(f"{BUCKET}/x", content=b"x", headers=headers)
    assert answer.status_code == 400


def test_levels_decide_who_may_read_and_write(shared_house: House) -> None:
    client = shared_house.client()
    client.put(f"{BUCKET}/levels", content=b"x")
    reader = shared_house.user("objects.reader", {"project:city": "READ"})
    browser = shared_house.user("objects.browser", {"project:city": "BROWSE"})
    writer = shared_house.user("objects.writer", {"project:city": "WRITE"})
    assert reader.get(f"{BUCKET}/levels").content == b"x"
    assert reader.put(f"{BUCKET}/levels", content=b"y").status_code == 403
    assert reader.delete(f"{BUCKET}/levels").status_code == 403
    assert browser.get(f"{BUCKET}/levels").status_code == 403
    assert browser.get(BUCKET).status_code == 403
    assert writer.put(f"{BUCKET}/levels", content=b"y").status_code == 200
    assert writer.delete(f"{BUCKET}/levels").status_code == 204


def test_an_upload_that_breaks_off_leaves_nothing(house: House) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * 300_000
        raise ConnectionError("the line went dead")

    with pytest.raises(ConnectionError):
        house.client().put(f"{BUCKET}/broken", content=broken())
    gone = threading.Event()
    for _ in range(100):
        if not files(house):
            break
        gone.wait(0.05)
    assert files(house) == []
    assert house.client().get(f"{BUCKET}/broken").status_code == 404


# -- contents by themselves


def test_a_sweep_takes_what_no_key_holds(tmp_path: Path) -> None:
    contents = Contents(tmp_path)
    for content in (b"kept", b"lost", b"coming"):
        with contents.receive() as received:
            received.write(content)
            with contents.kept(received):
                if content == b"coming":
                    assert contents.sweep({digest(b"kept")}.__contains__) == 1
    with contents.open(digest(b"coming")) as file:
        assert file.read() == b"coming"
    assert contents.sweep({digest(b"kept")}.__contains__) == 1
    with contents.open(digest(b"kept")) as file:
        assert file.read() == b"kept"
    old = tmp_path / "incoming" / "crashed"
    old.write_bytes(b"half")
    assert contents.sweep({digest(b"kept")}.__contains__) == 0
    os.utime(old, (0, 0))
    assert contents.sweep({digest(b"kept")}.__contains__) == 1
    assert contents.used_bytes() == 4


def test_one_object_is_bounded(tmp_path: Path) -> None:
    contents = Contents(tmp_path, bytes_max=10)
    with contents.receive() as received:
        received.write(b"0123456789")
        with pytest.raises(TooLarge, match="10 bytes"):
            received.write(b"0")
    assert list((tmp_path / "incoming").iterdir()) == []


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = Contents(tmp_path)

    def full(descriptor: int) -> Any:
        raise OSError(28, "No space left on device")

    with contents.receive() as received:
        received.write(b"x")
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(NoRoom), contents.kept(received):
            pytest.fail("nothing is kept")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_number_of_keys_of_a_project_is_bounded(house: House) -> None:
    keys = Objects(house.registry._database, keys_max=2)

    def put(key: str) -> None:
        keys.put(ObjectEntry(1, key, "0" * 64, 1, "text/csv", 1, 1), quota=100)

    put("a")
    put("b")
    put("b")
    with pytest.raises(Conflict, match="2 objects already"):
        put("c")


def test_uploads_wait_for_a_turn(shared_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    uploads = shared_house.city.processing.uploads
    monkeypatch.setattr(uploads, "_waiting_max", 0)
    refused = shared_house.client().put(f"{BUCKET}/waiting", content=b"x")
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "1"
