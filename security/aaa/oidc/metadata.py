"""What the provider says of itself: OpenID Connect Discovery 1.0, RFC 8414."""

from __future__ import annotations

from typing import Any

from security.aaa.oidc.applications import ALGORITHMS, GRANTS
from security.aaa.oidc.scopes import SENTENCES

_SECRETS = ["client_secret_basic", "client_secret_post"]


def metadata(issuer: str) -> dict[str, Any]:
    """Return the document under ``/.well-known/openid-configuration``."""
    at = f"{issuer}/oauth2"
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{at}/authorize",
        "token_endpoint": f"{at}/token",
        "userinfo_endpoint": f"{at}/userinfo",
        "jwks_uri": f"{at}/jwks",
        "introspection_endpoint": f"{at}/introspect",
        "revocation_endpoint": f"{at}/revoke",
        "device_authorization_endpoint": f"{at}/device_authorization",
        "end_session_endpoint": f"{at}/logout",
        "scopes_supported": list(SENTENCES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(GRANTS),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(ALGORITHMS),
        "token_endpoint_auth_methods_supported": [*_SECRETS, "none"],
        "introspection_endpoint_auth_methods_supported": _SECRETS,
        "revocation_endpoint_auth_methods_supported": [*_SECRETS, "none"],
        "code_challenge_methods_supported": ["S256"],
        "acr_values_supported": ["urn:borough:password", "urn:borough:two-factor"],
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash",
            "name", "preferred_username", "groups",
        ],
        "prompt_values_supported": ["none", "login", "consent"],
        "authorization_response_iss_parameter_supported": True,
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }  # fmt: skip
