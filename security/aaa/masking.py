"""What stands in the record for a secret: the same for the same secret, and not to be undone."""

from __future__ import annotations

import hashlib
import hmac

_HEX = 16


class Mask:
    """Keyed digests of secrets.

    So the record tells whether two requests carried the same secret, and nobody can try likely
    ones against it without the key.
    """

    def __init__(self, key: bytes) -> None:
        """Take 32 bytes that are used for nothing else."""
        self._key = key

    def __call__(self, secret: str) -> str:
        """Return the mask of a secret: ``hmac:`` and 64 bits of its HMAC-SHA256, hex."""
        data = secret.encode(errors="surrogatepass")
        return "hmac:" + hmac.new(self._key, data, hashlib.sha256).hexdigest()[:_HEX]
