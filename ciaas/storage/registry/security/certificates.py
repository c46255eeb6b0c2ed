"""Certificates of endpoints and provision tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from ciaas.kernel.address import EndpointId
from ciaas.limits import CERTIFICATES_PER_ENDPOINT_MAX, PROVISION_BYTES_MAX
from ciaas.ports import Clock, Conflict, Missing
from ciaas.storage.registry.database import Change, Database
from ciaas.storage.registry.document import decode, encode
from ciaas.storage.registry.resources.endpoints import present
from ciaas.storage.registry.schema import certificate, provision
from security.limits import DEVICE_CERTIFICATE_DAYS_MAX, RENEWAL_SHARE
from security.ports import CertificateEntry, ProvisionEntry

_CERTIFICATES = sa.select(
    certificate.c.serial,
    certificate.c.endpoint,
    certificate.c.fingerprint,
    certificate.c.not_after,
    certificate.c.revoked,
    certificate.c.issued_at,
    certificate.c.revoked_at,
).order_by(certificate.c.id)

_PROVISIONS = sa.select(
    provision.c.digest, provision.c.endpoint, provision.c.expires_at, provision.c.properties
)


_LEFT_WHEN_DUE_MS = (1 - RENEWAL_SHARE) * DEVICE_CERTIFICATE_DAYS_MAX * 86_400_000
"""The longest that a certificate which is to be renewed still has."""


class Certificates:
    """`security.ports.CertificateStore` in the registry."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add_certificate(self, entry: CertificateEntry, *, predecessor: str | None = None) -> None:
        """Keep a certificate; in a full room the expired make way, then the oldest denied.

        Args:
            entry: What was issued.
            predecessor: Serial of the certificate that it renews; None for none.

        Raises:
            Missing: the endpoint is unknown or deleted, or the predecessor unknown or denied.
            Conflict: the serial is known, or CERTIFICATES_PER_ENDPOINT_MAX are in force.
        """
        with self._database.change() as change:
            if predecessor is not None:
                good = _CERTIFICATES.filter_by(
                    serial=predecessor, endpoint=entry.endpoint, revoked=False
                )
                if change.connection.execute(good).first() is None:
                    raise Missing(f"certificate {predecessor} renews nothing: it is denied")
            self._add(change, entry)

    def certificates(self, endpoint: str) -> Sequence[CertificateEntry]:
        """Return the endpoint's certificates, oldest first, revoked ones included."""
        with self._database.read() as connection:
            rows = connection.execute(_CERTIFICATES.filter_by(endpoint=endpoint))
            return [CertificateEntry(*row) for row in rows]

    def certificate(self, serial: str) -> CertificateEntry | None:
        """Return the certificate, None when the serial was never given."""
        with self._database.read() as connection:
            row = connection.execute(_CERTIFICATES.filter_by(serial=serial)).one_or_none()
        return None if row is None else CertificateEntry(*row)

    def revoke_certificate(self, serial: str) -> None:
        """Revoke; a second time changes nothing. Raises Missing for an unknown serial."""
        with self._database.change() as change:
            only = certificate.c.serial == serial
            row = change.connection.execute(_CERTIFICATES.where(only)).one_or_none()
            if row is None:
                raise Missing(f"there is no certificate {serial}")
            if not row.revoked:
                denied = {"revoked": True, "revoked_at": self._clock.now_ms()}
                change.connection.execute(
                    certificate.update().where(only).values(**denied, version=change.stamp())
                )

    def revoke_certificates(self, endpoint: str) -> int:
        """Revoke all of an endpoint at one moment; return how many were in force until then."""
        now_ms = self._clock.now_ms()
        standing = certificate.c.endpoint == endpoint, certificate.c.revoked.is_(False)
        with self._database.change() as change:
            ends = sa.select(certificate.c.not_after).where(*standing)
            found = change.connection.execute(ends).scalars().all()
            if found:
                denied = {"revoked": True, "revoked_at": now_ms}
                change.connection.execute(
                    certificate.update().where(*standing).values(**denied, version=change.stamp())
                )
        return sum(not_after > now_ms for not_after in found)

    def in_force(self, now: int) -> Mapping[str, str]:
        """Return each certificate that is neither denied nor expired: fingerprint to endpoint."""
        asked = (
            sa.select(certificate.c.fingerprint, certificate.c.endpoint)
            .where(certificate.c.not_after > now)
            .filter_by(revoked=False)
        )
        with self._database.read() as connection:
            return {row.fingerprint: row.endpoint for row in connection.execute(asked)}

    def expiry(self) -> Mapping[str, int]:
        """Return when each endpoint's last certificate ends that is not denied, ended or not."""
        last = sa.func.max(certificate.c.not_after)
        asked = sa.select(certificate.c.endpoint, last).filter_by(revoked=False)
        with self._database.read() as connection:
            rows = connection.execute(asked.group_by(certificate.c.endpoint))
            return {uuid: int(ends) for uuid, ends in rows}

    def expiring(self, now: int) -> Sequence[EndpointId]:
        """Return the endpoints whose last certificate was to be renewed by now, or has ended."""
        # No certificate that ends after this is due, so that few of many are looked at.
        horizon = now + round(_LEFT_WHEN_DUE_MS)
        late = certificate.c.not_after <= horizon
        asked = (
            sa.select(certificate.c.endpoint, certificate.c.not_after, certificate.c.issued_at)
            .where(late, certificate.c.revoked.is_(False))
            .order_by(certificate.c.not_after)
        )
        good = (
            sa.select(certificate.c.endpoint)
            .where(~late, certificate.c.revoked.is_(False))
            .distinct()
        )
        with self._database.read() as connection:
            last = {uuid: (ends, issued) for uuid, ends, issued in connection.execute(asked)}
            renewed = set(connection.execute(good).scalars()) if last else set()
        return [
            EndpointId(uuid)
            for uuid, (ends, issued) in last.items()
            if uuid not in renewed and now >= _due(ends, issued)
        ]

    def put_provision(self, entry: ProvisionEntry) -> None:
        """Store, replacing every earlier token of the same endpoint.

        Raises:
            Missing: the endpoint is unknown or deleted.
            Conflict: the properties are too large, or another endpoint has this digest.
        """
        what = f"the provision properties of endpoint {entry.endpoint}"
        text = encode(entry.properties, PROVISION_BYTES_MAX, what)
        with self._database.change() as change:
            present(change.connection, entry.endpoint)
            change.connection.execute(provision.delete().filter_by(endpoint=entry.endpoint))
            known = _PROVISIONS.filter_by(digest=entry.digest)
            if change.connection.execute(known).first() is not None:
                raise Conflict("another endpoint has this provision token: draw another")
            change.connection.execute(
                provision.insert().values(
                    endpoint=entry.endpoint,
                    digest=entry.digest,
                    expires_at=entry.expires_at,
                    properties=text,
                    version=change.stamp(),
                )
            )

    def provision(self, digest: str) -> ProvisionEntry | None:
        """Return the entry, which stays, also when it has expired; None when unknown."""
        with self._database.read() as connection:
            row = connection.execute(_PROVISIONS.filter_by(digest=digest)).one_or_none()
        if row is None:
            return None
        return ProvisionEntry(row.digest, row.endpoint, row.expires_at, decode(row.properties))

    def take_provision(
        self, digest: str, now: int, issued: CertificateEntry | None = None
    ) -> ProvisionEntry | None:
        """Remove and return the entry in one transaction; None when unknown or expired.

        An expired one is removed too. The entry stays when ``issued`` cannot be kept.

        Args:
            digest: Of the token.
            now: Milliseconds since 1970 UTC.
            issued: The certificate for it, which is kept in the same transaction if the entry is
                good; None for none.

        Raises:
            Conflict: as `add_certificate`.
        """
        known = _PROVISIONS.filter_by(digest=digest)
        with self._database.read() as connection:
            # Anyone may ask without a login, so that a wrong token must not cost a change its turn.
            if connection.execute(known).first() is None:
                return None
        with self._database.change() as change:
            row = change.connection.execute(known).one_or_none()
            if row is None:
                return None
            change.stamp()
            change.connection.execute(provision.delete().filter_by(digest=digest))
            _, endpoint, expires_at, properties = row
            if expires_at <= now:
                return None
            if issued is not None:
                assert issued.endpoint == endpoint, "a token is of one endpoint for ever"
                self._add(change, issued)
        return ProvisionEntry(digest, endpoint, expires_at, decode(properties))

    def _add(self, change: Change, entry: CertificateEntry) -> None:
        present(change.connection, entry.endpoint)
        known = _CERTIFICATES.filter_by(serial=entry.serial)
        if change.connection.execute(known).first() is not None:
            raise Conflict(f"serial {entry.serial} was given before: draw another")
        self._make_room(change, entry.endpoint)
        change.connection.execute(
            certificate.insert().values(
                serial=entry.serial,
                endpoint=entry.endpoint,
                fingerprint=entry.fingerprint,
                not_after=entry.not_after,
                revoked=entry.revoked,
                issued_at=entry.issued_at,
                revoked_at=entry.revoked_at,
                version=change.stamp(),
            )
        )

    def _make_room(self, change: Change, endpoint: str) -> None:
        rows = sa.select(sa.func.count()).select_from(certificate).filter_by(endpoint=endpoint)
        if change.connection.execute(rows).scalar_one() < CERTIFICATES_PER_ENDPOINT_MAX:
            return
        own = certificate.c.endpoint == endpoint
        expired = certificate.c.not_after < self._clock.now_ms()
        change.connection.execute(certificate.delete().where(own, expired))
        more = change.connection.execute(rows).scalar_one() - CERTIFICATES_PER_ENDPOINT_MAX + 1
        # A serial that nobody knows is let in no more than one that is denied.
        denied = (
            sa.select(certificate.c.id)
            .where(own, certificate.c.revoked.is_(True))
            .order_by(certificate.c.id)
            .limit(max(more, 0))
        )
        change.connection.execute(certificate.delete().where(certificate.c.id.in_(denied)))
        change.check_room(
            rows,
            CERTIFICATES_PER_ENDPOINT_MAX,
            f"endpoint {endpoint} has {CERTIFICATES_PER_ENDPOINT_MAX:,} certificates in force: "
            "revoke some, or issue fewer with a shorter life",
        )


def _due(ends: int, issued: int | None) -> float:
    """Return when a certificate is to be renewed; of one of an earlier version: long before."""
    if issued is None:
        return ends - _LEFT_WHEN_DUE_MS
    return issued + RENEWAL_SHARE * (ends - issued)
