"""Addresses of data points: ``<endpoint>/<node>/<object>[/<object>…]/<attribute>``.

Source: cloud.iO model identifiers, and the name rules of an MQTT listener on NATS: a space or a
tab in a topic closes the connection there, and ``*`` and ``>`` act as wildcards.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from typing import NewType

from ciaas.limits import ADDRESS_CHARS_MAX, ADDRESS_LEVELS_MAX, NAME_CHARS_MAX

EndpointId = NewType("EndpointId", str)
"""Lower-case UUID text of an endpoint."""
PointAddress = NewType("PointAddress", str)
"""Validated address of one attribute."""

_FORBIDDEN = re.compile(r"[\s\x00-\x1f\x7f-\x9f*>+#/\ud800-\udfff]")
_POINT_LEVELS_MIN = 4


class AddressError(ValueError):
    """The text is no address; the message says which level is at fault and why."""


def check_name(name: str) -> str:
    """Return ``name`` when it may be one level of an address.

    Raises:
        AddressError: empty, too long, or holding a space, a control character or ``* > + # /``.
    """
    if not name:
        raise AddressError("a level of the address is empty")
    if len(name) > NAME_CHARS_MAX:
        raise AddressError(f"level {name[:32]!r}… is longer than {NAME_CHARS_MAX} characters")
    if found := _FORBIDDEN.search(name):
        raise AddressError(f"level {name!r} holds {found.group()!r}, which no topic may carry")
    return name


def check_endpoint(text: str) -> EndpointId:
    """Return the endpoint's UUID in lower case.

    Raises:
        AddressError: no UUID, or the nil UUID.
    """
    try:
        parsed = uuid.UUID(text)
    except ValueError:
        raise AddressError(f"{text[:64]!r} is no UUID of an endpoint") from None
    if parsed.int == 0 or len(text) != 36:
        raise AddressError(f"{text[:64]!r} is no UUID of an endpoint")
    return EndpointId(str(parsed))


def check_levels(levels: Sequence[str]) -> tuple[str, ...]:
    """Return the levels of a prefix, endpoint first, each validated.

    Raises:
        AddressError: the first level is no UUID, a name is bad, or there are too many levels.
    """
    if len(levels) > ADDRESS_LEVELS_MAX:
        raise AddressError(f"an address has at most {ADDRESS_LEVELS_MAX} levels")
    if sum(map(len, levels)) + len(levels) > ADDRESS_CHARS_MAX:
        raise AddressError(f"an address has at most {ADDRESS_CHARS_MAX} characters")
    return (check_endpoint(levels[0]), *map(check_name, levels[1:]))


def parse_prefix(text: str) -> tuple[str, ...]:
    """Split ``<endpoint>[/…][/#]`` into validated levels; a trailing ``#`` is dropped.

    Raises:
        AddressError: as `check_levels`.
    """
    levels = text.split("/")
    if len(levels) > 1 and levels[-1] == "#":
        levels.pop()
    return check_levels(levels)


def parse_point(text: str) -> PointAddress:
    """Return the address of one attribute, with the endpoint in lower case.

    Raises:
        AddressError: as `check_levels`, or fewer than four levels.
    """
    levels = check_levels(text.split("/"))
    if len(levels) < _POINT_LEVELS_MIN:
        raise AddressError("a data point needs endpoint/node/object/attribute")
    return PointAddress("/".join(levels))
