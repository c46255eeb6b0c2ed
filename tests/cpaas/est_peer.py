"""An EST client of `openssl` and Python's own HTTP client; it shares no code with the platform.

libest, the reference client, is in no package index, so this peer stands in for it.
"""

from __future__ import annotations

import base64
import http.client
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

WELL_KNOWN = "/.well-known/est"


def openssl(*words: str, data: bytes = b"") -> bytes:
    """Run one command of openssl; return what it prints."""
    done = subprocess.run(["openssl", *words], input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def request(folder: Path, uuid: str, name: str | None = None) -> tuple[Path, bytes]:
    """Make a key of a device; return its file, and a signing request in DER for it."""
    key = folder / f"{len(list(folder.iterdir()))}.key"
    der = openssl(
        *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-keyout", str(key), "-outform", "DER", "-subj", f"/CN={name or uuid}/O=client"),
        *("-addext", f"subjectAltName=URI:urn:uuid:{name or uuid}"),
    )
    return key, der


@dataclass
class Answer:
    """What the server said."""

    status: int
    headers: dict[str, str]
    body: bytes

    def der(self) -> bytes:
        return base64.b64decode(self.body, validate=True)

    def certificates(self) -> list[str]:
        """Return the certificates of a PKCS #7 answer as PEM, as openssl reads them."""
        assert self.status == 200, self.body
        assert self.headers["content-type"].startswith("application/pkcs7-mime")
        assert "content-transfer-encoding" not in self.headers
        text = openssl("pkcs7", "-inform", "DER", "-print_certs", data=self.der()).decode()
        end = "-----END CERTIFICATE-----\n"
        return [
            "-----BEGIN" + part.partition("-----BEGIN")[2] + end for part in text.split(end)[:-1]
        ]


class EstPeer:
    """One EST server as a device sees it."""

    def __init__(self, address: str, anchors: Path) -> None:
        self._address, self._anchors = address, anchors

    def ask(
        self,
        verb: str,
        path: str,
        der: bytes | None = None,
        *,
        basic: tuple[str, str] | None = None,
        identity: tuple[Path, Path] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        """Ask once, over a connection of its own; ``identity`` is certificate and key."""
        context = ssl.create_default_context(cafile=str(self._anchors))
        if identity is not None:
            context.load_cert_chain(*identity)
        headers = {"Content-Type": "application/pkcs10"}
        if basic is not None:
            headers["Authorization"] = (
                "Basic " + base64.b64encode(":".join(basic).encode()).decode()
            )
        # In lines, as old encoders write it: white space is to be ignored.
        body = raw if der is None else base64.encodebytes(der)
        connection = http.client.HTTPSConnection(self._address, timeout=30, context=context)
        try:
            connection.request(verb, path, body, headers)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()

    def enrol(self, name: str, secret: str, der: bytes) -> Answer:
        return self.ask("POST", f"{WELL_KNOWN}/simpleenroll", der, basic=(name, secret))

    def renew(self, identity: tuple[Path, Path] | None, der: bytes) -> Answer:
        return self.ask("POST", f"{WELL_KNOWN}/simplereenroll", der, identity=identity)
