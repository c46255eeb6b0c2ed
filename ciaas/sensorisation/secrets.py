"""Secrets of devices and gateways: named in a document, kept elsewhere, given to one host each."""

from __future__ import annotations

from typing import Annotated, Protocol

from pydantic import StringConstraints

NAME_FORM = r"^[a-z0-9][a-z0-9-]{0,62}$"
SecretName = Annotated[str, StringConstraints(pattern=NAME_FORM)]
"""What a document says in the place of a secret."""


class SecretMissing(Exception):
    """No secret of this name is kept for this host; the message says how to keep one."""


class Secrets(Protocol):
    """Gives secrets by name."""

    def secret(self, name: str, host: str) -> str:
        """Return a secret that was kept for exactly this host.

        A document may be written by whoever configures a project; bound to its host, a secret that
        somebody else's document names goes nowhere else.

        Raises:
            SecretMissing: there is none of this name, or it is for another host.
        """
        ...


class _NoSecrets:
    def secret(self, name: str, host: str) -> str:
        raise SecretMissing(
            f"no secret {name!r} is kept for {host}; "
            f"run: borough adapter secret {name} --host {host}"
        )


NO_SECRETS: Secrets = _NoSecrets()
"""Keeps none."""
