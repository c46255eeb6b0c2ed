"""The keys of a running platform: its ring, what is sealed under it, the named keys of projects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from borough.home import Home
from borough.roles.adapter_means import SealedSecrets
from borough.roles.confidential import CityConfidential
from ciaas.ports import Clock, Conflict, DiskFull, Missing, RegistryError
from ciaas.storage.registry import Registry
from cpaas.access.keys import Keys
from security.encryption.keyring import KeyRing, KeyRingError
from security.encryption.named.named_keys import PURPOSE, NamedKeys
from security.encryption.private_file import PrivateFileError
from security.encryption.rewrap import Rewrap, SealedStore
from security.limits import KEY_VERSIONS_MAX


def sealed_stores(
    home: Home, keys: KeyRing, registry: Registry, confidential: CityConfidential
) -> tuple[SealedStore, ...]:
    """Return every place of this home where secrets lie sealed under the ring."""
    return (SealedSecrets(home.secrets, keys), confidential.keys, *registry.sealed)


class CityKeys:
    """Keeps every sealed secret under the newest version of the ring."""

    def __init__(
        self,
        home: Home,
        keys: KeyRing,
        registry: Registry,
        confidential: CityConfidential,
        clock: Clock,
    ) -> None:
        self._rewrap = Rewrap(
            keys.envelope,
            lambda: keys.version,
            sealed_stores(home, keys, registry, confidential),
            (OSError, PrivateFileError, RegistryError),
        )
        named = NamedKeys(registry.keys, keys.envelope(PURPOSE), clock.now_ms)
        self.desk = Keys(RingDesk(keys, self._rewrap), named, confidential)

    def start(self) -> None:
        """Go on with what an earlier process left under an older version."""
        self._rewrap.start()

    def stop(self) -> None:
        """End after the step under way; the next start goes on."""
        self._rewrap.stop()


@dataclass(frozen=True, slots=True)
class RingDesk:
    """`cpaas.access.keys.Ring`."""

    keys: KeyRing
    rewrap: Rewrap

    def status(self) -> Mapping[str, Any]:
        """Return what may be known of the ring; no key among it."""
        progress, current = self.rewrap.progress, self.keys.version
        return {
            "version": current,
            "unlock": self.keys.method.value,
            "versions": [
                {
                    "version": number,
                    "made_at": made_at,
                    "current": number == current,
                    "secrets": progress.in_use.get(number, 0),
                }
                for number, made_at in self.keys.versions.items()
            ],
            "rewrap": {
                "done": progress.done and progress.version == current,
                "total": progress.total,
                "seen": progress.seen,
                "rewrapped": progress.rewrapped,
                "failed": progress.failed,
                "failures": list(progress.failures),
                "trouble": progress.trouble,
            },
        }

    def rotate(self) -> Mapping[str, Any]:
        """Make a new version; everything is brought under it from now on, step by step.

        Raises:
            Conflict: there are as many versions as there may be.
            DiskFull: the key file cannot be written.
        """
        if len(self.keys.versions) >= KEY_VERSIONS_MAX:
            raise Conflict(
                f"the key ring holds {KEY_VERSIONS_MAX} versions; forget one that nothing is"
                " sealed under"
            )
        try:
            self.keys.rotate()
        except KeyRingError as error:
            raise DiskFull(str(error)) from error
        self.rewrap.begin()
        return self.status()

    def forget(self, version: int) -> Mapping[str, Any]:
        """Destroy a version under which nothing of this home lies any more.

        Refused for secrets that do not open, it has them looked at again for the next attempt.

        Raises:
            Missing: there is no such version.
            Conflict: it is in use or may be, or a re-wrap is not done yet.
            DiskFull: the key file cannot be written.
        """
        if version not in self.keys.versions:
            raise Missing(f"the key ring has no version {version}")
        if version == self.keys.version:
            raise Conflict(f"version {version} is the current one; rotate first")
        progress = self.rewrap.progress
        if not (progress.done and progress.version == self.keys.version):
            raise Conflict("secrets are still being wrapped anew; wait until that is done")
        left = progress.in_use.get(version, 0) + progress.unread
        if left:
            self.rewrap.begin()
            raise Conflict(
                f"{left} secrets do not open and may lie under version {version}; mend or remove"
                f" them first: {', '.join(progress.failures)}"
            )
        try:
            self.keys.forget(version)
        except KeyRingError as error:
            raise DiskFull(str(error)) from error
        return self.status()
