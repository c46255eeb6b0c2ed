"""What field gives its adapters to work with: the secrets of this home, and where HTTP may lead."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from borough.home import Home
from borough.settings import Settings
from ciaas.computing.reach import Reach
from ciaas.sensorisation.contract import Means
from ciaas.sensorisation.secrets import SecretMissing
from security.encryption.envelope import Envelope, SealingError
from security.encryption.keyring import KeyRing
from security.encryption.private_file import PrivateFileError, read_private, replace_private
from security.encryption.rewrap import Sealed

PURPOSE = "adapter secrets"
_FILE_BYTES_MAX = 65_536
SECRET_CHARS_MAX = 4_096


def adapter_means(home: Home, keys: KeyRing, settings: Settings) -> Means:
    """Return the means of this home."""
    return Means(SealedSecrets(home.secrets, keys), Reach.of(settings.outgoing_allow))


@dataclass(frozen=True, slots=True)
class SealedSecrets:
    """One file a secret, encrypted under the key ring; each is for one host."""

    folder: Path
    keys: KeyRing

    def keep(self, name: str, host: str, secret: str) -> None:
        """Store a secret, in the place of one of the same name; returns after fsync.

        Raises:
            PrivateFileError: it could not be written.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sealed = self._envelope().seal(secret.encode(), _place(name, host))
        self._write(name, host, sealed)

    def secret(self, name: str, host: str) -> str:
        """Return a secret that was kept for exactly this host.

        Raises:
            SecretMissing: there is none of this name, or it is for another host.
        """
        remedy = f"run: borough adapter secret {name} --host {host}"
        if not self._file(name).exists():
            raise SecretMissing(f"no secret {name!r} is kept here; {remedy}")
        try:
            kept_for, sealed = self._read(name)
            if kept_for != host:
                raise SecretMissing(f"the secret {name!r} is not for {host}; {remedy}")
            return self._envelope().open(sealed, _place(name, host)).decode()
        except (PrivateFileError, SealingError, KeyError, ValueError) as error:
            raise SecretMissing(f"the secret {name!r} cannot be read ({error}); {remedy}") from None

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _read(self, name: str) -> tuple[str, str]:
        content = json.loads(read_private(self._file(name), _FILE_BYTES_MAX))
        return str(content["host"]), str(content["sealed"])

    def _write(self, name: str, host: str, sealed: str) -> None:
        content = json.dumps({"host": host, "sealed": sealed})
        replace_private(self._file(name), content.encode())

    def _envelope(self) -> Envelope:
        return self.keys.envelope(PURPOSE)

    # -- `security.encryption.rewrap.SealedStore`

    @property
    def purpose(self) -> str:
        """What the secrets are sealed for."""
        return PURPOSE

    def count(self) -> int:
        """Return how many secrets there are."""
        return len(self._names())

    def page(self, after: str, limit: int) -> Sequence[Sealed]:
        """Return the next sealed secrets, by the name they are kept under."""
        names = [name for name in self._names() if name > after][:limit]
        found = []
        for name in names:
            try:
                host, sealed = self._read(name)
            except (PrivateFileError, KeyError, ValueError, TypeError):  # told as one that is shut
                host = sealed = ""
            found.append(Sealed(name, _place(name, host), sealed))
        return found

    def replace(self, changes: Sequence[tuple[Sealed, str]]) -> None:
        """Write secrets anew; one that was given another value meanwhile keeps that.

        Raises:
            PrivateFileError: one could not be written.
        """
        for was, sealed in changes:
            try:
                host, there = self._read(was.key)
            except (PrivateFileError, KeyError, ValueError, TypeError):  # taken away meanwhile
                continue
            if there == was.text:
                self._write(was.key, host, sealed)

    def _names(self) -> list[str]:
        return sorted(path.stem for path in self.folder.glob("*.json"))


def _place(name: str, host: str) -> str:
    return f"{name}@{host}"
