"""An application as Authlib's flows ask about it."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import ClientMixin

from security.aaa.oidc.applications import CODE, Applications
from security.aaa.oidc.ports import Application
from security.aaa.oidc.redirects import is_registered
from security.aaa.oidc.scopes import of_platform, text_of, words


class Client(ClientMixin):
    """Answers Authlib's questions."""

    def __init__(self, application: Application, applications: Applications) -> None:
        self.application, self._applications = application, applications

    def get_client_id(self) -> str:
        """Return its ``client_id``."""
        return self.application.uuid

    def get_default_redirect_uri(self) -> str | None:
        """Return nothing: a request names its address, so that no two are mixed up."""
        return None

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """Return the scopes asked for, None when one of them is not the application's.

        Without any it is asked for those of the platform.
        """
        asked = words(scope) or frozenset(of_platform(self.application.scopes))
        return text_of(asked) if asked <= self.application.scopes else None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Tell whether a browser may be sent there."""
        return is_registered(redirect_uri, self.application.redirect_uris)

    def check_client_secret(self, client_secret: str) -> bool:
        """Tell whether it is one of its secrets."""
        return self._applications.proves(self.application, client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Tell whether it may prove itself so: with its secret if it has one, else not at all."""
        return (method == "none") is not self.application.confidential

    def check_response_type(self, response_type: str) -> bool:
        """Tell whether it may ask for a code."""
        return response_type == "code" and CODE in self.application.grants

    def check_grant_type(self, grant_type: str) -> bool:
        """Tell whether it may use a grant."""
        return grant_type in self.application.grants

    def __repr__(self) -> str:
        return f"<Client {self.application.uuid}>"


def application_of(request: Any) -> Application:
    """Return the application that an authenticated request comes from."""
    client: Client = request.client
    return client.application
