"""What is done to the certificate authority while the platform is stopped, with the root's key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from borough.clock import MachineClock
from borough.home import Home, HomeError, Lock
from borough.wiring import complete_keys, create_keys
from security.encryption import tiers
from security.encryption.certificates import AuthorityError, fingerprint, serial_text
from security.encryption.keyring import KeyRing
from security.encryption.private_file import PrivateFileError, read_private
from security.limits import (
    DEVICE_CERTIFICATE_DAYS_MAX,
    KEY_FILE_BYTES_MAX,
    PASSWORD_CHARS_MIN,
)

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Tier:
    """One authority, as it is told."""

    name: str
    """``root``, ``issuing``, ``earlier`` or ``former``."""
    subject: str
    serial: str
    sha256: str
    ends: datetime
    trusted_until: datetime
    """Earlier than ``ends`` for one that a later root has followed."""
    key: Path | None
    """Where its key lies; None when it is not in the home."""

    def document(self) -> dict[str, Any]:
        """Return it for machines."""
        return {
            "tier": self.name,
            "subject": self.subject,
            "serial": self.serial,
            "sha256": self.sha256,
            "ends": self.ends.isoformat(),
            "trusted_until": self.trusted_until.isoformat(),
            "key": None if self.key is None else str(self.key),
        }


def show(home: Home) -> list[Tier]:
    """Return every authority of the home that counts, those that issue first.

    Raises:
        HomeError: there is none, or one is damaged.
    """
    try:
        tiers.newest_of(home.authority)
        *formers, newest = tiers.generations(home.authority)
    except AuthorityError as error:
        raise HomeError(str(error)) from error
    root = newest.root_key if newest.tiered else newest.issuing_key
    found = [_tier("root", newest.root, root)]
    if newest.tiered:
        found.append(_tier("issuing", newest.issuing, newest.issuing_key))
    found += [_tier("earlier", one, None) for one in newest.earlier]
    now_ms = MachineClock().now_ms()
    for former in reversed(formers):
        if former.counts(now_ms):
            found.append(_tier("former", former.root, former.issuing_key, former.until))
    return found


def initialise(home: Home, passphrase: Path | None) -> str:
    """Make both tiers in a home that has none, or that an earlier version gave one for all.

    Returns:
        What was done, in a sentence.

    Raises:
        HomeError: the platform runs, both tiers are there already, or they cannot be written.
    """
    with _stopped(home) as keys:
        secret = _root_passphrase(keys, passphrase)
        found = tiers.generations(home.authority)
        if not found:
            _make(home, keys, secret)
            return "both tiers are made; the platform can be started"
        unfinished = [one for one in found[:-1] if one.until is None]
        if found[-1].tiered and not unfinished:
            raise HomeError(
                "this home has both tiers already; 'borough ca rotate' makes another root"
            )
        if not found[-1].tiered:
            tiers.put_aside_flat(home.authority)
            tiers.make_generation(home.authority, keys.ca_passphrase, secret, _now_ms())
        return _followed(home)


def rotate(home: Home, passphrase: Path | None) -> str:
    """Make another root with an issuing authority; the ones before are trusted for a while.

    Raises:
        HomeError: the platform runs, there are no two tiers, or nothing can be written.
    """
    with _stopped(home) as keys:
        secret = _root_passphrase(keys, passphrase)
        if not tiers.newest_of(home.authority).tiered:
            raise HomeError("this home has one authority for everything; run: borough ca init")
        tiers.make_generation(home.authority, keys.ca_passphrase, secret, _now_ms())
        return _followed(home)


def issue_issuing(home: Home, root_key: Path | None, passphrase: Path | None) -> str:
    """Have the root sign another issuing authority, which issues from now on.

    Args:
        home: The platform's.
        root_key: Where the root's key lies; None in its place in the home.
        passphrase: File of the passphrase it is encrypted with; None for the key file's.

    Raises:
        HomeError: the platform runs, or the key is not this root's or does not open.
    """
    with _stopped(home) as keys:
        newest = tiers.newest_of(home.authority)
        if not newest.tiered:
            raise HomeError("this home has one authority for everything; run: borough ca init")
        secret = _root_passphrase(keys, passphrase)
        key = root_key or newest.root_key
        made = tiers.make_next_issuing(home.authority, keys.ca_passphrase, key, secret, _now_ms())
        tiers.publish(home.authority, _now_ms())
        ends = made.issuing.not_valid_after_utc
        return f"the new issuing authority is good until {ends:%Y-%m-%d}"


@contextmanager
def _stopped(home: Home) -> Iterator[KeyRing]:
    """Hold a home on which nothing runs; gives its keys, made if there are none."""
    home.prepare()
    lock = Lock(home, "watch")
    try:
        lock.take()
        yield complete_keys(home) if home.keys.exists() else create_keys(home)
    except AuthorityError as error:
        raise HomeError(str(error)) from error
    finally:
        lock.release()


def _make(home: Home, keys: KeyRing, secret: bytes) -> None:
    tiers.make_generation(home.authority, keys.ca_passphrase, secret, _now_ms())
    tiers.publish(home.authority, _now_ms())


def _followed(home: Home) -> str:
    """Let the former root count until the last certificate of a device that knows it alone."""
    until = max(_now_ms() + DEVICE_CERTIFICATE_DAYS_MAX * _DAY_MS, _last_end(home))
    tiers.retire(home.authority, until)
    tiers.publish(home.authority, _now_ms())
    former = tiers.generations(home.authority)[-2]
    if not former.signs(_now_ms()):
        return (
            "the new root signs from now on; all that the one before issued has ended: give "
            "devices and others the new authority/ca.pem"
        )
    day = datetime.fromtimestamp(min(until, former.ends) / 1000, UTC)
    return (
        f"the new root signs from now on; the one before is trusted until {day:%Y-%m-%d}: let "
        "devices renew and give others the new authority/ca.pem before"
    )


def _last_end(home: Home) -> int:
    if not home.registry.exists():
        return 0
    from borough.roles.schema import migrate
    from ciaas.ports import RegistryError
    from ciaas.storage.registry import open_registry

    migrate(home)
    try:
        with open_registry(home.registry, read_only=True) as registry:
            return max(registry.certificates.expiry().values(), default=0)
    except RegistryError as error:
        raise HomeError(str(error)) from error


def _root_passphrase(keys: KeyRing, file: Path | None) -> bytes:
    if file is None:
        return keys.ca_passphrase
    try:
        secret = read_private(file, KEY_FILE_BYTES_MAX).strip()
    except PrivateFileError as error:
        raise HomeError(str(error)) from error
    if len(secret) < PASSWORD_CHARS_MIN:
        raise HomeError(f"the passphrase in {file} has fewer than {PASSWORD_CHARS_MIN} characters")
    return secret


def _tier(
    name: str, certificate: x509.Certificate, key: Path | None, until: int | None = None
) -> Tier:
    ends = certificate.not_valid_after_utc
    trusted = ends if until is None else min(ends, datetime.fromtimestamp(until / 1000, UTC))
    here = key if key is not None and key.exists() else None
    subject = certificate.subject.rfc4514_string()
    digest = fingerprint(certificate)
    return Tier(name, subject, serial_text(certificate), digest, ends, trusted, here)


def _now_ms() -> int:
    return MachineClock().now_ms()
