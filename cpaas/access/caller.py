"""Who calls and what they may do: every route asks here first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ciaas.kernel.address import EndpointId, check_endpoint
from ciaas.ports import Endpoint, Point
from cpaas.access.city import City
from cpaas.access.problems import Problem, not_found
from security.aaa.errors import NotAuthenticated
from security.aaa.levels import Level
from security.aaa.tokens import Principal, Scope

_bearer = HTTPBearer(auto_error=False, description="A token from /login or /tokens")


def city_of(request: Request) -> City:
    """Return the parts of the platform."""
    city: City = request.app.state.city
    return city


CityPart = Annotated[City, Depends(city_of)]


@dataclass(frozen=True, slots=True)
class Caller:
    """One authenticated caller of one request."""

    city: City
    principal: Principal

    @property
    def user(self) -> int:
        """Number of the user."""
        return self.principal.user.id

    @property
    def admin(self) -> bool:
        """True for an administrator whose token carries the scope."""
        return self.principal.may(Scope.ADMIN)

    def level(self, project: int, levels: Sequence[str] = ()) -> Level:
        """Return what the caller may do at a prefix of a project."""
        return self.city.rights.level(self.user, (str(project), *levels))

    def endpoint(self, uuid: str, need: Level = Level.ACCESS) -> Endpoint:
        """Return the endpoint when the caller holds the level on it.

        Raises:
            Problem: 404 when it does not exist or is not the caller's to know, 403 below ``need``.
        """
        endpoint = self.owner_of(check_endpoint(uuid))
        self.need(endpoint, (endpoint.uuid,), need)
        return endpoint

    def need(self, endpoint: Endpoint, levels: Sequence[str], need: Level) -> None:
        """Make sure of a level at a prefix.

        Raises:
            Problem: as `endpoint`.
        """
        path = (str(endpoint.project), *levels)
        held = self.city.rights.level(self.user, path)
        if held >= need:
            return
        if held >= Level.ACCESS or self.city.rights.under(self.user, path, Level.ACCESS):
            if need is Level.ACCESS:
                return
            raise Problem(
                HTTPStatus.FORBIDDEN,
                f"this needs the level {need.name} on {'/'.join(levels)}; "
                f"you hold {held.name}: ask who holds GRANT on it",
            )
        raise not_found()

    def owner_of(self, uuid: EndpointId) -> Endpoint:
        """Return the endpoint of an address without asking for a level on the endpoint itself."""
        endpoint = self.city.catalogue.endpoint(uuid)
        if endpoint is None:
            raise not_found()
        return endpoint

    def readable(self, points: Iterable[Point], need: Level = Level.READ) -> list[Point]:
        """Return those of the points on which the caller holds the level."""
        points = list(points)
        projects: dict[str, str] = {}
        paths = []
        for point in points:
            levels = point.address.split("/")
            project = projects.get(levels[0])
            if project is None:
                project = str(self.owner_of(EndpointId(levels[0])).project)
                projects[levels[0]] = project
            paths.append((project, *levels))
        seen = self.city.rights.visible(self.user, paths, need)
        return [point for point, may in zip(points, seen, strict=True) if may]


def authenticate(
    request: Request,
    city: CityPart,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    """Return the caller of a request.

    Raises:
        Problem: 401 without a valid token.
    """
    if credentials is None:
        raise _unauthenticated("send a token: Authorization: Bearer …")
    try:
        principal = city.accounts.authenticate(credentials.credentials)
    except NotAuthenticated as error:
        raise _unauthenticated(str(error)) from error
    request.state.who = principal.user.name
    return Caller(city, principal)


def caller_with(scope: Scope) -> Callable[[Caller], Caller]:
    """Return the dependency that asks for a token with this scope."""

    def checked(caller: Annotated[Caller, Depends(authenticate)]) -> Caller:
        if scope not in caller.principal.scopes:
            raise Problem(
                HTTPStatus.FORBIDDEN, f"the token lacks the scope {scope.value!r}; issue another"
            )
        if scope is Scope.ADMIN and not caller.admin:
            raise not_found()
        return caller

    return checked


def _unauthenticated(detail: str) -> Problem:
    return Problem(HTTPStatus.UNAUTHORIZED, detail, {"WWW-Authenticate": 'Bearer realm="borough"'})


Reader = Annotated[Caller, Depends(caller_with(Scope.READ))]
AppWriter = Annotated[Caller, Depends(caller_with(Scope.WRITE))]
Configurer = Annotated[Caller, Depends(caller_with(Scope.CONFIGURE))]
Granter = Annotated[Caller, Depends(caller_with(Scope.GRANT))]
Admin = Annotated[Caller, Depends(caller_with(Scope.ADMIN))]
Anyone = Annotated[Caller, Depends(authenticate)]
