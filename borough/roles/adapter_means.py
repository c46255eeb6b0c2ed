"""What field gives its adapters to work with: the secrets of this home, and where HTTP may lead."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from borough.home import Home
from borough.settings import Settings
from ciaas.computing.outgoing import Reach
from ciaas.sensorisation.contract import Means
from ciaas.sensorisation.secrets import SecretMissing
from security.encryption.keyring import KeyRing
from security.encryption.private_file import PrivateFileError, read_private, replace_private
from security.encryption.sealing import Sealing, SealingError

_PURPOSE = "adapter secrets"
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
        sealed = self._sealing().seal(secret.encode(), _place(name, host))
        content = json.dumps({"host": host, "sealed": sealed})
        replace_private(self._file(name), content.encode())

    def secret(self, name: str, host: str) -> str:
        """Return a secret that was kept for exactly this host.

        Raises:
            SecretMissing: there is none of this name, or it is for another host.
        """
        remedy = f"run: borough adapter secret {name} --host {host}"
        if not self._file(name).exists():
            raise SecretMissing(f"no secret {name!r} is kept here; {remedy}")
        try:
            content = json.loads(read_private(self._file(name), _FILE_BYTES_MAX))
            kept_for, sealed = str(content["host"]), str(content["sealed"])
            if kept_for != host:
                raise SecretMissing(f"the secret {name!r} is not for {host}; {remedy}")
            return self._sealing().open(sealed, _place(name, host)).decode()
        except (PrivateFileError, SealingError, KeyError, ValueError) as error:
            raise SecretMissing(f"the secret {name!r} cannot be read ({error}); {remedy}") from None

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _sealing(self) -> Sealing:
        return Sealing(self.keys.derived(_PURPOSE))


def _place(name: str, host: str) -> str:
    return f"{name}@{host}"
