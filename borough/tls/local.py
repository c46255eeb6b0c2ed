"""How clients on this machine recognise the API of this home."""

from __future__ import annotations

import ssl
from pathlib import Path

from borough.home import Home, HomeError
from borough.settings import Settings

_END = "-----END CERTIFICATE-----"


def own_certificate(home: Home) -> Path:
    """Return where the certificate of the own authority for the API lies; its key lies beside."""
    return home.authority / "https.pem"


def own_key(home: Home) -> Path:
    """Return where the encrypted key of `own_certificate` lies."""
    return home.authority / "https.key"


def local_context(home: Home, settings: Settings) -> ssl.SSLContext | None:
    """Return a context that trusts exactly the certificate that this home serves with.

    Its names do not count: they are the city's, and a client on this machine calls it 127.0.0.1.

    Returns:
        None when the API speaks plain HTTP.

    Raises:
        HomeError: there is no certificate yet.
    """
    if not settings.secure:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    path = settings.https_cert or own_certificate(home)
    try:
        # The first one alone: an authority that follows it would vouch for others too.
        own, end, _ = path.read_text().partition(_END)
        context.load_verify_locations(cadata=own + end)
    except (OSError, ValueError) as error:
        raise HomeError(
            f"the certificate of the API, {path}, cannot be read ({error}); start it: borough up"
        ) from None
    return context
