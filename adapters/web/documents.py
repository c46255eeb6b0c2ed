"""Documents once fetched: what lies where in JSON, XML and GBFS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from lxml import etree

from adapters.web.adapter import Format, WebAddress, WebConfig
from ciaas.sensorisation.contract import NOTHING, Nothing, RawReading, RawValue, Target
from ciaas.sensorisation.errors import Malformed
from ciaas.sensorisation.selection.json_path import Absent, JsonPath
from ciaas.sensorisation.selection.moment import moment

_REPORTED = "last_reported"


class Document(Protocol):
    """A parsed document."""

    def item(self, config: WebConfig) -> Any:
        """Return the part that is one device.

        Raises:
            Malformed: it is not there.
        """
        ...

    def value(self, item: Any, select: str, config: WebConfig) -> RawValue | Nothing:
        """Return the value at a selector.

        Raises:
            Malformed: nothing is there, or no value.
        """
        ...


def parse(body: bytes, form: Format) -> Document:
    """Return a document of the format; of GBFS, one feed of it.

    Raises:
        Malformed: it is none.
    """
    if form is Format.XML:
        return XmlDocument(body)
    return JsonDocument(body)


def readings(
    document: Document, targets: tuple[Target, ...], config: WebConfig, fetched: int
) -> list[RawReading]:
    """Return a reading for each target; a selector that leads nowhere is bad for it alone.

    ``fetched`` is the time of those that have none of their own.
    """
    try:
        item = document.item(config)
    except Malformed as error:
        return [RawReading(target, None, error) for target in targets]
    found = []
    for target in targets:
        address: WebAddress = target.address
        try:
            value = document.value(item, address.select, config)
            observed = _observed(document, item, address, config)
        except Malformed as error:
            found.append(RawReading(target, None, error))
        else:
            found.append(RawReading(target, value, None, observed or fetched))
    return found


def _observed(document: Document, item: Any, address: WebAddress, config: WebConfig) -> int | None:
    if address.time is not None:
        written = document.value(item, address.time, config)
    elif config.format is Format.GBFS and isinstance(item, dict) and _REPORTED in item:
        written = document.value(item, _REPORTED, config)
    else:
        return None
    if isinstance(written, Nothing):
        raise Malformed("its time is null")
    return moment(written, config.zone)


class JsonDocument:
    """JSON as it came."""

    def __init__(self, body: bytes) -> None:
        """Parse.

        Raises:
            Malformed: it is no JSON.
        """
        try:
            self.content: Any = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Malformed(f"the document is no JSON: {error}") from None

    def item(self, config: WebConfig) -> Any:
        """Return the part that is one device."""
        return _at(self.content, config.item)

    def value(self, item: Any, select: str, config: WebConfig) -> RawValue | Nothing:
        """Return the value at a path."""
        return _scalar(_at(item, select), select)


class Stations:
    """The stations of a GBFS feed: what ``station_information`` and ``station_status`` say."""

    def __init__(self, stations: Mapping[str, Mapping[str, Any]]) -> None:
        self.stations = stations

    def item(self, config: WebConfig) -> Any:
        """Return one station."""
        try:
            return self.stations[config.item]
        except KeyError:
            raise Malformed(f"the feed has no station {config.item!r}") from None

    def value(self, item: Any, select: str, config: WebConfig) -> RawValue | Nothing:
        """Return a field of a station."""
        return _scalar(_at(item, select), select)


class XmlDocument:
    """XML without entities, network or external parts."""

    def __init__(self, body: bytes) -> None:
        """Parse.

        Raises:
            Malformed: it is no XML, or declares a document type.
        """
        parser = etree.XMLParser(
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        try:
            self.root = etree.fromstring(body, parser)
        except (etree.XMLSyntaxError, ValueError) as error:
            raise Malformed(f"the document is no XML: {error}") from None
        if self.root.getroottree().docinfo.internalDTD is not None:
            raise Malformed("the document declares a DOCTYPE, which is not read")

    def item(self, config: WebConfig) -> Any:
        """Return the part that is one device."""
        if not config.item:
            return self.root
        found = self._select(self.root, config.item, config)
        if not found or isinstance(found[0], str):
            raise Malformed(f"nothing at {config.item!r}")
        return found[0]

    def value(self, item: Any, select: str, config: WebConfig) -> RawValue | Nothing:
        """Return the text at an XPath, the first where there are several."""
        found = self._select(item, select, config)
        if not found:
            raise Malformed(f"nothing at {select!r}")
        first = found[0]
        if isinstance(first, str):
            return str(first)
        if first.get(_NIL) in ("true", "1"):
            return NOTHING
        text = first.text
        if text is None or not text.strip():
            raise Malformed(f"at {select!r} is no text")
        return str(text).strip()

    def _select(self, place: Any, select: str, config: WebConfig) -> list[Any]:
        try:
            found = place.xpath(select, namespaces=dict(config.namespaces) or None)
        except etree.XPathError as error:
            raise Malformed(f"{select!r} cannot be followed: {error}") from None
        assert isinstance(found, list)
        return found


_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


def _at(place: Any, path: str) -> Any:
    try:
        return JsonPath.parse(path).of(place)
    except Absent as error:
        raise Malformed(str(error)) from None


def _scalar(value: Any, select: str) -> RawValue | Nothing:
    if value is None:
        return NOTHING
    if not isinstance(value, bool | int | float | str):
        raise Malformed(f"at {select!r} lies no value but a {type(value).__name__}")
    return value
