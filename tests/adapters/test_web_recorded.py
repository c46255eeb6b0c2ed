"""The web adapter on documents that real cities published."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from adapters.web.adapter import Web, WebAddress, WebConfig
from ciaas.computing.reach import Reach
from ciaas.limits import WEB_TTL_S_MAX
from ciaas.sensorisation.contract import WRITTEN, Means, RawReading, Target
from tests.adapters.web_server import Page, WebServer, web_server

DATA = Path(__file__).parents[2].parent / "shared" / "data"
MEANS = Means(reach=Reach.of(["127.0.0.1/32"]))


def recorded(path: str) -> bytes:
    file = DATA / path
    if not file.exists():
        pytest.skip(f"{path} is not here")
    return file.read_bytes()


async def read(server: WebServer, config: dict[str, object], *select: str) -> list[RawReading]:
    web = Web(MEANS)
    written = WebConfig.model_validate({"url": server.url("/"), **config})
    session = await web.open(written)
    targets = [Target(WebAddress(select=one), WRITTEN) for one in select]
    found = await session.read(web.plan(written, targets)[0])
    await session.close()
    return list(found)


@pytest.mark.recorded
def test_stuttgarts_car_parks_are_read_by_their_ids() -> None:
    body = recorded("parking-datex2-stuttgart/stuttgart-realtime.xml")

    async def run() -> None:
        async with web_server() as server:
            server.pages["/"] = Page(body)
            reference = "d:parkingFacilityReference/@id='12717289'"
            [vacant] = await read(
                server,
                {
                    "format": "xml",
                    "namespaces": {"d": "http://datex2.eu/schema/2/2_0"},
                    "item": f"//d:parkingFacilityStatus[{reference}]",
                },
                "d:totalNumberOfVacantParkingSpaces",
            )
            assert vacant.value == "245"

    asyncio.run(run())


@pytest.mark.recorded
@pytest.mark.parametrize(
    ("folder", "station"), [("gbfs-helsinki", "001"), ("gbfs-bay-wheels", None)]
)
def test_recorded_gbfs_feeds_are_joined(folder: str, station: str | None) -> None:
    status = recorded(f"{folder}/station_status.json")
    first = json.loads(status)["data"]["stations"][0]

    async def run() -> None:
        async with web_server() as server:
            feeds = [
                {"name": name, "url": server.url(f"/{name}.json")}
                for name in ("station_information", "station_status")
            ]
            ttl = 10 * WEB_TTL_S_MAX
            listing = {"ttl": ttl, "data": {"en": {"feeds": feeds}}}
            server.pages["/"] = Page(json.dumps(listing).encode())
            server.pages["/station_status.json"] = Page(status)
            server.pages["/station_information.json"] = Page(
                recorded(f"{folder}/station_information.json")
            )
            item = station or str(first["station_id"])
            capacity, bikes = await read(
                server, {"format": "gbfs", "item": item}, "num_bikes_available", "capacity"
            )
            values = {capacity.target.address.select: capacity, bikes.target.address.select: bikes}
            assert values["num_bikes_available"].value == first["num_bikes_available"]
            assert values["capacity"].error is None

    asyncio.run(run())
