"""Valid names made of foreign ones, which are never passed on themselves."""

from __future__ import annotations

import hashlib
import re

from ciaas.kernel.address import AddressError, check_name

_UNFIT = re.compile(r"[\s\x00-\x1f\x7f-\x9f*>+#/\ud800-\udfff]+")
_CHARS_MAX = 64
_DIGEST_CHARS = 6


def valid_name(foreign: str) -> str:
    """Return a name that an address may carry: the same for the same foreign one, always.

    A name that is fit stays as it is. Of any other, what no topic may carry becomes ``-``, and some
    digits of its digest keep two that would become alike apart.
    """
    try:
        if len(foreign) <= _CHARS_MAX:
            return check_name(foreign)
    except AddressError:
        pass
    digest = hashlib.sha256(foreign.encode(errors="surrogatepass")).hexdigest()[:_DIGEST_CHARS]
    plain = _UNFIT.sub("-", foreign).strip("-")[:_CHARS_MAX]
    return f"{plain}-{digest}" if plain else digest
