"""Tiers: a root, an issuing authority below it, and those that were in their place before.

A generation is a folder ``<number>`` below the authority's directory: ``root.pem``, ``root.key``
(which may lie elsewhere), ``issuing.pem`` with the issuing authority's certificate and its
encrypted key, and in ``earlier.pem`` the issuing authorities that the root signed before. The
newest one issues. A home of an earlier version has one authority for everything, ``ca.pem`` and
``ca.key``, which counts as generation 0.

Beside them lie two files made from these: ``ca.pem``, what devices and people trust, and
``clients.pem``, by which servers know certificates of clients.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from security.encryption.certificates import AuthorityError, millis
from security.encryption.private_file import (
    PrivateFileError,
    read_private,
    replace_private,
    write_private,
)
from security.encryption.signing import (
    Signer,
    SigningKey,
    make_issuing,
    make_root,
    moment,
    pkcs8,
)
from security.limits import GENERATIONS_MAX, KEY_FILE_BYTES_MAX

ANCHORS = "ca.pem"
CLIENTS = "clients.pem"
_FLAT_KEY = "ca.key"
_ISSUING = "issuing.pem"
_FORMER = "former.json"
_ENCRYPTED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"


@dataclass(frozen=True, slots=True)
class Generation:
    """A root with its issuing authority, without their keys."""

    number: int
    folder: Path
    root: x509.Certificate
    issuing: x509.Certificate
    earlier: tuple[x509.Certificate, ...]
    """Issuing authorities whose certificates may still be in use."""
    until: int | None
    """For one that issues no more: when its last device certificate ends, ms since 1970 UTC."""

    @property
    def ends(self) -> int:
        """When the last certificate that it issued has ended at the latest, ms since 1970 UTC."""
        return max(millis(one.not_valid_after_utc) for one in (self.issuing, *self.earlier))

    @property
    def tiered(self) -> bool:
        """False for the one authority of an earlier version."""
        return self.root != self.issuing

    @property
    def issuing_key(self) -> Path:
        """Where the key lies that signs each day."""
        flat = self.folder / _FLAT_KEY
        return flat if flat.exists() else self.folder / _ISSUING

    @property
    def root_key(self) -> Path:
        """Where the root's key lies unless it was moved away."""
        return self.folder / "root.key"

    def counts(self, now_ms: int) -> bool:
        """Return True while certificates below it are to be believed."""
        return self.until is None or now_ms < self.until

    def signs(self, now_ms: int) -> bool:
        """Return True while it counts and can issue what is good for a while."""
        return self.counts(now_ms) and now_ms < millis(self.issuing.not_valid_after_utc)

    def signer(self, passphrase: bytes) -> Signer:
        """Return the issuing authority with its key.

        Raises:
            AuthorityError: the key is missing, of another passphrase or another certificate.
        """
        return Signer(self.issuing, read_key(self.issuing_key, passphrase, self.issuing), self.root)


def generations(directory: Path) -> list[Generation]:
    """Return those of a directory, oldest first; none when there is no authority yet.

    Raises:
        AuthorityError: one is damaged.
    """
    folders = sorted(
        (path for path in directory.glob("[0-9]*") if path.name.isdigit()),
        key=lambda path: int(path.name),
    )
    if not folders and (directory / ANCHORS).exists():
        return [_flat(directory)]
    return [_generation(folder) for folder in folders]


def make_generation(
    directory: Path, passphrase: bytes, root_passphrase: bytes, now_ms: int
) -> Generation:
    """Make a root and an issuing authority, the newest from now on; return once on disk.

    The one before goes on counting once `retire` is told until when.

    Raises:
        AuthorityError: it cannot be written, or there are too many.
    """
    before = generations(directory)
    number = before[-1].number + 1 if before else 1
    if number > GENERATIONS_MAX:
        raise AuthorityError(f"{directory} has had {GENERATIONS_MAX} roots: begin another home")
    root_key = ec.generate_private_key(ec.SECP384R1())
    root = make_root(root_key, moment(now_ms))
    draft = directory / f".{number}.new"
    try:
        if not directory.is_dir():
            raise FileNotFoundError(2, "No such file or directory", str(directory))
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        write_private(draft / "root.pem", _pem(root))
        write_private(draft / "root.key", pkcs8(root_key, root_passphrase))
        _write_issuing(draft, root, root_key, passphrase, now_ms)
        draft.rename(directory / str(number))
        _sync(directory)
    except (PrivateFileError, OSError) as error:
        raise AuthorityError(f"the authority cannot be made: {error}") from error
    return _generation(directory / str(number))


def make_next_issuing(
    directory: Path, passphrase: bytes, root_key: Path, root_passphrase: bytes, now_ms: int
) -> Generation:
    """Have the newest root sign another issuing authority; the one before goes on counting.

    Raises:
        AuthorityError: the root's key is not this root's or does not open, or nothing can be
            written.
    """
    newest = newest_of(directory)
    key = read_key(root_key, root_passphrase, newest.root)
    earlier = [one for one in newest.earlier if one.not_valid_after_utc > moment(now_ms)]
    try:
        # First, so that a crash in between loses none of those in use.
        replace_private(newest.folder / "earlier.pem", _pem(*earlier, newest.issuing))
        _write_issuing(newest.folder, newest.root, key, passphrase, now_ms)
    except (PrivateFileError, OSError) as error:
        raise AuthorityError(f"the issuing authority cannot be made: {error}") from error
    return _generation(newest.folder)


def retire(directory: Path, until: int) -> None:
    """Let all but the newest generation count until a time, and none beyond what it issued.

    Raises:
        AuthorityError: it cannot be written.
    """
    try:
        for former in generations(directory)[:-1]:
            if former.until is None:
                text = json.dumps({"until": min(until, former.ends)})
                replace_private(former.folder / _FORMER, text.encode())
    except (PrivateFileError, OSError) as error:
        raise AuthorityError(f"the former authority cannot be noted: {error}") from error


def put_aside_flat(directory: Path) -> None:
    """Give the one authority of an earlier version the folder ``0``; after it there can be a next.

    Raises:
        AuthorityError: it cannot be written; nothing has changed.
    """
    if (directory / "0").exists():
        return
    draft = directory / ".0.new"
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        certificate = (directory / ANCHORS).read_bytes()
        write_private(draft / "root.pem", certificate)
        key = read_private(directory / _FLAT_KEY, KEY_FILE_BYTES_MAX)
        write_private(draft / _ISSUING, certificate + key)
        draft.rename(directory / "0")
        _sync(directory)
        (directory / _FLAT_KEY).unlink()
    except (PrivateFileError, OSError) as error:
        raise AuthorityError(f"the earlier authority cannot be put aside: {error}") from error


def newest_of(directory: Path) -> Generation:
    """Return the generation that issues.

    Raises:
        AuthorityError: there is none.
    """
    found = generations(directory)
    if not found:
        raise AuthorityError(f"{directory} holds no authority; the first start makes one")
    return found[-1]


def anchors(found: Sequence[Generation], now_ms: int) -> bytes:
    """Return the roots to trust, the newest first, as PEM."""
    return _pem(*(one.root for one in reversed(found) if one.counts(now_ms)))


def clients(found: Sequence[Generation], now_ms: int) -> bytes:
    """Return every authority whose client certificates count, as PEM."""
    return _pem(*dict.fromkeys(_of_clients(found, now_ms)))


def publish(directory: Path, now_ms: int) -> bool:
    """Write ``ca.pem`` and ``clients.pem`` as they are due; True when one of them has changed.

    Raises:
        AuthorityError: they cannot be written.
    """
    found = generations(directory)
    changed = False
    for name, pem in ((ANCHORS, anchors(found, now_ms)), (CLIENTS, clients(found, now_ms))):
        path = directory / name
        if path.exists() and path.read_bytes() == pem:
            continue
        try:
            replace_private(path, pem)
        except PrivateFileError as error:
            raise AuthorityError(f"whom to trust cannot be written: {error}") from error
        changed = True
    return changed


def read_key(path: Path, passphrase: bytes, certificate: x509.Certificate) -> SigningKey:
    """Return the private key of a certificate.

    Raises:
        AuthorityError: it is missing, open to others, of another passphrase or certificate.
    """
    try:
        pem = read_private(path, KEY_FILE_BYTES_MAX)
    except PrivateFileError as error:
        raise AuthorityError(f"the authority cannot be opened: {error}") from error
    try:
        key = serialization.load_pem_private_key(pem[max(0, pem.find(_ENCRYPTED)) :], passphrase)
    except (ValueError, TypeError):
        raise AuthorityError(
            f"{path} cannot be opened with this passphrase, or is damaged; restore it together"
            " with the key file of the same home"
        ) from None
    if isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        if key.public_key() == certificate.public_key():
            return key
    raise AuthorityError(f"{path} and its certificate do not belong together; restore both")


def _of_clients(found: Sequence[Generation], now_ms: int) -> Iterator[x509.Certificate]:
    for one in reversed(found):
        if one.counts(now_ms):
            yield one.root
            yield one.issuing
            yield from one.earlier


def _flat(directory: Path) -> Generation:
    certificate = _read(directory / ANCHORS)[0]
    return Generation(0, directory, certificate, certificate, (), None)


def _generation(folder: Path) -> Generation:
    earlier, former = folder / "earlier.pem", folder / _FORMER
    try:
        until = int(json.loads(former.read_text())["until"]) if former.exists() else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AuthorityError(f"{former} is damaged ({error}); restore it") from None
    return Generation(
        int(folder.name),
        folder,
        _read(folder / "root.pem")[0],
        _read(folder / _ISSUING)[0],
        tuple(_read(earlier)) if earlier.exists() else (),
        until,
    )


def _write_issuing(
    folder: Path, root: x509.Certificate, root_key: SigningKey, passphrase: bytes, now_ms: int
) -> None:
    """Write key and certificate as one file, lest a crash leaves the one without the other."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = make_issuing(key, root, root_key, moment(now_ms))
    replace_private(folder / _ISSUING, _pem(certificate) + pkcs8(key, passphrase))


def _read(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise AuthorityError(f"the authority cannot be opened: {error}") from error
    except ValueError:
        raise AuthorityError(f"{path} is damaged; restore it") from None


def _pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
