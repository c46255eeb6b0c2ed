"""Who holds a grant, or is to hold one."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal, TypeAlias

from cpaas.access.caller import Caller
from cpaas.access.problems import Problem, not_found
from security.aaa.levels import Level
from security.aaa.rights import Path
from security.aaa.subjects import Party, check_subject, group_subject, own_subjects, user_subject
from security.ports import Group, User

Kind: TypeAlias = Literal["user", "group", "subject"]
_USER, _GROUP = "user:", "group:"


@dataclass(frozen=True, slots=True)
class Holder:
    """A user, a group, or another subject such as an application or a federated claim."""

    kind: Kind
    name: str
    """As the API writes it."""
    subject: str
    """As the engine and the registry know it."""
    number: int = 0
    """Of the user or the group; 0 for another subject."""
    disabled: bool = False

    @property
    def party(self) -> Party:
        """As whom the engine is asked what it holds."""
        if self.kind == "user":
            return Party(self.number, own_subjects(self.name))
        return Party(None, frozenset({self.subject}))

    def level(self, caller: Caller, path: Path) -> Level:
        """Return what it holds on a path."""
        return caller.city.rights.level(self.party, path)

    def written(self) -> dict[str, str]:
        """Return how an answer names it."""
        return {self.kind: self.name}


def holder_named(
    caller: Caller, user: str | None, group: str | None, subject: str | None = None
) -> Holder:
    """Return who is meant.

    Raises:
        Problem: 404 for a user or group that does not exist, 422 unless exactly one is named.
    """
    given = [name for name in (user, group, subject) if name is not None]
    if len(given) != 1:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "name a user, a group or a subject (such as app:<uuid>), one",
        )
    if user is not None:
        return holder_of_user(user_named(caller, user))
    if group is not None:
        return holder_of_group(group_named(caller, group))
    assert subject is not None
    return holder_of_subject(caller, subject)


def holder_of_subject(caller: Caller, subject: str) -> Holder:
    """Return the holder of a subject with its kind in front, or of the user who is named so.

    Raises:
        Problem: 404 for a user or group that does not exist, 422 for what is no subject.
    """
    for known in caller.city.accounts.users():
        if known.name == subject:  # automations, whose names have their kind in front
            return holder_of_user(known)
    if subject.startswith(_USER):
        return holder_of_user(user_named(caller, subject.removeprefix(_USER)))
    if subject.startswith(_GROUP):
        return holder_of_group(group_named(caller, subject.removeprefix(_GROUP)))
    try:
        check_subject(subject)
    except ValueError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"subject: {error}") from None
    return Holder("subject", subject, subject)


def holder_of_user(user: User) -> Holder:
    """Return a user as a holder."""
    return Holder("user", user.name, user_subject(user.id), user.id, user.disabled)


def holder_of_group(group: Group) -> Holder:
    """Return a group as a holder."""
    return Holder("group", group.name, group_subject(group.id), group.id)


def user_named(caller: Caller, name: str) -> User:
    """Return the user of a name; raises Problem (404) when there is none."""
    for user in caller.city.accounts.users():
        if user.name == name:
            return user
    raise not_found()


def group_named(caller: Caller, name: str) -> Group:
    """Return the group of a name; raises Problem (404) when there is none."""
    group = caller.city.assurance.groups.group(name)
    if group is None:
        raise not_found()
    return group
