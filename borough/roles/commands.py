"""Core's part in commands: the downlink with its ways to devices, and the door of other roles."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from nats.aio.client import Client

from borough.roles.attendance import Attendance
from borough.roles.guard import die
from ciaas.computing.commands.device import DeviceCourier
from ciaas.computing.commands.door import CommandDoor
from ciaas.computing.commands.field import FieldCourier
from ciaas.computing.commands.paper import CommandReply, CommandRequest
from ciaas.computing.devices import DeviceLine
from ciaas.kernel.address import AddressError, EndpointId, parse_point
from ciaas.kernel.catalogue import Catalogue
from ciaas.kernel.downlink.downlink import Downlink
from ciaas.kernel.downlink.order import NotWritable, Order
from ciaas.kernel.downlink.safeguards import Safeguards
from ciaas.kernel.uplink import Busy
from ciaas.ports import Clock, Feed, HistoryStore, KeyReused, Missing, RegistryError
from ciaas.storage.registry import Registry
from security.aaa.levels import Level
from security.aaa.rights import Rights
from security.ports import Record

log = logging.getLogger(__name__)

_NOTHING = "there is no such point, or it is not this user's to set"


class CityCommands:
    """Builds the downlink over core's parts."""

    def __init__(
        self,
        registry: Registry,
        catalogue: Catalogue,
        history: HistoryStore,
        rights: Rights,
        record: Record,
        attendance: Attendance,
        clock: Clock,
    ) -> None:
        """Build the parts; nothing is sent yet."""
        self._registry, self._catalogue, self._rights = registry, catalogue, rights
        self._devices = DeviceCourier(lambda uuid: uuid in attendance.connected)
        self._field = FieldCourier(clock)
        self._door = CommandDoor(self._ask)
        self.downlink = Downlink(
            store=registry.commands,
            catalogue=catalogue,
            history=history,
            safeguards=Safeguards(catalogue, history, self._may),
            record=record,
            clock=clock,
            couriers={Feed.DEVICE: self._devices, Feed.ADAPTER: self._field},
            failed=die,
        )

    async def take_part(self, control: Client, line: DeviceLine) -> None:
        """Take up what an earlier run left open, and take requests of other roles."""
        self._devices.line = line
        self._field.attach(control)
        await asyncio.to_thread(self.downlink.start)
        await self._door.open(control)

    def stop(self) -> None:
        """Send nothing more; what is open is taken up by the next start."""
        self.downlink.stop()

    def _may(self, user: int, path: Sequence[str]) -> bool:
        account = self._registry.accounts.user_by_id(user)
        if account is None or account.disabled:
            return False
        return self._rights.level(user, tuple(path)) >= Level.WRITE

    def _ask(self, asked: CommandRequest) -> CommandReply:
        """Answer a request of another role; the user's rights are looked at here, not there."""
        try:
            address = parse_point(asked.address)
            endpoint = self._catalogue.endpoint(EndpointId(address.partition("/")[0]))
            user = self._registry.accounts.user(asked.user)
            if endpoint is None or user is None:
                return CommandReply(why=_NOTHING)
            if not self._may(user.id, (str(endpoint.project), *address.split("/"))):
                return CommandReply(why=_NOTHING)
            order = Order(
                address, user.id, asked.user, asked.value, ttl_s=asked.ttl_s, key=asked.key
            )
            command = self.downlink.request(order)
        except (AddressError, NotWritable, KeyReused) as error:
            return CommandReply(why=str(error))
        except Missing:
            return CommandReply(why=_NOTHING)
        except (Busy, RegistryError, OSError) as error:
            return CommandReply(why=str(error), again=True)
        except Exception as error:  # who asked has to hear something; the fault is ours
            log.exception("a request for a command failed")
            return CommandReply(why=f"core failed: {type(error).__name__}", again=True)
        return CommandReply(command.id, command.state.value, command.steps[-1].why)
