"""The OpenID provider: each request of a browser or an application is one method here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from security.aaa.errors import NotAuthenticated
from security.aaa.oidc.applications import Applications
from security.aaa.oidc.errors import BadToken
from security.aaa.oidc.messages import Asked, Consent, Login, Mistake, Reply
from security.aaa.oidc.ports import AuthorisationStore, DeviceRequest, RequestStore
from security.aaa.oidc.redirects import is_registered
from security.aaa.oidc.scopes import OPENID, SENTENCES
from security.aaa.oidc.sessions import Session, Sessions
from security.aaa.oidc.tokens.access import AccessTokens
from security.aaa.oidc.tokens.identity import IdTokens
from security.aaa.oidc.tokens.signing import SigningKeys
from security.aaa.oidc.user_codes import normal
from security.aaa.throttle import Throttle
from security.aaa.tokens import digest
from security.ports import AccountStore

if TYPE_CHECKING:
    from security.aaa.oidc.flows.server import Server, Services

_NOT_SUPPORTED = ("request", "request_uri", "registration")


@dataclass(frozen=True, slots=True)
class Goodbye:
    """What a request to sign out leads to."""

    session: Session | None
    """Who is signed in, None for nobody."""
    certain: bool
    """True when the application proved that it means this very person."""
    location: str | None
    """Where the browser goes afterwards; None for nowhere."""


class Provider:
    """Answers applications and browsers; from any thread.

    Args:
        applications: Who may ask.
        authorisations: What they were given.
        requests: Codes and devices that wait.
        accounts: Whose rights they are.
        sessions: Who is in front of a browser.
        access: Access tokens.
        identity: ID tokens.
        keys: Sign both.
        services: APIs of applications.
        clock_ms: Milliseconds since 1970 UTC.
    """

    def __init__(
        self,
        applications: Applications,
        authorisations: AuthorisationStore,
        requests: RequestStore,
        accounts: AccountStore,
        sessions: Sessions,
        access: AccessTokens,
        identity: IdTokens,
        keys: SigningKeys,
        services: Services,
        clock_ms: Callable[[], int],
    ) -> None:
        self.applications, self.authorisations, self.sessions = (
            applications,
            authorisations,
            sessions,
        )
        self.keys, self.access = keys, access
        self._requests, self._accounts, self._identity = requests, accounts, identity
        self._services, self._clock_ms = services, clock_ms
        self._guesses = Throttle(clock_ms)

    @property
    def issuer(self) -> str:
        """Its address, by which tokens and answers name it."""
        return self.access.issuer

    @cached_property
    def _server(self) -> Server:
        # Late: Authlib takes half a second to import, and most cities start without an application.
        from security.aaa.oidc.flows.build import build
        from security.aaa.oidc.flows.server import Parts

        return build(
            Parts(
                self.applications,
                self.authorisations,
                self._requests,
                self._accounts,
                self.access,
                self._identity,
                self._services,
                self._clock_ms,
            )
        )

    # -- what applications ask

    def token(self, asked: Asked) -> Reply:
        """Answer a request for a token."""
        request = self._server.create_oauth2_request(asked)
        return _by(request, self._server.create_token_response(request))

    def introspection(self, asked: Asked) -> Reply:
        """Tell an application about a token."""
        return self._at("introspection", asked)

    def revocation(self, asked: Asked) -> Reply:
        """End a token."""
        return self._at("revocation", asked)

    def device_authorization(self, asked: Asked) -> Reply:
        """Begin a request of a device."""
        return self._at("device_authorization", asked)

    def about(self, text: str) -> Mapping[str, Any]:
        """Return what the bearer of an access token is told of its person.

        Raises:
            NotAuthenticated: the token is not good, or not for this.
        """
        try:
            access = self.access.read(text, self.access.audience)
        except BadToken as error:
            raise NotAuthenticated(f"{error}; get a new one") from None
        user = self._accounts.user_by_id(access.authorisation.account)
        if user is None or OPENID not in access.scopes:
            raise NotAuthenticated("this needs a token with the scope openid")
        return self._identity.about(access.application, user, access.scopes)

    # -- what browsers ask

    def authorise(self, asked: Asked) -> Reply | Login | Consent | Mistake:
        """Look at a request to authorise an application: what has to happen next?"""
        return self._authorise(asked, agreed=None)

    def decide(self, asked: Asked, *, allowed: bool) -> Reply | Login | Consent | Mistake:
        """Answer a request as the person in front of the browser has decided."""
        return self._authorise(asked, agreed=allowed)

    def _authorise(self, asked: Asked, agreed: bool | None) -> Reply | Login | Consent | Mistake:
        from authlib.oauth2 import OAuth2Error

        server, session = self._server, asked.session
        request = server.create_oauth2_request(replace(asked, method="GET"))
        try:
            grant = server.get_consent_grant(request, None if session is None else session.user)
        except OAuth2Error as error:
            if not error.redirect_uri:
                return Mistake(str(error.description or error.error))
            return self._named(server.handle_error_response(request, error))
        except ValueError:  # Authlib's own errors take no quotes or backslashes, wherever they came
            return Mistake("a parameter holds characters that it may not")
        step = self._next(asked, grant, agreed)
        if isinstance(step, str):
            return self._named(self._failure(asked, grant.redirect_uri, step))
        if step is not None:
            return step
        if agreed and session is not None:
            self._remember(session, grant)
        user = None if session is None or agreed is False else session.user
        done = server.create_authorization_response(request, grant_user=user, grant=grant)
        return self._named(done)

    def _next(self, asked: Asked, grant: Any, agreed: bool | None) -> Login | Consent | str | None:
        """Return what stands between a request and its code: a page, or the name of an error."""
        told, session = asked.parameters, asked.session
        application = grant.request.client.application
        prompts = told.get("prompt", "").split()
        if any(name in told for name in _NOT_SUPPORTED):
            return "request_not_supported"
        if told.get("response_mode", "query") != "query":
            return "invalid_request"
        if "none" in prompts and len(prompts) > 1:
            return "invalid_request"
        max_age = told.get("max_age")
        if max_age is not None and not (max_age.isdecimal() and len(max_age) < 10):
            return "invalid_request"
        too_old = (
            session is not None
            and max_age is not None
            and self._clock_ms() - session.authenticated_at > int(max_age) * 1_000
        )
        if session is None or too_old or (agreed is None and "login" in prompts):
            if "none" in prompts:
                return "login_required"
            return Login(application, grant.redirect_uri, again=session is not None)
        if agreed is not None:
            return None
        wanted = frozenset(grant.request.scope.split())
        # Without a secret anybody may say to be it: its person is asked each time (RFC 8252, 8.6).
        known = application.confidential and wanted <= self.authorisations.consent(
            session.user.id, application.id
        )
        if known and "consent" not in prompts:
            return None
        if "none" in prompts:
            return "consent_required"
        listed = [scope for scope in SENTENCES if scope in wanted]
        return Consent(application, grant.redirect_uri, listed, session)

    def _remember(self, session: Session, grant: Any) -> None:
        application = grant.request.client.application
        known = self.authorisations.consent(session.user.id, application.id)
        agreed = frozenset(grant.request.scope.split())
        if not agreed <= known:
            self.authorisations.put_consent(session.user.id, application.id, known | agreed)

    # -- devices

    def waiting_device(self, typed: str, who: tuple[int, str]) -> DeviceRequest | None:
        """Return the request of a code that somebody typed, None when there is none.

        Args:
            typed: As it was typed.
            who: User and address; too many wrong codes have to wait.

        Raises:
            Throttled: too many of them were wrong.
        """
        self._guesses.attempt(who)
        found = self._requests.device_of_code(digest(normal(typed)))
        if found is None or found.account is not None or self._clock_ms() >= found.expires_at:
            return None
        self._guesses.succeed(who)
        return found

    def decide_device(self, request: DeviceRequest, session: Session, *, allowed: bool) -> bool:
        """Keep what a person decided; False when somebody had decided already."""
        return self._requests.decide(
            replace(
                request,
                account=session.user.id,
                allowed=allowed,
                authenticated_at=session.authenticated_at,
                amr=session.amr,
            )
        )

    # -- signing out

    def goodbye(self, asked: Asked) -> Goodbye | Mistake:
        """Look at a request to sign out. Source: OpenID Connect RP-Initiated Logout 1.0."""
        told, session = asked.parameters, asked.session
        hint, target = told.get("id_token_hint"), told.get("post_logout_redirect_uri")
        subject = client_id = None
        if hint is not None:
            try:
                subject, client_id = self._identity.hint(hint)
            except BadToken as error:
                return Mistake(f"id_token_hint: {error}")
        if told.get("client_id", client_id) != client_id and client_id is not None:
            return Mistake("id_token_hint was issued to another application")
        application = self.applications.find(client_id or told.get("client_id", ""))
        location = None
        if target is not None:
            if application is None or not is_registered(target, application.logout_uris):
                return Mistake("post_logout_redirect_uri is none of those that the application has")
            if hint is not None:
                location = with_parameters(
                    target, {"state": told["state"]} if "state" in told else {}
                )
        certain = session is not None and subject == f"user:{session.user.id}"
        return Goodbye(session, certain, location)

    # -- private

    def _at(self, endpoint: str, asked: Asked) -> Reply:
        request = self._server.create_oauth2_request(asked)
        return _by(request, self._server.create_endpoint_response(endpoint, request))

    def _failure(self, asked: Asked, redirect_uri: str, error: str) -> Reply:
        told = {"error": error}
        if "state" in asked.parameters:
            told["state"] = asked.parameters["state"]
        return Reply(302, None, {"Location": with_parameters(redirect_uri, told)})

    def _named(self, reply: Reply) -> Reply:
        """Return an answer that says whose it is. Source: RFC 9207."""
        if reply.location is None:
            return reply
        return replace(
            reply, headers={"Location": with_parameters(reply.location, {"iss": self.issuer})}
        )


def _by(request: Any, answer: Any) -> Reply:
    """Return an answer that says which application proved itself for it."""
    assert isinstance(answer, Reply)
    client = request.client
    return answer if client is None else replace(answer, application=client.application.uuid)


def with_parameters(uri: str, told: Mapping[str, str]) -> str:
    """Return an address with further parameters in its query."""
    if not told:
        return uri
    parts = urlsplit(uri)
    query = "&".join(filter(None, (parts.query, urlencode(told))))
    return parts._replace(query=query).geturl()


def sentences(scopes: Sequence[str]) -> list[str]:
    """Return what scopes let an application do, in a person's words."""
    return [SENTENCES[scope] for scope in scopes]
