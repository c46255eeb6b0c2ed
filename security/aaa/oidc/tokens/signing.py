"""The provider's signing keys: made when they are first needed, sealed at rest, rotated."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from security.aaa.oidc.errors import BadToken
from security.aaa.oidc.ports import SigningKey, SigningKeyStore
from security.encryption.envelope import Envelope
from security.limits import (
    JWKS_LIFE_S,
    SIGNED_TOKEN_CHARS_MAX,
    SIGNING_KEY_DAYS,
    SIGNING_KEY_KEPT_S,
)

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, RSAKey

_DAY_MS = 86_400_000
_HEADER = frozenset({"alg", "kid", "typ"})
"""A token of ours says nothing else. What asks for more, such as ``crit`` or ``jku``, is none."""


@dataclass(frozen=True, slots=True)
class _Pair:
    kid: str
    alg: str
    created_at: int
    key: ECKey | RSAKey


class _Known(NamedTuple):
    version: int
    pairs: Mapping[str, _Pair]


class SigningKeys:
    """Signs and verifies; safe from any thread.

    A key is published JWKS_LIFE_S before it signs, unless it is the first, and stays published
    until what the one after it took over has ended.

    Args:
        store: Keeps the sealed keys.
        envelope: Opens them.
        clock_ms: Milliseconds since 1970 UTC.
        version: The registry's version; keys are looked up again when it changes.
    """

    def __init__(
        self,
        store: SigningKeyStore,
        envelope: Envelope,
        clock_ms: Callable[[], int],
        version: Callable[[], int],
    ) -> None:
        self._store, self._envelope = store, envelope
        self._clock_ms, self._version = clock_ms, version
        self._known = _Known(-1, {})
        self._making = threading.Lock()

    def sign(self, alg: str, typ: str, claims: Mapping[str, Any]) -> str:
        """Return a signed token of these claims."""
        from joserfc import jwt  # takes a third of a second at the first token

        pair = self._signing(alg)
        header = {"alg": alg, "kid": pair.kid, "typ": typ}
        return jwt.encode(header, dict(claims), pair.key, [alg])

    def verify(self, text: str, typ: str) -> dict[str, Any]:
        """Return the claims of a token that one of our keys signed.

        The key's own algorithm is the only one that counts, whatever the token says of itself.

        Raises:
            BadToken: it is not.
        """
        from joserfc import jwt
        from joserfc.errors import JoseError

        header = _header_of(text)
        if set(header) != _HEADER or header["typ"] != typ:
            raise BadToken(f"this is no token of the type {typ}")
        kid, alg = header["kid"], header["alg"]
        pair = self._pairs().get(kid) if isinstance(kid, str) else None
        if pair is None or pair.alg != alg:
            raise BadToken("the token was not signed with a key of ours")
        try:
            return dict(jwt.decode(text, pair.key, algorithms=[pair.alg]).claims)
        except (JoseError, ValueError):
            raise BadToken("the token's signature is not right") from None

    def published(self) -> dict[str, Any]:
        """Return the public keys as a JWK set, one of each algorithm at least."""
        for alg in ("ES256", "RS256"):
            self._signing(alg)
        pairs = sorted(self._pairs().values(), key=lambda pair: (pair.created_at, pair.kid))
        return {
            "keys": [
                {**pair.key.as_dict(private=False), "kid": pair.kid, "alg": pair.alg, "use": "sig"}
                for pair in pairs
            ]
        }

    def rotate(self, *, retire: bool) -> Sequence[str]:
        """Make new keys; with ``retire`` all others are forgotten, and their tokens end at once.

        Returns:
            Names (``kid``) of the keys that are published from now on.
        """
        with self._making:
            for alg in ("ES256", "RS256"):
                self._make(alg, retire=retire)
        return sorted(self._pairs())

    def _signing(self, alg: str) -> _Pair:
        """Return the newest key that everybody had time to learn of, else the oldest."""
        with self._making:
            pairs = self._of(alg)
            if not pairs or self._clock_ms() - pairs[-1].created_at > SIGNING_KEY_DAYS * _DAY_MS:
                self._make(alg, retire=False)
                pairs = self._of(alg)
        learned = self._clock_ms() - JWKS_LIFE_S * 1_000
        settled = [pair for pair in pairs if pair.created_at <= learned]
        return settled[-1] if settled else pairs[0]

    def _of(self, alg: str) -> list[_Pair]:
        found = [pair for pair in self._pairs().values() if pair.alg == alg]
        return sorted(found, key=lambda pair: pair.created_at)

    def _make(self, alg: str, *, retire: bool) -> None:
        from joserfc.jwk import ECKey, RSAKey

        made = ECKey.generate_key("P-256") if alg == "ES256" else RSAKey.generate_key(2_048)
        kid, now = made.thumbprint(), self._clock_ms()
        before = self._of(alg)
        # A key has nothing left to verify once its successor has signed alone for long enough.
        over = now - (JWKS_LIFE_S + SIGNING_KEY_KEPT_S) * 1_000
        old = [one.kid for one, after in itertools.pairwise(before) if after.created_at <= over]
        gone = [pair.kid for pair in before] if retire else old
        sealed = self._envelope.seal(json.dumps(made.as_dict(private=True)).encode(), kid)
        self._store.add_signing_key(SigningKey(kid, alg, sealed, now), gone)
        self._known = _Known(-1, {})

    def _pairs(self) -> Mapping[str, _Pair]:
        version, known = self._version(), self._known
        if known.version != version:
            pairs = {
                row.kid: known.pairs.get(row.kid) or self._open(row)
                for row in self._store.signing_keys()
            }
            known = self._known = _Known(version, pairs)
        return known.pairs

    def _open(self, row: SigningKey) -> _Pair:
        from joserfc.jwk import ECKey, RSAKey

        parts = json.loads(self._envelope.open(row.sealed, row.kid))
        kind = ECKey if row.alg == "ES256" else RSAKey
        return _Pair(row.kid, row.alg, row.created_at, kind.import_key(parts))


def _header_of(text: str) -> dict[str, Any]:
    """Return the header of a token, which nobody has vouched for yet; raises BadToken."""
    from joserfc.util import urlsafe_b64decode

    if len(text) > SIGNED_TOKEN_CHARS_MAX or text.count(".") != 2 or not text.isascii():
        raise BadToken("this is no signed token")
    try:
        header = json.loads(urlsafe_b64decode(text.partition(".")[0].encode()))
    except (ValueError, RecursionError):
        raise BadToken("this is no signed token") from None
    if not isinstance(header, dict):
        raise BadToken("this is no signed token")
    return header
