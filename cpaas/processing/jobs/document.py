"""A job as a JSON document: a query, when to ask it, and where its answer goes."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from cpaas.limits import JOB_INTERVAL_S_MIN, JOB_NAME_CHARS_MAX, JOB_OBJECTS_KEPT_MAX
from cpaas.processing.errors import BadName
from cpaas.processing.jobs.schedule import trigger
from cpaas.processing.objects.buckets import check_key
from cpaas.processing.query.document import Duration, Part, QueryDocument
from cpaas.processing.query.writing import Form

_FIELD = re.compile(r"\{([^{}]*)\}")
FIELDS = ("date", "time")
"""Of a key: the local day and time of the run, as 2026-11-22 and 143000."""


class Schedule(Part):
    """When a job runs: exactly one of the keys."""

    cron: str | None = Field(None, max_length=100)
    """Minute, hour, day of month, month, day of week; 0 and 7 are Sunday."""
    every: Duration | None = Field(None, ge=JOB_INTERVAL_S_MIN * 1000)
    """So long after its creation, again and again."""
    zone: str = "UTC"
    """Of the cron times and of the fields in the key."""

    @model_validator(mode="after")
    def _one(self) -> Schedule:
        if (self.cron is None) is (self.every is None):
            raise ValueError("give exactly one of cron and every")
        trigger(self.cron, self.every, self.zone, 0)
        return self


class Target(Part):
    """The object that an answer is stored as."""

    key: str
    """May hold ``{date}`` and ``{time}``, the local time of the run."""
    form: Form = Form.CSV
    keep: int = Field(JOB_OBJECTS_KEPT_MAX, ge=1, le=JOB_OBJECTS_KEPT_MAX)
    """Objects of this job that stay; older ones are removed."""

    @field_validator("key")
    @classmethod
    def _sound(cls, key: str) -> str:
        for name in _FIELD.findall(key):
            if name not in FIELDS:
                raise ValueError(f"there is no field {{{name[:32]}}}; there is {{date}}, {{time}}")
        if set(_FIELD.sub("", key)) & {"{", "}"}:
            raise ValueError("a brace stands alone; write {date} or {time}")
        try:
            check_key(key)
        except BadName as error:
            raise ValueError(str(error)) from None
        return key

    def key_at(self, day: str, time: str) -> str:
        """Return the key of a run."""
        return self.key.replace("{date}", day).replace("{time}", time)


class JobDocument(Part):
    """A scheduled query."""

    name: str = Field(min_length=1, max_length=JOB_NAME_CHARS_MAX)
    query: QueryDocument
    schedule: Schedule
    target: Target
    enabled: bool = True
    missed: Literal["run", "skip"] = "run"
    """What becomes of a time that passed while the platform was down: run once, or not at all."""
