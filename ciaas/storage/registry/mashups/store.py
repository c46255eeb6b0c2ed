"""`ciaas.management.mashup.MashupStore` in the registry."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa

from ciaas.kernel.address import EndpointId
from ciaas.limits import (
    GRANTS_PER_USER_MAX,
    MASHUP_DOCUMENT_BYTES_MAX,
    MASHUP_NAME_CHARS_MAX,
    MASHUP_NOTE_CHARS_MAX,
    MASHUP_VERSIONS_MAX,
    MASHUPS_MAX,
    USERS_MAX,
)
from ciaas.management.mashup import Mashup, MashupState, MashupVersion, ToRun
from ciaas.ports import Clock, Conflict, Missing
from ciaas.storage.registry.database import Change, Database
from ciaas.storage.registry.document import check_text, decode, encode
from ciaas.storage.registry.mashups.tables import mashup as table
from ciaas.storage.registry.mashups.tables import mashup_version as versions
from ciaas.storage.registry.resources.projects import check_project
from ciaas.storage.registry.schema import account, grant
from security.aaa.levels import Level

_MASHUPS = (
    sa.select(
        table.c.uuid,
        table.c.project,
        table.c.name,
        table.c.state,
        table.c.draft,
        table.c.revision,
        table.c.published,
        table.c.account,
        table.c.created_at,
    )
    .where(table.c.deleted.is_(False))
    .order_by(table.c.id)
)
_VERSIONS = sa.select(
    table.c.uuid,
    versions.c.number,
    versions.c.document,
    versions.c.plan,
    versions.c.note,
    versions.c.publisher,
    versions.c.published_at,
).join_from(versions, table, versions.c.mashup == table.c.id)

_MashupRow: TypeAlias = sa.Row[str, int, str, str, str, int, int | None, int | None, int]
_VersionRow: TypeAlias = sa.Row[str, int, str, str, str, int, int]


class Mashups:
    """Mashups over one open registry; any thread may call."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def create(self, project: int, draft: Mapping[str, Any]) -> Mashup:
        """Keep a first draft; its ``name`` is the mashup's.

        Raises:
            Missing: the project is unknown.
            Conflict: the draft is too large, or a bound is reached.
        """
        uuid = str(uuids.uuid4())
        name = check_text(draft["name"], MASHUP_NAME_CHARS_MAX, "the name of the mashup")
        text = _encoded(draft, "the draft")
        now = self._clock.now_ms()
        with self._database.change() as change:
            check_project(change.connection, project)
            change.check_room(
                sa.select(sa.func.count()).select_from(table),
                MASHUPS_MAX,
                f"there were {MASHUPS_MAX:,} mashups already: change one that is there",
            )
            change.insert(
                table,
                {
                    "uuid": uuid,
                    "project": project,
                    "name": name,
                    "state": MashupState.DRAFT.value,
                    "draft": text,
                    "revision": 1,
                    "since": now,
                    "created_at": now,
                    "deleted": False,
                },
            )
            return _present(change.connection, uuid)

    def mashup(self, uuid: str) -> Mashup:
        """Raises Missing for an unknown or deleted mashup."""
        with self._database.read() as connection:
            return _present(connection, uuid)

    def mashups(self) -> Sequence[Mashup]:
        """Return all that are not deleted, oldest first."""
        with self._database.read() as connection:
            return [_to_mashup(row) for row in connection.execute(_MASHUPS)]

    def change_draft(self, uuid: str, draft: Mapping[str, Any], revision: int | None) -> Mashup:
        """Replace the draft; the same again changes nothing.

        Raises:
            Missing: unknown or deleted.
            Conflict: the draft is too large, or ``revision`` is given and another one is there.
        """
        name = check_text(draft["name"], MASHUP_NAME_CHARS_MAX, "the name of the mashup")
        text = _encoded(draft, "the draft")
        with self._database.change() as change:
            known = _present(change.connection, uuid)
            if revision is not None and revision != known.revision:
                raise Conflict(
                    f"the draft was changed meanwhile and has revision {known.revision} now: read "
                    "it, and put your change on top of it"
                )
            if draft != known.draft:
                _update(change, uuid, draft=text, name=name, revision=known.revision + 1)
            return _present(change.connection, uuid)

    def publish(
        self,
        uuid: str,
        document: Mapping[str, Any],
        plan: Mapping[str, Any],
        publisher: int,
        note: str,
        rights: Mapping[tuple[str, ...], Level],
    ) -> MashupVersion:
        """Keep a version, let it run, and give the mashup's identity exactly these rights.

        Raises:
            Missing: unknown or deleted.
            Conflict: something is too large, or a bound is reached.
        """
        check_text(note, MASHUP_NOTE_CHARS_MAX, "the note")
        texts = {
            "document": _encoded(document, "the document"),
            "plan": _encoded(plan, "the plan"),
        }
        now = self._clock.now_ms()
        with self._database.change() as change:
            known = _present(change.connection, uuid)
            number = _next_number(change, uuid)
            identity = known.identity or _add_identity(change, uuid)
            _give(change, identity, rights)
            change.connection.execute(
                versions.insert().values(
                    mashup=_number(change, uuid),
                    number=number,
                    note=note,
                    publisher=publisher,
                    published_at=now,
                    **texts,
                )
            )
            state = MashupState.RUNNING.value
            _update(change, uuid, published=number, account=identity, state=state, since=now)
            return _version(change.connection, uuid, number)

    def set_state(self, uuid: str, state: MashupState) -> Mashup:
        """Let a published mashup run or rest.

        Raises:
            Missing: unknown or deleted.
            Conflict: it was never published.
        """
        with self._database.change() as change:
            known = _present(change.connection, uuid)
            if known.version is None:
                raise Conflict(f"mashup {uuid} was never published: publish it first")
            if known.state is not state:
                _update(change, uuid, state=state.value, since=self._clock.now_ms())
            return _present(change.connection, uuid)

    def versions(self, uuid: str) -> Sequence[MashupVersion]:
        """Return the versions, newest first."""
        chosen = _VERSIONS.where(table.c.uuid == uuid).order_by(versions.c.number.desc())
        with self._database.read() as connection:
            return [_to_version(row) for row in connection.execute(chosen)]

    def version(self, uuid: str, number: int) -> MashupVersion:
        """Raises Missing."""
        with self._database.read() as connection:
            return _version(connection, uuid, number)

    def in_force(self) -> Mapping[str, ToRun]:
        """Return the mashups that are to run."""
        chosen = sa.select(table.c.uuid, table.c.published, table.c.since).where(
            table.c.deleted.is_(False), table.c.state == MashupState.RUNNING.value
        )
        with self._database.read() as connection:
            rows = connection.execute(chosen).all()
        return {uuid: ToRun(number, since) for uuid, number, since in rows if number is not None}

    def delete(self, uuid: str) -> None:
        """Take it away with its identity's rights; its versions and its endpoint stay.

        Raises:
            Missing: unknown or already deleted.
        """
        with self._database.change() as change:
            known = _present(change.connection, uuid)
            if known.identity is not None:
                _give(change, known.identity, {})
                change.connection.execute(
                    account.update()
                    .where(account.c.id == known.identity)
                    .values(disabled=True, version=change.stamp())
                )
            _update(change, uuid, deleted=True)


def identity_name(uuid: str) -> str:
    """Return the name of the user that a mashup acts as; no person's name can have its colon."""
    return f"mashup:{uuid}"


def _encoded(document: Mapping[str, Any], what: str) -> str:
    return encode(document, MASHUP_DOCUMENT_BYTES_MAX, what)


def _update(change: Change, uuid: str, **values: object) -> None:
    change.connection.execute(
        table.update().where(table.c.uuid == uuid).values(**values, version=change.stamp())
    )


def _next_number(change: Change, uuid: str) -> int:
    newest = sa.select(sa.func.max(versions.c.number)).where(
        versions.c.mashup == _number(change, uuid)
    )
    number = (change.connection.execute(newest).scalar_one() or 0) + 1
    if number > MASHUP_VERSIONS_MAX:
        raise Conflict(
            f"mashup {uuid} has {MASHUP_VERSIONS_MAX:,} versions: copy it into a new mashup"
        )
    return int(number)


def _number(change: Change, uuid: str) -> int:
    return change.connection.execute(sa.select(table.c.id).where(table.c.uuid == uuid)).scalar_one()


def _add_identity(change: Change, uuid: str) -> int:
    change.check_room(
        sa.select(sa.func.count()).select_from(account),
        USERS_MAX,
        f"there are {USERS_MAX:,} users already, and a mashup needs one of its own",
    )
    name = identity_name(uuid)
    user = {"name": name, "password_hash": None, "admin": False, "disabled": False}
    return change.insert(account, user)


def _give(change: Change, user: int, rights: Mapping[tuple[str, ...], Level]) -> None:
    """Bring a user's grants to exactly these."""
    if len(rights) > GRANTS_PER_USER_MAX:
        raise Conflict(f"a mashup holds at most {GRANTS_PER_USER_MAX:,} grants: split it")
    execute, stamp = change.connection.execute, change.stamp()
    wanted = {"/".join(path): level for path, level in rights.items()}
    rows = execute(sa.select(grant.c.path, grant.c.level, grant.c.removed).filter_by(account=user))
    known = {path: (level, removed) for path, level, removed in rows}
    mine = grant.update().where(grant.c.account == user, grant.c.path == sa.bindparam("at"))
    if gone := [path for path in known.keys() - wanted.keys() if not known[path][1]]:
        execute(mine.values(removed=True, version=stamp), [{"at": path} for path in gone])
    changed = [
        {"at": path, "held": int(level)}
        for path, level in wanted.items()
        if path in known and known[path] != (int(level), False)
    ]
    if changed:
        put = mine.values(level=sa.bindparam("held"), removed=False, version=stamp)
        execute(put, changed)
    if fresh := [
        {
            "account": user, "path": path, "level": int(level), "removed": False, "version": stamp,
        }
        for path, level in wanted.items()
        if path not in known
    ]:  # fmt: skip
        execute(grant.insert(), fresh)


def _present(connection: sa.Connection, uuid: str) -> Mashup:
    row = connection.execute(_MASHUPS.where(table.c.uuid == uuid)).one_or_none()
    if row is None:
        raise Missing(f"there is no mashup {uuid}")
    return _to_mashup(row)


def _version(connection: sa.Connection, uuid: str, number: int) -> MashupVersion:
    chosen = _VERSIONS.where(table.c.uuid == uuid, versions.c.number == number)
    row = connection.execute(chosen).one_or_none()
    if row is None:
        raise Missing(f"mashup {uuid} has no version {number}")
    return _to_version(row)


def _to_mashup(row: _MashupRow) -> Mashup:
    uuid, project, name, state, draft, revision, published, identity, created_at = row
    return Mashup(
        EndpointId(uuid), project, name, MashupState(state), decode(draft), revision, published,
        identity, created_at,
    )  # fmt: skip


def _to_version(row: _VersionRow) -> MashupVersion:
    uuid, number, document, plan, note, publisher, published_at = row
    return MashupVersion(
        EndpointId(uuid), number, decode(document), decode(plan), note, publisher, published_at
    )
