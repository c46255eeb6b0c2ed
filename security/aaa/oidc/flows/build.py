"""Puts the flows together."""

from __future__ import annotations

from security.aaa.oidc.flows.code import Challenge, CodeGrant
from security.aaa.oidc.flows.credentials import CredentialsGrant
from security.aaa.oidc.flows.device import DeviceEndpoint, DeviceGrant
from security.aaa.oidc.flows.endpoints import Introspection, Revocation
from security.aaa.oidc.flows.exchange import ExchangeGrant
from security.aaa.oidc.flows.refresh import RefreshGrant
from security.aaa.oidc.flows.server import Parts, Server


def build(parts: Parts) -> Server:
    """Return the authorization server with every flow that there is."""
    server = Server(parts)
    server.register_grant(CodeGrant, [Challenge(required=True)])
    for grant in (RefreshGrant, CredentialsGrant, DeviceGrant, ExchangeGrant):
        server.register_grant(grant)
    for endpoint in (DeviceEndpoint, Introspection, Revocation):
        server.register_endpoint(endpoint)
    return server
