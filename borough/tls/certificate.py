"""The server certificates that the own authority issues: when a new one is due, and for whom."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509

from security.encryption.authority import Authority
from security.encryption.certificates import due_at
from security.limits import SERVER_CERTIFICATE_DAYS

ALWAYS_NAMED = ("localhost", "127.0.0.1")


def names_of(host: str, further: Iterable[str]) -> frozenset[str]:
    """Return all names and addresses by which a server on this host is reached."""
    names = {*ALWAYS_NAMED, host, *further}
    return frozenset(n for n in names if not (_is_address(n) and ip_address(n).is_unspecified))


def ensure_certificate(
    authority: Authority,
    certificate: Path,
    key: Path,
    names: frozenset[str],
    *,
    days: float = SERVER_CERTIFICATE_DAYS,
    keep_key: bool = False,
) -> bool:
    """Issue a server certificate into two files when there is none that serves.

    The key is written encrypted, see `Authority.decrypt_key`. Returns True when one was issued.

    Args:
        authority: Issues it.
        certificate: File of the certificate and its chain.
        key: File of the key.
        names: What it has to name.
        days: Its life.
        keep_key: Issue it for the key that is there, for a server that cannot be given another.

    Raises:
        AuthorityError: a name is none.
        OSError: the files cannot be written.
    """
    if _serves(authority, certificate, names):
        return False
    addresses = {name for name in names if _is_address(name)}
    kept = key.read_bytes() if keep_key and key.exists() else None
    issued = authority.issue_server(sorted(names - addresses), sorted(addresses), days, kept)
    assert issued.private_key_pem is not None
    for path, data in ((key, issued.private_key_pem), (certificate, issued.certificate_pem)):
        draft = path.with_name(f".{path.name}.new")
        draft.unlink(missing_ok=True)
        draft.touch(0o600)
        draft.write_bytes(data)
        draft.replace(path)
    return True


def _serves(authority: Authority, certificate: Path, names: frozenset[str]) -> bool:
    """Return True when the certificate is there, names them all and is good for a while."""
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (FileNotFoundError, ValueError):  # none, or one that a full disk left unfinished
        return False
    listed = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    named = {
        *listed.get_values_for_type(x509.DNSName),
        *map(str, listed.get_values_for_type(x509.IPAddress)),
    }
    due = datetime.now(UTC) >= due_at(found)
    return names <= named and not due and authority.signs_for(found)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
