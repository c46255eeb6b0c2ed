"""MQTT topics of cloud.io, as the broker's subjects spell them, in today's and the v0.1 form."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum


class Verb(StrEnum):
    """First level of a topic: what a message does."""

    ONLINE = "@online"
    OFFLINE = "@offline"
    NODE_ADDED = "@nodeAdded"
    NODE_REMOVED = "@nodeRemoved"
    UPDATE = "@update"
    DID_SET = "@didSet"
    TRANSACTION = "@transaction"
    DELAYED = "@delayed"
    LOGS = "@logs"
    EXEC_OUTPUT = "@execOutput"
    SET = "@set"
    EXEC = "@exec"
    LOGS_LEVEL = "@logsLevel"


TO_DEVICE = frozenset({Verb.SET, Verb.EXEC, Verb.LOGS_LEVEL})
"""Verbs that the platform itself sends; they pass by on the same stream."""

_ESCAPES = re.compile(rb"//|/\.|\.|/")
_PLAIN = {b"//": b".", b"/.": b"/", b".": b"/", b"/": b""}


def topic_of(subject: bytes) -> str:
    """Return the MQTT topic that the broker stored under a subject.

    A dot inside a level reads ``//`` in a subject and an empty level ``/``, so that a subject can
    not be split at its dots. Source: nats-server 2.15, conversion of MQTT topics.

    Raises:
        UnicodeDecodeError: the subject is no UTF-8.
    """
    return _ESCAPES.sub(lambda escape: _PLAIN[escape.group()], subject).decode()


def subject_of(topic: str) -> bytes:
    """Return the broker's subject of a topic or address without empty levels."""
    return topic.replace(".", "\0").replace("/", ".").replace("\0", "//").encode()


def long_form(address: str) -> str:
    """Return an address the way devices of cloud.io v0.1 write it, with its literal words.

    ``<uuid>/N/O/P/A`` becomes ``<uuid>/nodes/N/objects/O/objects/P/attributes/A``.
    """
    endpoint, node, *objects, attribute = address.split("/")
    path = [f"objects/{name}" for name in objects]
    return "/".join([endpoint, "nodes", node, *path, "attributes", attribute])


def short_form(levels: Sequence[str]) -> Sequence[str]:
    """Return the levels below the endpoint without the literal words of v0.1.

    Only a path that has every word in its place is of the long form; any other, also one that
    merely begins with ``nodes``, is returned as it is.
    """
    words, names = levels[::2], levels[1::2]
    if len(levels) % 2 or not levels or words[0] != "nodes":
        return levels
    if len(levels) > 2 and (words[-1] != "attributes" or set(words[1:-1]) != {"objects"}):
        return levels
    return names
