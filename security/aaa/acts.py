"""What an entry of the record says was done, in one word: what auditors search by."""

from __future__ import annotations

from enum import StrEnum


class Act(StrEnum):
    """What was done, or tried: whether it was refused is told beside it."""

    READ = "read"
    """Something was looked at."""
    WRITE = "write"
    """Samples, objects or notes were put down."""
    COMMAND = "command"
    """A point was to be set."""
    GRANT = "grant"
    """Rights were given or taken away: grants, groups, what they cover."""
    LOGIN = "login"
    """Somebody proved, or gave up, who he is: passwords, tokens, sessions, consents."""
    ADMINISTRATION = "administration"
    """Users, endpoints, metadata, adapters, certificates, keys, jobs, mashups."""
    PRESENCE = "presence"
    """A device came or went."""
    REFUSAL = "refusal"
    """The broker let something not happen."""


ACT_OF_KIND = {
    "access": Act.READ,
    "commit": Act.WRITE,
    "command": Act.COMMAND,
    "presence": Act.PRESENCE,
    "refusal": Act.REFUSAL,
}
"""Of entries that do not say it themselves: an access that is no request is what a feed, a webhook
or a job has read."""
