"""The servers that the platform reads: one process each for Modbus, the web and the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

from borough.demo.children import Child, ChildError
from borough.demo.city.thing import Path, Thing
from borough.demo.concurrency import all_of
from borough.demo.devices import registers
from borough.demo.devices.modbus_process import HOST
from borough.demo.feeds import documents
from borough.demo.limits import STOP_S_MAX

CONNECTION = "quarter-field"
"""Of the Modbus server; the others are named after their paths."""
_PORT_S_MAX = 30.0
_MODULES: Mapping[str, tuple[Path, ...]] = {
    "borough.demo.devices.modbus_process": (Path.MODBUS,),
    "borough.demo.feeds.web_process": (Path.DATEX, Path.GBFS),
    "borough.demo.feeds.zigbee_process": (Path.ZIGBEE,),
}
"""Module to the paths that it serves."""


class Gateways:
    """Starts what the things need, each on the port of the last run if it is free.

    Args:
        things: of the quarter.
        home: of the demo.
        kept: recordings as they were read.
    """

    def __init__(self, things: Sequence[Thing], home: FilePath, kept: FilePath) -> None:
        self._home, self._kept = home, kept
        self._things = {
            path: tuple(thing for thing in things if thing.path is path) for path in Path
        }
        self._children: list[Child] = []

    async def documents(self, prepared: asyncio.Task[None]) -> list[dict[str, Any]]:
        """Start the servers once the recordings are there; return the connections to them.

        Raises:
            ChildError: one gave no port.
        """
        await prepared
        wanted = [
            (module, paths)
            for module, paths in _MODULES.items()
            if any(self._things[path] for path in paths)
        ]
        ports = await asyncio.gather(*(self._start(module) for module, _ in wanted))
        return [
            self._document(path, port)
            for port, (_, paths) in zip(ports, wanted, strict=True)
            for path in paths
            if self._things[path]
        ]

    def polled(self) -> Mapping[float, list[list[str]]]:
        """Return the addresses of each thing's points by the interval at which they come."""
        found: dict[float, list[list[str]]] = {}
        for path, interval_s in documents.POLL_S.items():
            found.setdefault(interval_s, []).extend(
                [thing.address(channel) for channel in thing.channels]
                for thing in self._things[path]
            )
        return found

    def failed(self) -> str:
        """Say which server no longer runs and why, empty while all do."""
        return next(filter(None, (child.failed() for child in self._children)), "")

    async def stop(self) -> None:
        """End the servers."""
        children, self._children = self._children, []
        await all_of(*(child.stop(STOP_S_MAX) for child in children))

    def _document(self, path: Path, port: int) -> dict[str, Any]:
        things = self._things[path]
        if path is Path.MODBUS:
            return registers.connection(CONNECTION, things, HOST, port)
        return documents.connection(path, things, HOST, port)

    async def _start(self, module: str) -> int:
        name = module.rpartition(".")[2].removesuffix("_process")
        note = self._home / ("field.port" if name == "modbus" else f"{name}.port")
        heard: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def hear(report: Mapping[str, Any]) -> None:
            note.write_text(str(report["port"]))
            if not heard.done():
                heard.set_result(report["port"])

        async def told() -> dict[str, Any]:
            port = int(note.read_text()) if note.exists() else 0
            return {"port": port, "kept": str(self._kept), "folder": str(self._home / name)}

        child = Child(module, (), told, hear)
        self._children.append(child)
        child.start()
        try:
            return await asyncio.wait_for(heard, _PORT_S_MAX)
        except TimeoutError:
            raise ChildError(
                child.failed() or f"{name} gave no port within {_PORT_S_MAX:.0f} s"
            ) from None
