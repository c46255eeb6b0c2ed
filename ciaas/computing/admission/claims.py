"""Signed answers to the broker's question whether a client may connect.

Source: NATS auth callout, ADR-26; JSON Web Tokens with the algorithm ``ed25519-nkey``.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
import nkeys

from ciaas.computing.admission.ports import Permissions

_HEADER = {"typ": "JWT", "alg": "ed25519-nkey"}


class Issuer:
    """Signs as the account that the broker's configuration names as issuer."""

    def __init__(self, seed: str):
        """``seed`` is the private nkey of an account (SA…)."""
        self._key = nkeys.from_seed(bytearray(seed, "ascii"))
        self.public: str = self._key.public_key.decode()
        self._head = _encode(msgspec.json.encode(_HEADER))

    def grant(
        self,
        user_nkey: str,
        account: str,
        name: str,
        permissions: Permissions,
        now_s: int,
        until_s: int | None = None,
    ) -> str:
        """Return a user's token: who the client is and what it may do, in which account.

        The broker itself ends the connection at ``until_s``, in seconds since 1970 UTC.
        """
        rights = {
            "pub": _rights(permissions.publish),
            "sub": _rights(permissions.subscribe),
            "subs": -1,
            "data": -1,
            "payload": -1,
        }
        claims: dict[str, Any] = {"sub": user_nkey, "aud": account, "name": name}
        if until_s is not None:
            claims["exp"] = until_s
        return self._sign({**claims, "nats": {"type": "user", "version": 2, **rights}}, now_s)

    def answer(self, user_nkey: str, server_id: str, outcome: dict[str, str], now_s: int) -> bytes:
        """Return the response; ``outcome`` is ``{"jwt": grant}`` or ``{"error": reason}``."""
        nats = {"type": "authorization_response", "version": 2, **outcome}
        return self._sign({"sub": user_nkey, "aud": server_id, "nats": nats}, now_s).encode()

    def _sign(self, claims: dict[str, Any], now_s: int) -> str:
        claims = {**claims, "iss": self.public, "iat": now_s}
        digest = hashlib.sha256(msgspec.json.encode(claims)).digest()
        claims["jti"] = base64.b32encode(digest).rstrip(b"=").decode()
        signed = f"{self._head}.{_encode(msgspec.json.encode(claims))}"
        return f"{signed}.{_encode(self._key.sign(signed.encode()))}"


def _rights(subjects: Sequence[str]) -> dict[str, list[str]]:
    # To the broker an empty list of what is allowed means everything.
    return {"allow": list(subjects)} if subjects else {"deny": [">"]}


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
