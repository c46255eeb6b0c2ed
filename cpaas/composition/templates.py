"""Templates: mashups with a few blanks, for who fills in a form and is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator

from ciaas.management.directory.filter import Filter
from cpaas.composition.document import said
from cpaas.composition.nodes.contract import Fault, Params
from cpaas.composition.nodes.hours import Clock
from cpaas.limits import MASHUP_WINDOW_S_MAX


class _Blanks(Params):
    name: Annotated[str, Field(min_length=1, max_length=100, description="of the mashup")]
    time_zone: Annotated[str, Field(description="IANA name, such as Europe/Helsinki")] = "UTC"


class _Chosen(_Blanks):
    points: Annotated[
        dict[str, Any], Field(description='a filter of the directory, such as {"class": "Noise"}')
    ]

    @field_validator("points")
    @classmethod
    def _filter(cls, points: dict[str, Any]) -> dict[str, Any]:
        return Filter.parse(points).document()


class LimitBlanks(_Chosen):
    """A value that stays too high in certain hours."""

    limit: float
    clear: Annotated[float | None, Field(description="over when back at this")] = None
    window_s: Annotated[float, Field(ge=1, le=MASHUP_WINDOW_S_MAX)] = 600
    from_: Annotated[Clock, Field(alias="from")] = "22:00"
    to: Clock = "06:00"
    text: str = "Too loud at night"
    severity: str = "warning"


class IndexBlanks(_Chosen):
    """One figure of many points."""

    window_s: Annotated[float, Field(ge=1, le=MASHUP_WINDOW_S_MAX)] = 300
    function: str = "mean"
    full: Annotated[float, Field(gt=0, description="what counts as 100 percent")] = 100
    title: str = "Traffic index"


class LightBlanks(_Chosen):
    """Lights that follow how many people pass."""

    window_s: Annotated[float, Field(ge=1, le=MASHUP_WINDOW_S_MAX)] = 300
    many: Annotated[float, Field(description="from so many passing in the window it is bright")]
    few: Annotated[float, Field(description="down to so many it is dimmed again")]
    lights: Annotated[list[str], Field(min_length=1, description="addresses of set points")]
    bright: float = 100
    dim: float = 30


@dataclass(frozen=True, slots=True)
class Template:
    """One template: its form, and the document that a filled form gives."""

    name: str
    title: str
    about: str
    blanks: type[_Blanks]
    build: Callable[[Any], dict[str, Any]]

    def fill(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the document. Raises Fault for a form that is not right."""
        try:
            return self.build(self.blanks.model_validate(given))
        except ValidationError as error:
            raise Fault(said(error)) from None

    def describe(self) -> dict[str, Any]:
        """Return what an editor needs to offer it."""
        return {
            "template": self.name,
            "title": self.title,
            "about": self.about,
            "params": self.blanks.model_json_schema(by_alias=True),
        }


def _noise_at_night(blanks: LimitBlanks) -> dict[str, Any]:
    threshold: dict[str, Any] = {
        "limit": blanks.limit, "between": {"from": blanks.from_, "to": blanks.to},
    }  # fmt: skip
    if blanks.clear is not None:
        threshold["clear"] = blanks.clear
    return _chain(
        blanks,
        ("levels", "source", {"filter": blanks.points}),
        ("mean", "window", {"sizeS": blanks.window_s, "function": "mean"}),
        ("loud", "threshold", threshold),
        ("alarm", "alarm", {"text": blanks.text, "severity": blanks.severity}),
    )


def _index(blanks: IndexBlanks) -> dict[str, Any]:
    return _chain(
        blanks,
        ("counts", "source", {"filter": blanks.points}),
        (
            "together", "window",
            {"sizeS": blanks.window_s, "function": blanks.function, "group": "all"},
        ),
        (
            "percent", "formula",
            {"formula": f"clamp(a / {blanks.full!r} * 100, 0, 100)", "unit": "%"},
        ),
        ("index", "virtual-point", {"name": "Index", "title": blanks.title, "unit": "%"}),
    )  # fmt: skip


def _lights(blanks: LightBlanks) -> dict[str, Any]:
    return _chain(
        blanks,
        ("passing", "source", {"filter": blanks.points}),
        ("sum", "window", {"sizeS": blanks.window_s, "function": "sum", "group": "all"}),
        ("busy", "threshold", {"limit": blanks.many, "clear": blanks.few}),
        (
            "lights", "command",
            {"targets": blanks.lights, "whenTrue": blanks.bright, "whenFalse": blanks.dim},
        ),
    )  # fmt: skip


def _chain(blanks: _Blanks, *nodes: tuple[str, str, dict[str, Any]]) -> dict[str, Any]:
    """Return a document whose nodes follow one another."""
    wires = [
        {"from": f"{before[0]}.out", "to": f"{after[0]}.{'a' if after[1] == 'formula' else 'in'}"}
        for before, after in pairwise(nodes)
    ]
    return {
        "schemaVersion": 1,
        "name": blanks.name,
        "nodes": [{"id": id, "type": kind, "params": params} for id, kind, params in nodes],
        "wires": wires,
        "settings": {"timeZone": blanks.time_zone},
    }


TEMPLATES: Mapping[str, Template] = {
    template.name: template
    for template in (
        Template(
            "too-high-at-night",
            "Too loud at night",
            "Averages each point over a while and raises an alarm when it stays too high at night.",
            LimitBlanks,
            _noise_at_night,
        ),
        Template(
            "index",
            "Index of many points",
            "Brings many points together into one figure of 0 to 100 percent, as a data point.",
            IndexBlanks,
            _index,
        ),
        Template(
            "lights-by-counts",
            "Street lights by passers-by",
            "Makes lights bright while many pass, and dims them when few do.",
            LightBlanks,
            _lights,
        ),
    )
}
"""By name."""
