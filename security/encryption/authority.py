"""Authority: what the issuing tier signs, for devices, the broker and the platform itself.

The root's key is not needed for any of it; `tiers` says what lies where.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from security.encryption import tiers
from security.encryption.certificates import AuthorityError, IssuedCertificate, describe
from security.encryption.public_keys import DeviceKey, from_request, from_text
from security.encryption.signing import (
    Signer,
    life_of,
    moment,
    pkcs8,
    server_names,
    subject,
)
from security.limits import (
    DEVICE_CERTIFICATE_DAYS,
    DEVICE_CERTIFICATE_DAYS_MAX,
    RSA_BITS_MIN,
    SERVER_CERTIFICATE_DAYS,
    SERVER_CERTIFICATE_DAYS_MAX,
    SERVER_NAMES_MAX,
)

_ROLE = re.compile(r"[a-z][a-z0-9-]{0,31}")


class Authority:
    """Signs with the issuing keys of one directory; safe from any thread.

    Made by `create` and `open`. Keys lie encrypted on disk, in clear in memory alone.
    """

    def __init__(
        self,
        found: Sequence[tiers.Generation],
        devices: Signer,
        servers: Signer,
        passphrase: bytes,
        clock_ms: Callable[[], int],
    ) -> None:
        self._found = found
        self._devices, self._servers = devices, servers
        self._passphrase = passphrase
        self._clock_ms = clock_ms

    @classmethod
    def create(cls, directory: Path, passphrase: bytes, clock_ms: Callable[[], int]) -> Authority:
        """Make a root and an issuing authority; return once both are on disk.

        The root's key is encrypted under the same passphrase until somebody moves it away.

        Raises:
            AuthorityError: the directory holds one already, or cannot be written.
        """
        if tiers.generations(directory):
            raise AuthorityError(f"{directory} holds an authority already; open it instead")
        tiers.make_generation(directory, passphrase, passphrase, clock_ms())
        tiers.publish(directory, clock_ms())
        return cls.open(directory, passphrase, clock_ms)

    @classmethod
    def open(cls, directory: Path, passphrase: bytes, clock_ms: Callable[[], int]) -> Authority:
        """Read the issuing authority of a directory.

        Raises:
            AuthorityError: missing, damaged, readable by others, or another passphrase's.
        """
        found = tiers.generations(directory)
        newest = tiers.newest_of(directory)
        now_ms = clock_ms()
        # Devices that know an earlier root alone must recognise the servers until their last
        # certificate has ended; all later ones know every root.
        oldest = next((one for one in found if one.signs(now_ms)), newest)
        devices = newest.signer(passphrase)
        servers = devices if oldest == newest else oldest.signer(passphrase)
        return cls(found, devices, servers, passphrase, clock_ms)

    @property
    def anchors_pem(self) -> bytes:
        """The roots that devices and clients trust, the newest first."""
        return tiers.anchors(self._found, self._clock_ms())

    @property
    def clients_pem(self) -> bytes:
        """Every authority by which servers know certificates of clients."""
        return tiers.clients(self._found, self._clock_ms())

    @property
    def issuing_pem(self) -> bytes:
        """The certificates between a device's own and the root it was issued under."""
        return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in self._devices.chain)

    @property
    def issues_until(self) -> int:
        """When the issuing authority ends, in milliseconds since 1970 UTC."""
        return int(self._devices.certificate.not_valid_after_utc.timestamp()) * 1_000

    def signs_for(self, server: x509.Certificate) -> bool:
        """Return True when the server's certificate is of the authority that signs servers now."""
        try:
            server.verify_directly_issued_by(self._servers.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def issue_endpoint(
        self,
        endpoint: str,
        *,
        public_key: str | None = None,
        csr: str | None = None,
        days: float = DEVICE_CERTIFICATE_DAYS,
    ) -> IssuedCertificate:
        """Issue a client certificate with the subject ``CN=<endpoint>,O=client``.

        Args:
            endpoint: UUID.
            public_key: PEM; the device keeps the private key.
            csr: PEM; as above, and the device has proved that it has the key. The subject asked
                for is replaced.
            days: Life, at most DEVICE_CERTIFICATE_DAYS_MAX.

        Returns:
            With a private key (RSA, PKCS8 without passphrase) only when neither key nor request
            was given.

        Raises:
            AuthorityError: the UUID, the key, the request or the life is not acceptable.
        """
        try:
            common_name = str(uuid.UUID(endpoint))
        except ValueError:
            raise AuthorityError(f"{endpoint[:64]!r} is no UUID of an endpoint") from None
        if public_key is not None and csr is not None:
            raise AuthorityError("give a public key or a signing request, not both")
        private_key_pem = None
        key: DeviceKey
        if csr is not None:
            key = from_request(csr)
        elif public_key is not None:
            key = from_text(public_key)
        else:
            private_key = rsa.generate_private_key(65_537, RSA_BITS_MIN)
            private_key_pem = pkcs8(private_key, None)
            key = private_key.public_key()
        certificate = self._devices.sign(
            subject(common_name, "client"),
            key,
            # Verifiers of today want an alternative name; the subject itself stays cloud.iO's.
            [x509.UniformResourceIdentifier(f"urn:uuid:{common_name}")],
            ExtendedKeyUsageOID.CLIENT_AUTH,
            moment(self._clock_ms()),
            life_of(days, DEVICE_CERTIFICATE_DAYS_MAX),
        )
        return describe(certificate, private_key_pem)

    def issue_server(
        self,
        names: Sequence[str],
        addresses: Sequence[str],
        days: float = SERVER_CERTIFICATE_DAYS,
        key_pem: bytes | None = None,
    ) -> IssuedCertificate:
        """Issue a server certificate; its key (EC P-256) is encrypted, see `decrypt_key`.

        Args:
            names: Host names, as clients will ask for them.
            addresses: IP addresses, likewise.
            days: Life, at most SERVER_CERTIFICATE_DAYS_MAX.
            key_pem: Encrypted key that it goes on with; None for a new one.

        Returns:
            The certificate followed by those that a server sends with it.

        Raises:
            AuthorityError: a name or address is bad, there is none or there are too many, or the
                key does not open.
        """
        if not 0 < len(names) + len(addresses) <= SERVER_NAMES_MAX:
            raise AuthorityError(f"a server has 1 to {SERVER_NAMES_MAX} names and addresses")
        key = self._own_key(key_pem)
        certificate = self._servers.sign(
            subject("borough", "server"),
            key.public_key(),
            server_names(names, addresses),
            ExtendedKeyUsageOID.SERVER_AUTH,
            moment(self._clock_ms()),
            life_of(days, SERVER_CERTIFICATE_DAYS_MAX),
        )
        return describe(certificate, pkcs8(key, self._passphrase), self._servers.chain)

    def issue_platform(self, role: str, days: float = SERVER_CERTIFICATE_DAYS) -> IssuedCertificate:
        """Issue a client certificate ``CN=borough-<role>,O=platform``; its key is encrypted.

        Raises:
            AuthorityError: the role is no short lower-case word.
        """
        if not _ROLE.fullmatch(role):
            raise AuthorityError(f"{role[:64]!r} is no role; use a short lower-case word")
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._devices.sign(
            subject(f"borough-{role}", "platform"),
            key.public_key(),
            [x509.UniformResourceIdentifier(f"urn:borough:{role}")],
            ExtendedKeyUsageOID.CLIENT_AUTH,
            moment(self._clock_ms()),
            life_of(days, SERVER_CERTIFICATE_DAYS_MAX),
        )
        return describe(certificate, pkcs8(key, self._passphrase))

    def decrypt_key(self, pem: bytes) -> bytes:
        """Return a private key that this authority encrypted, in clear PKCS8; keep it off disks.

        Raises:
            AuthorityError: it was encrypted with another passphrase, or is damaged.
        """
        return pkcs8(self._own_key(pem), None)

    def _own_key(self, pem: bytes | None) -> ec.EllipticCurvePrivateKey:
        if pem is None:
            return ec.generate_private_key(ec.SECP256R1())
        try:
            key = serialization.load_pem_private_key(pem, self._passphrase)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise AuthorityError(
                "the private key was not encrypted with this home's passphrase; issue it again"
            )
        return key
