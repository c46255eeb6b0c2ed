"""A filter as a JSON document: what is kept with subscriptions and mashups and sent to search."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from ciaas.kernel.address import parse_prefix
from ciaas.kernel.model import Constraint
from ciaas.limits import (
    FILTER_DEPTH_MAX,
    FILTER_SILENT_S_MAX,
    FILTER_TERMS_MAX,
    FILTER_TEXT_CHARS_MAX,
)
from ciaas.management.directory.filter.area import Box, Near
from ciaas.management.directory.filter.comparison import Comparison, comparisons

_SPAN = re.compile(r"(\d{1,12}(?:\.\d{1,3})?)(s|m|h|d|w)?")
_SECONDS = {None: 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


class FilterError(ValueError):
    """The filter is refused; the message names the key and what to write instead."""


class State(StrEnum):
    """How the device of an endpoint is; online when it is connected, or its adapter reads it."""

    ONLINE = "online"
    OFFLINE = "offline"
    CERTIFICATE_EXPIRES = "certificate_expires"
    """Its last certificate was to be renewed by now, or has ended."""


def _listed(written: Any) -> Any:
    return written if isinstance(written, list | tuple) else (written,)


def _prefixes(written: Any) -> Any:
    return tuple("/".join(parse_prefix(_text(one))) for one in _listed(written))


def _text(written: object) -> str:
    if not isinstance(written, str):
        raise ValueError(f"{written!r:.40} is no text")
    return written


def _seconds(written: Any) -> Any:
    if written is None:
        return None
    match = _SPAN.fullmatch(written) if isinstance(written, str) else None
    if match is not None:
        written = float(match[1]) * _SECONDS[match[2]]
    if isinstance(written, bool) or not isinstance(written, int | float):
        raise ValueError(f"{written!r:.40} is no length of time; write 600 (seconds), 10m, 2h, 1d")
    if not 0 < written <= FILTER_SILENT_S_MAX:
        raise ValueError(f"write more than 0 and at most {FILTER_SILENT_S_MAX} seconds")
    return written


def _areas(kind: type[Near] | type[Box]) -> Any:
    def read(written: Any) -> Any:
        if isinstance(written, kind):
            return (written,)
        return tuple(one if isinstance(one, kind) else kind.parse(one) for one in _listed(written))

    return read


def _as_documents(areas: tuple[Near | Box, ...]) -> list[Mapping[str, float]]:
    return [area.document() for area in areas]


def _schema_of(*names: str) -> WithJsonSchema:
    one = {
        "type": "object",
        "required": list(names),
        "properties": {name: {"type": "number"} for name in names},
        "additionalProperties": False,
    }
    return WithJsonSchema({"type": "array", "items": one})


_Word = Annotated[str, Field(min_length=1, max_length=FILTER_TEXT_CHARS_MAX)]
Words = Annotated[tuple[_Word, ...], BeforeValidator(_listed)]
_Constraints = Annotated[tuple[Constraint, ...], BeforeValidator(_listed)]
_Verdicts = Annotated[tuple[Literal["good", "uncertain", "bad"], ...], BeforeValidator(_listed)]
_States = Annotated[tuple[State, ...], BeforeValidator(_listed)]
_Prefixes = Annotated[tuple[str, ...], BeforeValidator(_prefixes)]
_Nears = Annotated[
    tuple[Near, ...],
    BeforeValidator(_areas(Near)),
    PlainSerializer(_as_documents),
    _schema_of("lat", "lon", "radius_m"),
]
_Boxes = Annotated[
    tuple[Box, ...],
    BeforeValidator(_areas(Box)),
    PlainSerializer(_as_documents),
    _schema_of("south", "west", "north", "east"),
]
_Comparisons = Annotated[
    tuple[Comparison, ...],
    BeforeValidator(comparisons),
    PlainSerializer(lambda conditions: [str(one) for one in conditions]),
    WithJsonSchema({"type": "array", "items": {"type": ["string", "number", "boolean"]}}),
]
_Silence = Annotated[float | None, BeforeValidator(_seconds)]
PermissionName = Literal[
    "ACCESS", "BROWSE", "DESCRIBE", "READ", "OBSERVE", "WRITE", "OPERATE", "CONFIGURE", "GRANT",
    "OWN",
]  # fmt: skip


class Filter(BaseModel):
    """Which points or endpoints are meant: every key given has to hold, of a list one entry.

    A key takes one entry or a list. The empty filter holds for all. ``text``: each word of an entry
    is part of a name, an address, a tag or another text of the point or its endpoint. ``address``:
    a prefix, also with ``/#``. ``value`` and ``verdict`` are about a sample, in search the newest;
    ``state`` and ``silent`` (seconds since the last arrival) about this moment.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    text: Words = ()
    classes: Words = Field(default=(), alias="class", description="the class an object conforms to")
    implements: Words = Field(default=(), description="an interface of the node")
    tag: Words = ()
    project: Words = Field(default=(), description="name of a project")
    address: _Prefixes = ()
    constraint: _Constraints = ()
    unit: Words = ()
    quantity: Words = ()
    near: _Nears = ()
    box: _Boxes = ()
    value: _Comparisons = ()
    verdict: _Verdicts = ()
    state: _States = ()
    silent: _Silence = None
    permission: PermissionName | None = Field(
        default=None, description="a level the caller holds at least"
    )
    every: tuple[Filter, ...] = Field(
        default=(), alias="all", description="each of these holds too"
    )
    either: tuple[Filter, ...] = Field(default=(), alias="any", description="one of these holds")
    no: Filter | None = Field(default=None, alias="not", description="this does not hold")

    @model_validator(mode="after")
    def _bounded(self) -> Filter:
        if (depth := self._depth()) > FILTER_DEPTH_MAX:
            raise ValueError(f"nested {depth} deep; at most {FILTER_DEPTH_MAX} levels are taken")
        if (terms := self._terms()) > FILTER_TERMS_MAX:
            raise ValueError(f"{terms} entries; at most {FILTER_TERMS_MAX} are taken: ask in parts")
        if any(inner.permission for inner in self.inner()):
            raise ValueError("permission stands at the top of a filter only")
        return self

    @staticmethod
    def parse(document: object) -> Filter:
        """Read the JSON form.

        Raises:
            FilterError: a key is unknown or its value is at fault; names the first such key.
        """
        try:
            return Filter.model_validate(document)
        except ValidationError as error:
            raise FilterError(_first_fault(error)) from None
        except RecursionError:
            raise FilterError(f"nested deeper than {FILTER_DEPTH_MAX} levels") from None

    def document(self) -> dict[str, Any]:
        """Return the JSON form, without what was not given; `parse` reads it back."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    def inner(self) -> Iterator[Filter]:
        """Yield the filters directly inside this one."""
        yield from self.every
        yield from self.either
        if self.no is not None:
            yield self.no

    def asks(self, *keys: str) -> bool:
        """Tell whether one of these fields is used here or further inside."""
        return any(getattr(self, key) for key in keys) or any(
            inner.asks(*keys) for inner in self.inner()
        )

    def asks_state(self, state: State) -> bool:
        """Tell whether this state is asked for here or further inside."""
        return state in self.state or any(inner.asks_state(state) for inner in self.inner())

    def check_followable(self) -> None:
        """Make sure that samples can be followed by this filter.

        Raises:
            FilterError: it asks for a state of this moment, which no sample carries.
        """
        if self.asks("state", "silent"):
            raise FilterError(
                "state and silent tell of this moment, not of a sample: leave them out here and "
                "ask the search for them"
            )

    def _depth(self) -> int:
        return 1 + max((inner._depth() for inner in self.inner()), default=0)

    def _terms(self) -> int:
        own = sum(
            len(given) if isinstance(given, tuple) else 1
            for name, given in self
            if given is not None and name not in ("every", "either", "no")
        )
        return own + sum(inner._terms() for inner in self.inner())


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    said = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        names = ", ".join(field.alias or name for name, field in Filter.model_fields.items())
        said = f"a filter knows no such key; it knows {names}"
    return f"{where}: {said}" if where else said
