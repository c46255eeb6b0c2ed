"""A session on one document: fetched once, read for every device that lies in it."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.web import gbfs
from adapters.web.adapter import Format, WebConfig
from adapters.web.documents import Document, parse, readings
from adapters.web.fetching import Resource
from ciaas.computing.outgoing import Outgoing
from ciaas.sensorisation.contract import Batch, Means, RawReading, Sighting
from ciaas.sensorisation.errors import Malformed


class WebSession:
    """Shared by all devices of a document. What fails is remembered as long as what succeeds."""

    def __init__(self, config: WebConfig, means: Means) -> None:
        self._config, secrets = config, means.secrets
        self._outgoing = Outgoing(means.reach, tls=means.tls)
        self._feed: gbfs.StationFeed | None = None
        self._document: Resource[Document] | None = None
        if config.format is Format.GBFS:
            self._feed = gbfs.StationFeed(config, secrets, self._outgoing)
        else:
            self._document = Resource(
                config.url,
                config,
                secrets,
                self._outgoing,
                lambda body: parse(body, config.format),
            )

    async def read(self, batch: Batch) -> Sequence[RawReading]:
        """Read one device's points.

        Raises:
            AdapterError: Unreachable, AuthFailed or RateLimited.
        """
        try:
            document, fetched = await self.fetch()
        except Malformed as error:  # the session is in step, whatever was in the body
            return [RawReading(target, None, error) for target in batch.targets]
        return readings(document, batch.targets, batch.request, fetched)

    async def fetch(self) -> tuple[Document, int]:
        """Return the document and when it was first seen as it is, asked for again when due.

        Raises:
            AdapterError: Unreachable, AuthFailed, RateLimited or Malformed.
        """
        if self._feed is not None:
            return await self._feed.stations()
        assert self._document is not None
        return await self._document.content(self._config.fresh_s), self._document.fetched

    async def close(self) -> None:
        """End the connections."""
        await self._outgoing.close()

    def sightings(self) -> Sequence[Sighting]:
        """Return the stations of a GBFS feed."""
        return () if self._feed is None else self._feed.sightings()
