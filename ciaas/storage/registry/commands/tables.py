"""Tables of commands. Their rows carry no version: a command changes nothing of the registry."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, TypedColumns

from ciaas.storage.registry.schema import metadata


class CommandColumns(TypedColumns):
    """Commands; ``id`` is their order."""

    id = Column(Integer, primary_key=True)
    uuid: Column[str] = Column(unique=True)
    project: Column[int] = Column(ForeignKey("project.id"))
    point: Column[int] = Column(ForeignKey("point.id"), index=True)
    address: Column[str] = Column(index=True)
    account: Column[int] = Column(ForeignKey("account.id"))
    value: Column[str]
    """JSON."""
    stamp: Column[int] = Column(BigInteger)
    expires_at: Column[int] = Column(BigInteger)
    state: Column[str]
    """The last rung."""
    ended: Column[bool] = Column(index=True)
    sent_at: Column[int | None] = Column(BigInteger)
    key: Column[str | None]
    digest: Column[str]


class StepColumns(TypedColumns):
    """Rungs; ``place`` counts from 0."""

    command: Column[int] = Column(ForeignKey("command.id"), primary_key=True)
    place = Column(Integer, primary_key=True)
    rung: Column[str]
    at: Column[int] = Column(BigInteger)
    who: Column[str]
    why: Column[str]
    number: Column[int] = Column(BigInteger, server_default="0")
    """In the order in which all rungs of all commands were reached."""


command = Table("command", metadata, CommandColumns, sqlite_autoincrement=True)
step = Table("command_step", metadata, StepColumns)

Index(None, command.c.account, command.c.key, unique=True)
Index(None, step.c.number, unique=True)
