"""Documents polled over HTTP: JSON, XML such as DATEX II, and GBFS.

Source: RFC 9110 (conditional requests, Retry-After), GBFS 2.3 and 3.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from adapters.web.xpath import check_xpath
from ciaas.computing.reach import Forbidden, Reach
from ciaas.limits import WEB_BODY_BYTES_MAX
from ciaas.sensorisation.contract import (
    WRITTEN,
    Batch,
    Checked,
    Poll,
    ProbeReport,
    Session,
    Target,
)
from ciaas.sensorisation.errors import DriverMissing, Malformed, RateLimited
from ciaas.sensorisation.secrets import SecretName
from ciaas.sensorisation.selection.json_path import JsonPath
from ciaas.sensorisation.selection.moment import zone

if TYPE_CHECKING:
    from adapters.web.session import WebSession

_HEADER = r"^[A-Za-z][A-Za-z0-9-]{0,63}$"
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})


class Format(StrEnum):
    """What kind of document lies at the URL."""

    JSON = "json"
    XML = "xml"
    GBFS = "gbfs"
    """The URL is the feed's ``gbfs.json``; its stations are read, each by its id."""


class WebConfig(Checked):
    """Where a document is, and which part of it is the device's."""

    url: str
    format: Format = Format.JSON
    item: str = ""
    """Which part is the device: a path or an XPath, for GBFS the station's id."""
    namespaces: Mapping[str, str] = {}
    """Prefixes used in XPaths."""
    headers: Mapping[str, str] = Field(default={}, max_length=16)
    """Sent along, such as Accept-Language; nothing secret."""
    secret_header: str | None = Field(default=None, pattern=_HEADER)
    """Header that carries ``secret``, such as Authorization or X-Api-Key."""
    secret: SecretName | None = None
    """Name of a secret kept for the URL's host; the header's whole value."""
    timeout_s: float = Field(default=10.0, ge=0.05, le=25.0)
    """For the whole answer."""
    body_bytes_max: int = Field(default=WEB_BODY_BYTES_MAX, ge=1, le=WEB_BODY_BYTES_MAX)
    fresh_s: float = Field(default=1.5, ge=0, le=3_600)
    """A document fetched so lately serves further devices without being asked for again."""
    time_zone: str = "UTC"
    """Of times that name none."""

    @field_validator("url")
    @classmethod
    def _askable(cls, url: str) -> str:
        try:
            _ANYWHERE.check_url(url)
        except Forbidden as error:
            raise ValueError(str(error)) from None
        return url

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        zone(name)
        return name

    @field_validator("headers")
    @classmethod
    def _plain(cls, headers: Mapping[str, str]) -> Mapping[str, str]:
        for name, text in headers.items():
            if name.lower() in _OURS or not name.replace("-", "").isalnum() or not name.isascii():
                raise ValueError(f"header {name!r} is not yours to set")
            if name.lower() in ("authorization", "cookie", "proxy-authorization"):
                raise ValueError(f"header {name!r} is secret: use secret_header and secret")
            if not text.isprintable() or not text.isascii():
                raise ValueError(f"header {name!r} holds what no header may")
        return headers

    @model_validator(mode="after")
    def _agree(self) -> WebConfig:
        if (self.secret is None) != (self.secret_header is None):
            raise ValueError("'secret' and 'secret_header' go together")
        if self.format is Format.XML and self.item:
            check_xpath(self.item, self.namespaces)
        if self.format is Format.JSON:
            JsonPath.parse(self.item)
        if self.namespaces and self.format is not Format.XML:
            raise ValueError("'namespaces' goes with format xml")
        return self

    @property
    def zone(self) -> ZoneInfo:
        """Of times that name none."""
        return zone(self.time_zone)


class WebAddress(Checked):
    """Where a point lies in the device's part of the document."""

    select: str = Field(min_length=1)
    """A path in JSON, an XPath in XML, a field of a GBFS station."""
    time: str | None = None
    """Where the time lies at which it was measured, written the same way. None takes the time of
    fetching; of a GBFS station, its ``last_reported``."""


class Web(Poll[WebConfig, WebAddress]):
    """Fetches a document once and reads all devices and points that lie in it."""

    Config: ClassVar[type[Checked]] = WebConfig
    Address: ClassVar[type[Checked]] = WebAddress
    DEVICE_KEYS: ClassVar[frozenset[str]] = frozenset({"item"})

    def plan(self, config: WebConfig, targets: Sequence[Target]) -> Sequence[Batch]:
        """Return one batch: all points of a device lie in one document."""
        for target in targets:
            if target.size != WRITTEN:
                raise ValueError("a document holds values: use raw type number, text or boolean")
            for selector in (target.address.select, target.address.time):
                if selector is None:
                    continue
                if config.format is Format.XML:
                    check_xpath(selector, config.namespaces)
                else:
                    JsonPath.parse(selector)
        if config.format is Format.GBFS and not config.item:
            raise ValueError("give the device its station's id as 'item' in its config")
        ordered = sorted(targets, key=lambda target: target.address.model_dump_json())
        return [Batch(tuple(ordered), config)] if ordered else []

    async def open(self, config: WebConfig) -> Session:
        """Fetch the document, so that a server that is away costs its devices one wait."""
        session = self.session(config)
        try:
            await session.fetch()
        except (Malformed, RateLimited):
            return session  # it answers, and what it says is each device's to hear
        except BaseException:  # also a cancelled fetch must not leave its connection
            await session.close()
            raise
        return session

    def session(self, config: WebConfig) -> WebSession:
        """Return a session that has fetched nothing yet; lxml is imported here.

        Raises:
            DriverMissing: it is not installed.
        """
        try:
            from adapters.web.session import WebSession
        except ImportError as error:
            raise DriverMissing(
                f"web needs lxml ({error}): install borough[web] and restart"
            ) from error
        return WebSession(config, self.means)

    async def probe(self, config: WebConfig) -> ProbeReport:
        """Fetch the document once and say what came."""
        from adapters.web.probe import probe

        return await probe(self, config)

    def external_id(self, config: WebConfig) -> str | None:
        """Return the id of a GBFS station."""
        return config.item if config.format is Format.GBFS else None


_ANYWHERE = Reach.of(("0.0.0.0/0", "::/0"))
"""For the form of a URL alone: where it may lead is decided where it is asked."""
