"""Device authorization: a device shows a code that its person enters elsewhere. RFC 8628."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidScopeError, UnauthorizedClientError
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint, DeviceCodeGrant

from security.aaa.oidc.applications import DEVICE, REFRESH
from security.aaa.oidc.flows.client import application_of
from security.aaa.oidc.flows.refresh import new_refresh, outlives
from security.aaa.oidc.flows.server import FlowRequest, Server
from security.aaa.oidc.ports import Authorisation, DeviceRequest
from security.aaa.oidc.scopes import OFFLINE, words
from security.aaa.oidc.user_codes import as_typed, new_user_code, normal
from security.aaa.tokens import digest
from security.limits import DEVICE_CODE_LIFE_S, DEVICE_POLL_S, DEVICE_POLL_S_MAX, SIGN_IN_LIFE_S
from security.ports import User

_METHODS = ("client_secret_basic", "client_secret_post", "none")


class DeviceEndpoint(DeviceAuthorizationEndpoint):
    """Begins a request of a device."""

    CLIENT_AUTH_METHODS = _METHODS
    EXPIRES_IN = DEVICE_CODE_LIFE_S
    INTERVAL = DEVICE_POLL_S
    server: Server

    def authenticate_client(self, request: FlowRequest) -> Any:
        """Return the application; it must have the grant and the scopes."""
        client = super().authenticate_client(request)
        if not client.check_grant_type(DEVICE):
            raise UnauthorizedClientError("the application may not use the device flow")
        scope = client.get_allowed_scope(request.payload.scope)
        if not scope:
            raise InvalidScopeError()
        request.payload.data["scope"] = scope
        return client

    def generate_device_code(self) -> str:
        """Return what the device asks with."""
        return "bor_device_" + secrets.token_urlsafe(32)

    def generate_user_code(self) -> str:
        """Return what the person types."""
        return as_typed(new_user_code())

    def get_verification_uri(self) -> str:
        """Return where the person types it."""
        return f"{self.server.parts.access.issuer}/oauth2/device"

    def save_device_credential(self, client_id: str, scope: str, data: dict[str, Any]) -> None:
        """Keep the request."""
        parts = self.server.parts
        application = parts.applications.named(client_id)
        now = parts.clock_ms()
        parts.requests.add_device(
            DeviceRequest(
                digest(data["device_code"]),
                digest(normal(data["user_code"])),
                application.id,
                words(scope),
                now + DEVICE_CODE_LIFE_S * 1_000,
                DEVICE_POLL_S,
            ),
            now,
        )


@dataclass(frozen=True, slots=True)
class StoredDevice:
    """A device's request as Authlib asks about it."""

    request: DeviceRequest
    client_id: str
    now: int

    def get_client_id(self) -> str:
        """Return whose request it is."""
        return self.client_id

    def get_scope(self) -> str:
        """Return what was asked for."""
        return " ".join(sorted(self.request.scopes))

    def get_user_code(self) -> DeviceRequest:
        """Return the request itself: it says what the person decided."""
        return self.request

    def is_expired(self) -> bool:
        """Tell whether it is too late."""
        return self.now >= self.request.expires_at


class DeviceGrant(DeviceCodeGrant):
    """The device asks until its person has decided; what they allow is handed out once."""

    TOKEN_ENDPOINT_AUTH_METHODS = _METHODS
    server: Server
    request: FlowRequest

    def query_device_credential(self, device_code: str) -> StoredDevice:
        """Return the request of a device's own code."""
        parts = self.server.parts
        found = parts.requests.device(digest(device_code))
        application = None if found is None else parts.applications.numbered(found.application)
        if found is None or application is None:
            raise InvalidGrantError("there is no request of this device_code; begin again")
        return StoredDevice(found, application.uuid, parts.clock_ms())

    def query_user_grant(self, user_code: DeviceRequest) -> tuple[User | None, bool] | None:
        """Return who decided and how, None as long as nobody has."""
        if user_code.account is None:
            return None
        user = self.server.parts.user(user_code.account)
        return user, user_code.allowed and user is not None

    def should_slow_down(self, credential: StoredDevice) -> bool:
        """Tell whether the device asked too early; it then has to wait longer."""
        request, now = credential.request, credential.now
        early = now - request.polled_at < request.interval_s * 1_000
        interval_s = min(request.interval_s + DEVICE_POLL_S * early, DEVICE_POLL_S_MAX)
        self.server.parts.requests.polled(request.digest, now, interval_s)
        return early

    def generate_token(self, **kwargs: Any) -> dict[str, Any]:
        """Redeem what was allowed and return the answer."""
        parts = self.server.parts
        asked: DeviceRequest = self.request.credential.request
        application = application_of(self.request)
        refresh = new_refresh() if REFRESH in application.grants else None
        now = parts.clock_ms()
        assert asked.account is not None
        given = Authorisation(
            application.id,
            asked.account,
            asked.scopes,
            now,
            None,
            authenticated_at=asked.authenticated_at,
            amr=asked.amr,
            handle="" if refresh is None else refresh.handle,
            refresh="" if refresh is None else refresh.digest,
        )
        # A device is not in the browser that allowed it, so it does not end with that sign-in.
        if OFFLINE not in asked.scopes:
            given = replace(given, expires_at=now + SIGN_IN_LIFE_S * 1_000)
        given = outlives(given, now)
        number = parts.requests.redeem_device(asked.digest, given)
        begun = None if number is None else parts.authorisations.in_force(number, now)
        if begun is None:
            raise InvalidGrantError("the device_code was used already; begin again")
        token = self.server.issue(application, begun, asked.scopes)
        return token if refresh is None else token | {"refresh_token": refresh.text}
