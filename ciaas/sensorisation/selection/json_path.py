"""Paths into JSON: ``data.stations[station_id=7].bikes``, ``[0]``, ``["a key. with dots"]``.

There is no wildcard and no recursion: a path costs what its steps cost, whoever wrote it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

from ciaas.limits import SELECTOR_CHARS_MAX, SELECTOR_STEPS_MAX

_STEP = re.compile(
    r"""\.?(?P<key>[^.\[\]="\s][^.\[\]="]*)
      | \[(?P<index>-?\d{1,9})\]
      | \["(?P<quoted>[^"]+)"\]
      | \[(?P<name>[^\]="]+)=(?P<value>[^\]]*)\]""",
    re.VERBOSE,
)


class SelectorError(ValueError):
    """The selector is none; the message says at which place."""


class Absent(LookupError):
    """The document has nothing at this path; the message says where it ends."""


@dataclass(frozen=True, slots=True)
class _Match:
    name: str
    value: str


_Step: TypeAlias = str | int | _Match


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A parsed path. An empty one is the document itself."""

    text: str
    steps: tuple[_Step, ...]

    @classmethod
    def parse(cls, text: str) -> JsonPath:
        """Return the path that a text says.

        Raises:
            SelectorError: it says none.
        """
        if len(text) > SELECTOR_CHARS_MAX:
            raise SelectorError(f"a path has at most {SELECTOR_CHARS_MAX} characters")
        steps: list[_Step] = []
        place = 0
        while place < len(text):
            found = _STEP.match(text, place)
            if found is None or (place == 0 and text[0] == "."):
                raise SelectorError(
                    f"{text!r} is no path from its character {place + 1} on; "
                    'write such as data.stations[id=7].bikes, [0] or ["a.b"]'
                )
            if found["index"] is not None:
                steps.append(int(found["index"]))
            elif found["name"] is not None:
                steps.append(_Match(found["name"], found["value"].strip('"')))
            else:
                steps.append(found["quoted"] or found["key"])
            place = found.end()
        if len(steps) > SELECTOR_STEPS_MAX:
            raise SelectorError(f"a path has at most {SELECTOR_STEPS_MAX} steps")
        return cls(text, tuple(steps))

    def of(self, document: Any) -> Any:
        """Return what lies there; None is JSON's null.

        Raises:
            Absent: nothing does.
        """
        for step in self.steps:
            document = _take(document, step, self.text)
        return document


def _take(place: Any, step: _Step, text: str) -> Any:
    if isinstance(step, str):
        if isinstance(place, dict) and step in place:
            return place[step]
    elif isinstance(step, int):
        if isinstance(place, list) and -len(place) <= step < len(place):
            return place[step]
    elif isinstance(place, list):
        for entry in place:
            if isinstance(entry, dict) and step.name in entry:
                if _text(entry[step.name]) == step.value:
                    return entry
    raise Absent(f"nothing at {text!r}: {_shown(step)} is not there")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _shown(step: _Step) -> str:
    if isinstance(step, _Match):
        return f"[{step.name}={step.value}]"
    return f"[{step}]" if isinstance(step, int) else step
