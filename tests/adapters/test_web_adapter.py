"""The web adapter against a real server on loopback, which an administrator allowed."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.web.adapter import Web, WebAddress, WebConfig
from ciaas.computing.reach import Reach
from ciaas.kernel.sample import Reason
from ciaas.limits import WEB_BODY_BYTES_MAX, WEB_PARSE_INLINE_BYTES
from ciaas.sensorisation.contract import NOTHING, WRITTEN, Means, RawReading, Session, Target
from ciaas.sensorisation.errors import AuthFailed, Malformed, RateLimited, Unreachable
from ciaas.sensorisation.polling.health import State
from tests.adapters.field_bench import FieldBench, eventually, field_bench
from tests.adapters.web_server import Page, WebServer, web_server

MEANS = Means(reach=Reach.of(["127.0.0.1/32"]))
XML = b"""<?xml version="1.0" encoding="utf-8"?>
<d:parks xmlns:d="urn:parks" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <d:park><d:ref id="A"/><d:free>319</d:free><d:full xsi:nil="true"/>
    <d:at>2026-07-01T12:00:00+02:00</d:at></d:park>
  <d:park><d:ref id="B"/><d:free> 1.234,5 </d:free><d:full/></d:park>
</d:parks>"""


def config(url: str, **more: Any) -> WebConfig:
    return WebConfig.model_validate({"url": url, "timeout_s": 2.0, "fresh_s": 0.0} | more)


def targets(*selectors: str, time: str | None = None) -> list[Target]:
    return [Target(WebAddress(select=one, time=time), WRITTEN) for one in selectors]


async def read(
    session: Session, written: WebConfig, asked: Sequence[Target]
) -> Mapping[str, RawReading]:
    [batch] = Web(MEANS).plan(written, asked)
    return {one.target.address.select: one for one in await session.read(batch)}


async def read_once(server: WebServer, asked: Sequence[Target], **more: Any) -> Any:
    written = config(server.url("/"), **more)
    session = await Web(MEANS).open(written)
    try:
        return await read(session, written, asked)
    finally:
        await session.close()
        await session.close()


def test_json_is_read_by_paths_and_what_is_not_there_is_bad_for_its_point_alone() -> None:
    async def run() -> None:
        async with web_server() as server:
            said: Any = {"stations": [{"id": 7, "bikes": 3, "docks": None, "ok": True, "more": {}}]}
            server.pages["/"] = Page(json.dumps(said).encode())
            asked = targets("bikes", "docks", "ok", "gone", "more")
            found = await read_once(server, asked, item="stations[id=7]")
            assert found["bikes"].value == 3 and found["ok"].value is True
            assert found["docks"].value is NOTHING
            assert isinstance(found["gone"].error, Malformed)
            assert isinstance(found["more"].error, Malformed)
            lost = await read_once(server, asked, item="stations[id=8]")
            assert all(isinstance(one.error, Malformed) for one in lost.values())

    asyncio.run(run())


def test_xml_is_read_by_xpath_with_namespaces_and_times() -> None:
    async def run() -> None:
        async with web_server() as server:
            server.pages["/"] = Page(XML)
            form = {"format": "xml", "namespaces": {"d": "urn:parks"}}
            a, b = ({"item": f"d:park[d:ref/@id='{name}']", **form} for name in "AB")
            found = await read_once(server, targets("d:free", "d:full", time="d:at"), **a)
            assert (found["d:free"].value, found["d:full"].value) == ("319", NOTHING)
            assert found["d:free"].observed == 1_782_900_000_000
            found = await read_once(server, targets("d:free", "d:full", "d:ref/@id"), **b)
            assert found["d:free"].value == "1.234,5" and found["d:ref/@id"].value == "B"
            assert isinstance(found["d:full"].error, Malformed)
            timeless = await read_once(server, targets("d:free", time="d:at"), **b)
            assert isinstance(timeless["d:free"].error, Malformed)

    asyncio.run(run())


@pytest.mark.parametrize(
    "body",
    [
        b"<a",
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a><b>&x;</b></a>',
        b'<!DOCTYPE a [<!ENTITY x "1"><!ENTITY y "&x;&x;&x;&x;">]><a><b>&y;</b></a>',
        b"{}",
        b"",
        b"\xff\xfe",
        b"<a>" * 5_000,
    ],
)
def test_xml_that_is_none_or_brings_entities_is_bad(body: bytes) -> None:
    async def run() -> None:
        async with web_server() as server:
            server.pages["/"] = Page(body)
            found = await read_once(server, targets("b"), format="xml")
            assert isinstance(found["b"].error, Malformed)

    asyncio.run(run())


@pytest.mark.parametrize(
    "path", ["//a[contains(b,'x')]", "count(//a)", "//a//b//c", "a[b=1+1]", "a|b", "../x", "$v"]
)
def test_xpath_beyond_its_allowed_part_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="XPath"):
        Web().plan(config("https://city.example/", format="xml"), targets(path))


def test_a_prefix_must_be_declared() -> None:
    with pytest.raises(ValueError, match="namespaces"):
        Web().plan(config("https://city.example/", format="xml"), targets("d:free"))


def test_what_has_not_changed_is_asked_with_its_etag_and_is_still_good() -> None:
    async def run() -> None:
        def page(headers: Mapping[str, str]) -> Page:
            if headers.get("if-none-match") == '"one"':
                return Page(status="304 Not Modified")
            return Page(b'{"v": 5}', headers={"ETag": '"one"'})

        async with web_server() as server:
            server.pages["/"] = page
            written = config(server.url("/"))
            session = await Web(MEANS).open(written)
            first = await read(session, written, targets("v"))
            again = await read(session, written, targets("v"))
            await session.close()
            assert first["v"] == again["v"] and first["v"].value == 5
            assert [sent.get("if-none-match") for _, sent in server.asked[:2]] == [None, '"one"']

    asyncio.run(run())


def test_without_an_etag_the_time_of_change_is_asked_for() -> None:
    async def run() -> None:
        async with web_server() as server:
            changed = "Wed, 01 Jul 2026 10:00:00 GMT"
            server.pages["/"] = Page(b'{"v": 5}', headers={"Last-Modified": changed})
            written = config(server.url("/"))
            session = await Web(MEANS).open(written)
            await read(session, written, targets("v"))
            await session.close()
            assert server.asked[1][1]["if-modified-since"] == changed

    asyncio.run(run())


@pytest.mark.parametrize("dated", [False, True])
def test_a_busy_server_is_left_alone_as_long_as_it_asks(dated: bool) -> None:
    async def run() -> None:
        wait = "120"
        if dated:
            wait = format_datetime(datetime.now(UTC) + timedelta(seconds=120), usegmt=True)
        async with web_server() as server:
            server.pages["/"] = Page(
                status="503 Service Unavailable", headers={"Retry-After": wait}
            )
            written = config(server.url("/"))
            session = await Web(MEANS).open(written)
            for _ in range(3):
                with pytest.raises(RateLimited) as told:
                    await read(session, written, targets("v"))
                assert 110 < told.value.retry_after_s <= 120
            await session.close()
            assert server.count("/") == 1

    asyncio.run(run())


@pytest.mark.parametrize(
    ("page", "error", "words"),
    [
        (Page(status="404 Not Found"), Unreachable, "404"),
        (Page(status="500 Internal Server Error"), Unreachable, "500"),
        (Page(status="401 Unauthorized"), AuthFailed, "secret"),
        (
            Page(status="302 Found", headers={"Location": "http://169.254.169.254/"}),
            Unreachable,
            "redirects to http://169.254.169.254/",
        ),
        (Page(b"x" * 2_000), Unreachable, "more than 1000 bytes"),
    ],
)
def test_each_refusal_is_its_kind_of_error(page: Page, error: type[Exception], words: str) -> None:
    async def run() -> None:
        async with web_server() as server:
            server.pages["/"] = page
            with pytest.raises(error, match=words):
                await read_once(server, targets("v"), body_bytes_max=1_000)
            assert server.count("/") == 1, "no redirect is followed"

    asyncio.run(run())


def test_a_packed_body_is_unpacked_within_its_bound() -> None:
    async def run() -> None:
        packed = {"Content-Encoding": "gzip"}
        async with web_server() as server:
            server.pages["/"] = Page(gzip.compress(b'{"v": 5}'), headers=packed)
            assert (await read_once(server, targets("v")))["v"].value == 5
            bomb = gzip.compress(b" " * (WEB_BODY_BYTES_MAX + 1))
            server.pages["/"] = Page(bomb, headers=packed)
            assert isinstance((await read_once(server, targets("v")))["v"].error, Malformed)
            server.pages["/"] = Page(b"\x00", headers={"Content-Encoding": "br"})
            assert isinstance((await read_once(server, targets("v")))["v"].error, Malformed)

    asyncio.run(run())


def test_a_server_that_never_ends_its_answer_is_unreachable() -> None:
    async def run() -> None:
        async def never(headers: Mapping[str, str]) -> Page:
            await asyncio.sleep(5)
            return Page()

        async with web_server() as server:
            server.pages["/"] = never
            with pytest.raises(Unreachable, match="no whole answer"):
                await read_once(server, targets("v"), timeout_s=0.1)

    asyncio.run(run())


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f.1:{port}/",
        "http://0177.0.0.1:{port}/",
    ],
)
def test_what_nobody_allowed_is_never_asked(url: str) -> None:
    async def run() -> None:
        async with web_server() as server:
            server.pages["/"] = Page(b"{}")
            with pytest.raises(AuthFailed, match="outgoing_allow"):
                await Web().open(config(url.format(port=server.port)))
            assert not server.asked

    asyncio.run(run())


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "gopher://x/", "http://user:pw@city.example/", "city.example"]
)
def test_a_url_of_another_form_is_refused_in_the_document(url: str) -> None:
    with pytest.raises(ValidationError):
        config(url)


@pytest.mark.parametrize(
    "headers", [{"Authorization": "Bearer x"}, {"Cookie": "a"}, {"Host": "x"}, {"X": "a\r\nb: c"}]
)
def test_headers_that_are_secret_or_ours_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        config("https://city.example/", headers=headers)


def test_a_secret_goes_into_its_header_and_to_its_host_alone() -> None:
    class OneSecret:
        def secret(self, name: str, host: str) -> str:
            assert (name, host) == ("parks", "127.0.0.1")
            return "Bearer 4711"

    async def run() -> None:
        async with web_server() as server:
            server.pages["/"] = Page(b'{"v": 5}')
            means = Means(OneSecret(), MEANS.reach)
            written = config(server.url("/"), secret="parks", secret_header="Authorization")
            session = await Web(means).open(written)
            await session.close()
            assert server.asked[0][1]["authorization"] == "Bearer 4711"
            with pytest.raises(AuthFailed, match="borough adapter secret parks"):
                await Web(MEANS).open(written)

    asyncio.run(run())


def gbfs(server: WebServer, *, ttl: int, three: bool = False) -> None:
    feeds = [
        {"name": name, "url": server.url(f"/{name}.json")}
        for name in ("station_information", "station_status")
    ]
    data: dict[str, Any] = {"feeds": feeds} if three else {"en": {"feeds": feeds}}
    server.pages["/"] = Page(json.dumps({"ttl": 3_600, "data": data}).encode())
    for name, fields in (
        ("station_information", {"name": "Kaivopuisto", "capacity": 30}),
        ("station_status", {"num_bikes_available": 2, "last_reported": 1_782_900_000}),
    ):
        stations = [{"station_id": number, **fields} for number in ("001", "002")]
        said = {"ttl": ttl, "data": {"stations": stations}}
        server.pages[f"/{name}.json"] = Page(json.dumps(said).encode())


@pytest.mark.parametrize("three", [False, True])
def test_gbfs_stations_are_joined_and_asked_for_as_often_as_they_say(three: bool) -> None:
    async def run() -> None:
        async with web_server() as server:
            gbfs(server, ttl=60, three=three)
            written = config(server.url("/"), format="gbfs", item="001")
            session = await Web(MEANS).open(written)
            for _ in range(3):
                found = await read(
                    session, written, targets("num_bikes_available", "capacity", "gone")
                )
            await session.close()
            assert found["num_bikes_available"].value == 2 and found["capacity"].value == 30
            assert found["capacity"].observed == 1_782_900_000_000
            assert isinstance(found["gone"].error, Malformed)
            assert [server.count(path) for path in server.pages] == [1, 1, 1]

    asyncio.run(run())


@pytest.mark.parametrize("listing", [{}, {"data": 1}, {"data": {"feeds": [{"name": "x"}]}}])
def test_what_is_no_gbfs_is_bad(listing: Any) -> None:
    async def run() -> None:
        async with web_server() as server:
            server.pages["/"] = Page(json.dumps(listing).encode())
            found = await read_once(server, targets("x"), format="gbfs", item="1")
            assert isinstance(found["x"].error, Malformed)

    asyncio.run(run())


def document(server: WebServer, names: str = "AB", **point: Any) -> dict[str, Any]:
    written = {
        "id": "park/spaces/free",
        "address": {"select": "d:free"},
        "raw": {"type": "number", "decimal": ","},
        "sampling": {"interval_s": 0.2, "jitter_s": 0},
    } | point
    return {
        "name": "parks",
        "adapter": "web",
        "config": {
            "url": server.url("/"),
            "format": "xml",
            "namespaces": {"d": "urn:parks"},
            "timeout_s": 2.0,
            "fresh_s": 0.1,
        },
        "profiles": [{"id": "park", "revision": 1, "adapter": "web", "points": [written]}],
        "devices": [
            {
                "id": name,
                "friendly_name": name,
                "profile": "park",
                "config": {"item": f"d:park[d:ref/@id='{name}']"},
            }
            for name in names
        ],
    }


def test_one_fetch_serves_all_devices_and_what_did_not_change_is_stored_once(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        async with web_server() as server, field_bench(tmp_path, means=MEANS) as field:

            def page(headers: Mapping[str, str]) -> Page:
                if "if-none-match" in headers:
                    return Page(status="304 Not Modified")
                return Page(XML, headers={"ETag": '"1"'})

            server.pages["/"] = page
            await field.apply(document(server))
            await eventually(lambda: field.health(1).ok >= 6)
            assert server.count("/") <= field.health(0).ok + 2
            assert field.health().state is State.ONLINE
            await eventually(lambda: len(field.outlet.rows()) == 2)
            assert sorted(field.outlet.rows().num.tolist()) == [319.0, 1234.5]

    asyncio.run(run())


def reasons(field: FieldBench, point: int) -> list[int]:
    rows = field.outlet.rows()
    found: list[int] = rows.reason[rows.point == point].tolist()
    return found


def test_a_selector_that_vanishes_makes_its_point_bad_and_comes_back(tmp_path: Path) -> None:
    async def run() -> None:
        async with web_server() as server, field_bench(tmp_path, means=MEANS) as field:
            server.pages["/"] = Page(XML)
            await field.apply(document(server))
            await field.in_state(State.ONLINE)
            await field.in_state(State.ONLINE, 1)
            server.pages["/"] = Page(XML.replace(b"d:free>319", b"d:gone>319"))
            server.pages["/"] = Page(XML.replace(b'id="A"', b'id="Z"'))
            await field.in_state(State.DEGRADED)
            assert field.health(1).state is State.ONLINE
            server.pages["/"] = Page(XML)
            await field.in_state(State.ONLINE)
            await eventually(lambda: Reason.READ_ERROR in reasons(field, 1))
            assert Reason.READ_ERROR not in reasons(field, 2)

    asyncio.run(run())


def test_a_dead_server_costs_its_devices_one_wait(tmp_path: Path, unused_port: int) -> None:
    async def run() -> None:
        async with field_bench(tmp_path, means=MEANS) as field:
            server = WebServer()
            server.port = unused_port
            await field.apply(document(server))
            await field.in_state(State.BACKOFF)
            await field.in_state(State.BACKOFF, 1)
            assert str(unused_port) in field.health().last_error

    asyncio.run(run())


def test_stations_that_nobody_enrolled_are_candidates(tmp_path: Path) -> None:
    async def run() -> None:
        async with web_server() as server, field_bench(tmp_path, means=MEANS) as field:
            gbfs(server, ttl=0)
            written = document(server, "A", address={"select": "num_bikes_available"})
            written["config"] = {"url": server.url("/"), "format": "gbfs", "timeout_s": 2.0}
            written["profiles"][0]["points"][0]["raw"] = {"type": "number"}
            written["devices"][0]["config"] = {"item": "001"}
            await field.apply(written)
            await eventually(lambda: len(field.runtime.candidates()) == 1)
            [found] = field.runtime.candidates()
            assert found.sighting.config == {"item": "002"}
            assert found.sighting.title == "Kaivopuisto"
            assert [p.address for p in found.sighting.points] == [{"select": "num_bikes_available"}]

    asyncio.run(run())


def test_a_large_document_is_parsed_beside_the_loop() -> None:
    async def run() -> None:
        async with web_server() as server:
            said = {"v": 5, "rest": "x" * WEB_PARSE_INLINE_BYTES}
            server.pages["/"] = Page(json.dumps(said).encode())
            assert (await read_once(server, targets("v")))["v"].value == 5

    asyncio.run(run())


def test_probe_tells_how_far_it_gets(unused_port: int) -> None:
    async def run() -> None:
        async with web_server() as server:
            server.pages["/"] = Page(b'{"v": 5}')
            assert (await Web(MEANS).probe(config(server.url("/")))).ok
            wrong = await Web(MEANS).probe(config(server.url("/"), format="xml"))
            assert not wrong.ok and "format" in wrong.next_step
            assert not (await Web().probe(config(server.url("/")))).ok
        dead = await Web(MEANS).probe(config(f"http://127.0.0.1:{unused_port}/"))
        assert not dead.ok and str(unused_port) in dead.next_step

    asyncio.run(run())
