"""A whole platform as a child process whose API speaks HTTPS."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx

from tests.promises.platform import PATIENCE_S, Platform


class SecurePlatform(Platform):
    """A platform whose API speaks HTTPS with a certificate of its own authority."""

    @property
    def ca(self) -> Path:
        """The authority's certificate, as a city hands it to app makers."""
        return self.home / "authority/ca.pem"

    @property
    def url(self) -> str:
        return f"https://{self.http}"

    def healthy(self) -> bool:
        try:
            context = ssl.create_default_context(cafile=self.ca)
            answer = httpx.get(f"{self.url}/api/v1/health", timeout=5.0, verify=context)
        except (httpx.TransportError, OSError):
            return False
        return answer.is_success

    def client(self) -> httpx.Client:
        client = httpx.Client(
            base_url=f"{self.url}/api/v1",
            headers={"Authorization": f"Bearer {self.keys().cli}"},
            timeout=PATIENCE_S,
            limits=httpx.Limits(max_keepalive_connections=0),
            verify=ssl.create_default_context(cafile=self.ca),
        )
        self._clients.append(client)
        return client
