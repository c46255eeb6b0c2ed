"""Who calls and what they may do: every route asks here first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any

import numpy as np
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from numpy.typing import ArrayLike

from ciaas.kernel.address import EndpointId, PointAddress, check_endpoint, parse_point
from ciaas.management.monitoring.platform_points import PROJECT as PLATFORM_PROJECT
from ciaas.ports import Endpoint, Missing, Point, Project
from cpaas.access.city import City
from cpaas.access.problems import Problem, not_found
from security.aaa.accesses import told_points
from security.aaa.levels import Level
from security.aaa.rights import Path
from security.aaa.subjects import Party, check_purpose
from security.aaa.tokens import Principal, Scope
from security.limits import DECIDERS_TOLD_MAX

PURPOSE_HEADER = "Borough-Purpose"

_bearer = HTTPBearer(auto_error=False, description="A token from /login or /tokens")
"""For the API's description alone: who calls is known before a route is chosen."""


# The dependencies are coroutines because FastAPI sends each plain function through a thread of its
# own, which took longer than all they do.


async def city_of(request: Request) -> City:
    """Return the parts of the platform."""
    city: City = request.app.state.city
    return city


async def about_of(request: Request) -> dict[str, Any]:
    """Return what the record will say about this request beside its path."""
    about: dict[str, Any] = request.scope["state"].setdefault("about", {})
    return about


async def concerned_of(request: Request) -> set[int]:
    """Return the numbers of the projects whose part of the record tells of this request."""
    concerned: set[int] = request.scope["state"].setdefault("projects", set())
    return concerned


CityPart = Annotated[City, Depends(city_of)]
About = Annotated[dict[str, Any], Depends(about_of)]
Concerned = Annotated[set[int], Depends(concerned_of)]


@dataclass(frozen=True, slots=True)
class Caller:
    """One authenticated caller of one request."""

    city: City
    principal: Principal
    about: dict[str, Any]
    """Goes into the record of this request: what was asked for by its body."""
    purpose: str | None = None
    """What the request is for, as its header or its token says."""
    deciders: dict[str, None] = field(default_factory=dict)
    """The grants that let this request have what it asked for, as the record names them; at most
    DECIDERS_TOLD_MAX."""
    concerned: set[int] = field(default_factory=set)
    """Numbers of the projects that the request is about: whose part of the record tells of it."""

    def tell(self, **about: object) -> None:
        """Have the record say this about the request too; never a secret."""
        self.about.update(about)

    def tell_points(self, points: ArrayLike) -> None:
        """Have the record say which points the request read or wrote, and by which grants."""
        self.about.update(told_points(points))
        numbers = np.asarray(points, np.int64)
        self.note_deciders(
            [
                (str(endpoint.project), *address.split("/"))
                for number in numbers[:: len(numbers) // DECIDERS_TOLD_MAX + 1].tolist()
                if (address := self.city.catalogue.point(number).address)
                and (endpoint := self.city.catalogue.endpoint(_owner(address))) is not None
            ]
        )
        self.concerned.update(self.city.assurance.chains.projects_of(points))

    @property
    def user(self) -> int:
        """Number of the user."""
        return self.principal.user.id

    @property
    def party(self) -> Party:
        """In whose name, and what for, rights are asked."""
        return self.principal.party(self.purpose)

    @property
    def admin(self) -> bool:
        """True for an administrator whose token carries the scope."""
        return self.principal.may(Scope.ADMIN)

    def level(self, project: int, levels: Sequence[str] = ()) -> Level:
        """Return what the caller may do at a prefix of a project."""
        return self.city.rights.level(self.party, (str(project), *levels))

    def knows(self, endpoint: Endpoint) -> bool:
        """Tell whether the endpoint, or anything below it, is the caller's to know."""
        path = (str(endpoint.project), endpoint.uuid)
        return self.city.rights.under(self.party, path, Level.ACCESS)

    def endpoint(self, uuid: str, need: Level = Level.ACCESS) -> Endpoint:
        """Return the endpoint when the caller holds the level on it.

        Who may know anything below an endpoint may know the endpoint.

        Raises:
            AddressError: no UUID.
            Problem: 404 when it does not exist or is not the caller's to know, 403 below ``need``.
        """
        endpoint = self.owner_of(check_endpoint(uuid))
        if need is not Level.ACCESS:
            self.need(endpoint, (endpoint.uuid,), need)
        return endpoint

    def owner_of(self, uuid: str) -> Endpoint:
        """Return the endpoint of an address of which the caller may know something.

        Raises:
            Problem: 404.
        """
        endpoint = self.city.catalogue.endpoint(EndpointId(uuid))
        if endpoint is None:
            raise not_found()
        self.concerned.add(endpoint.project)  # also who is refused: its owner is to see that
        if not self.knows(endpoint):
            raise not_found()
        return endpoint

    def need(self, endpoint: Endpoint, levels: Sequence[str], need: Level) -> None:
        """Make sure of a level at a prefix.

        Raises:
            Problem: 404 when the caller may know nothing there or below, else 403.
        """
        path = (str(endpoint.project), *levels)
        self.concerned.add(endpoint.project)
        held = self.city.rights.level(self.party, path)
        if held.includes(need):
            self.note_deciders([path])
            return
        if held >= Level.ACCESS or self.city.rights.under(self.party, path, Level.ACCESS):
            raise Problem(
                HTTPStatus.FORBIDDEN,
                f"this needs the level {need.name} on {'/'.join(levels)}; "
                f"you hold {held.name}: ask who holds GRANT on it",
            )
        raise not_found()

    def recorded_point(self, text: str, need: Level) -> Point:
        """Return a point on which the caller holds a level, removed ones included.

        What is left of a deleted endpoint is for who owns its whole project.

        Raises:
            AddressError: it is no address.
            Problem: 404 when it is not the caller's to know, 403 below ``need``.
        """
        catalogue, address = self.city.catalogue, parse_point(text)
        uuid = EndpointId(address.partition("/")[0])
        endpoint = catalogue.endpoint(uuid)
        if endpoint is not None:
            self.need(endpoint, address.split("/"), need)
        else:
            deleted = catalogue.deleted(uuid)
            if deleted is not None:
                self.concerned.add(deleted.project)
            if deleted is None or self.level(deleted.project) < Level.OWN:
                raise not_found()
        point = catalogue.by_address(address)
        if point is not None:
            return point
        try:
            return self.city.registry.point(address)
        except Missing:
            raise not_found() from None

    def readable(self, project: int, points: Iterable[Point]) -> list[Point]:
        """Return those points of one project that the caller may read."""
        points = list(points)
        owner = str(project)
        paths = [(owner, *point.address.split("/")) for point in points]
        numbers = np.array([point.id for point in points], np.int64)
        seen = self.city.rights.visible(self.party, paths, Level.READ, numbers).tolist()
        return [point for point, may in zip(points, seen, strict=True) if may]

    def note_deciders(self, paths: Sequence[Path]) -> None:
        """Note by which grants the caller may have what lies at these paths.

        At most DECIDERS_TOLD_MAX of them are looked at.
        """
        if self.principal.user.admin:
            self.deciders["admin"] = None
        else:
            for path in paths[:DECIDERS_TOLD_MAX]:
                for grant in self.city.rights.why(self.party, path).applies:
                    if grant.decides:
                        self.deciders[grant.reference()] = None
        if self.deciders:
            self.about["under"] = [*self.deciders][:DECIDERS_TOLD_MAX]

    def projects(self, need: Level) -> list[Project]:
        """Return the projects on which the caller holds a level, oldest first."""
        found = self.city.registry.projects()
        if need is Level.ACCESS:
            under = self.city.rights.under
            return [p for p in found if under(self.party, (str(p.id),), Level.ACCESS)]
        return [p for p in found if self.level(p.id).includes(need)]

    def project(self, name: str | None, need: Level) -> Project:
        """Return the project named, or the only one on which the caller holds the level.

        The platform's own project is meant only by its name.

        Raises:
            Problem: 404 for a name that the caller may not know, 403 below the level, 422 when a
                name is needed.
        """
        if name is not None:
            known = [p for p in self.projects(Level.ACCESS) if p.name == name]
            if not known:
                raise not_found()
            self.concerned.add(known[0].id)
            if self.level(known[0].id) < need:
                raise Problem(
                    HTTPStatus.FORBIDDEN, f"this needs the level {need.name} on project {name!r}"
                )
            return known[0]
        found = [p for p in self.projects(need) if p.name != PLATFORM_PROJECT]
        if not found:
            raise Problem(HTTPStatus.FORBIDDEN, f"this needs the level {need.name} on a project")
        if len(found) > 1:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "name the project with ?project=…")
        self.concerned.add(found[0].id)
        return found[0]


def _owner(address: PointAddress) -> EndpointId:
    return EndpointId(address.partition("/")[0])


async def caller_of(
    request: Request,
    city: CityPart,
    about: About,
    concerned: Concerned,
    _scheme: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    """Return the caller whom `Authentication` let in.

    Raises:
        Problem: 400 when the purpose stated is none, or not that of the token.
    """
    principal: Principal = request.scope["state"]["principal"]
    purpose = _purpose_of(request.headers.get(PURPOSE_HEADER), principal)
    if purpose is not None:
        about["purpose"] = purpose
    return Caller(city, principal, about, purpose, concerned=concerned)


def _purpose_of(stated: str | None, principal: Principal) -> str | None:
    """Return what a request is for: its token's purpose, else the one that it states."""
    if stated is None:
        return principal.purpose
    try:
        purpose = check_purpose(stated)
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, f"{PURPOSE_HEADER}: {error}") from None
    if principal.purpose not in (None, purpose):
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            f"the token is for {principal.purpose!r} alone; leave {PURPOSE_HEADER} out",
        )
    return purpose


def caller_with(scope: Scope) -> Callable[[Caller], Awaitable[Caller]]:
    """Return the dependency that asks for a token with this scope.

    What is for administrators does not exist for other users.
    """

    async def checked(caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
        if scope is Scope.ADMIN and not caller.principal.user.admin:
            raise not_found()
        if scope not in caller.principal.scopes:
            raise Problem(
                HTTPStatus.FORBIDDEN, f"the token lacks the scope {scope.value!r}; issue another"
            )
        return caller

    return checked


Reader = Annotated[Caller, Depends(caller_with(Scope.READ))]
AppWriter = Annotated[Caller, Depends(caller_with(Scope.WRITE))]
Configurer = Annotated[Caller, Depends(caller_with(Scope.CONFIGURE))]
Granter = Annotated[Caller, Depends(caller_with(Scope.GRANT))]
Auditor = Annotated[Caller, Depends(caller_with(Scope.AUDIT))]
Admin = Annotated[Caller, Depends(caller_with(Scope.ADMIN))]
Anyone = Annotated[Caller, Depends(caller_of)]


async def person_of(caller: Anyone) -> Caller:
    """Return a caller who acts for themselves.

    An application's token lasts minutes; what is made by these routes lasts.

    Raises:
        Problem: 403 for a token of an application.
    """
    if caller.principal.application is not None:
        raise Problem(
            HTTPStatus.FORBIDDEN, "no application may do this for you: sign in and do it yourself"
        )
    return caller


Person = Annotated[Caller, Depends(person_of)]
