"""Where a browser may be sent back to: addresses that an application registered, and no others.

Source: RFC 9700, sections 2.1 and 4.1; RFC 8252, sections 7.3 and 8.3.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

from security.aaa.errors import RuleBroken
from security.limits import REDIRECT_URI_CHARS_MAX

_LOOPBACK = ("127.0.0.1", "::1")
_UNSAFE = frozenset('\\"<>^`{|} *')


def check_redirect(uri: str) -> None:
    """Make sure that an address may be registered.

    Raises:
        RuleBroken: it is neither https nor on this very machine, or could be read in two ways.
    """
    if len(uri) > REDIRECT_URI_CHARS_MAX:
        raise RuleBroken(f"a redirect address has at most {REDIRECT_URI_CHARS_MAX} characters")
    if not uri.isascii() or not uri.isprintable() or set(uri) & _UNSAFE:
        raise RuleBroken(f"{uri!r:.80}: encode what an address may not hold; * stands for nothing")
    parts = _parts(uri)
    if parts is None or not parts.hostname:
        raise RuleBroken(f"{uri!r:.80} is no address of https")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_local(parts)):
        raise RuleBroken(
            f"{uri!r:.80}: a redirect goes to https, or to http on 127.0.0.1, [::1] or localhost"
        )
    if parts.username is not None or "#" in uri:
        raise RuleBroken(f"{uri!r:.80}: an address carries no name, no password and no fragment")
    if any(part in (".", "..") for part in parts.path.split("/")):
        raise RuleBroken(f"{uri!r:.80}: write the path without . and ..")


def is_registered(uri: str, registered: Iterable[str]) -> bool:
    """Tell whether a browser may be sent there.

    Compared letter by letter; only the port of a loopback address is free, since an app on a
    desktop takes whichever it gets.
    """
    registered = tuple(registered)
    if uri in registered:
        return True
    portless = _without_port(uri)
    return portless is not None and any(_without_port(one) == portless for one in registered)


def origin_of(uri: str) -> str:
    """Return scheme, host and port of an address that `check_redirect` let pass."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"


def _without_port(uri: str) -> str | None:
    """Return an address on a loopback's number without its port, None for any other."""
    parts = _parts(uri)
    if parts is None or parts.scheme != "http" or parts.hostname not in _LOOPBACK:
        return None
    if parts.username is not None or parts.password is not None:
        return None
    return parts._replace(netloc=parts.hostname).geturl()


def _is_local(parts: SplitResult) -> bool:
    return parts.hostname in (*_LOOPBACK, "localhost")


def _parts(uri: str) -> SplitResult | None:
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018 - looked at because it raises for what is no port
    except ValueError:
        return None
    return parts
