"""An enrolment profile: what devices of one kind have in common."""

from __future__ import annotations

import string
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ciaas.interoperability.overlay import OverlayError, check_overlay
from ciaas.kernel.model import EndpointModel
from ciaas.kernel.wire.declaration import read_model
from ciaas.kernel.wire.document import WireError
from ciaas.limits import ENROLMENT_TOKEN_DAYS_MAX
from ciaas.management.bundle import ProvisioningError, check_properties

_DAY_MS = 86_400_000


class EnrolmentError(Exception):
    """A profile or a sheet cannot be used; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Template:
    """A profile's document, read."""

    friendly_name: str
    """With the names of columns in braces: ``Lamp {serial}``."""
    classes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By name, a data model as a cloud.iO device declares it; points exist before it connects."""
    default_class: str | None = None
    """Of rows that name none; None for devices that declare themselves."""
    place: str | None = None
    """Of rows that name none."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Of each endpoint, before what the row says."""
    overlay: Mapping[str, Any] = field(default_factory=dict)
    """Said of each endpoint, for all its points."""
    endpoint_group: str | None = None
    """Which each endpoint joins: who has rights on the group has them on each."""
    properties: Mapping[str, str] = field(default_factory=dict)
    """Written into each device's bundle."""
    token_days: float = 30.0
    """Life of the tokens from when each is made."""

    @property
    def token_life_ms(self) -> int:
        """As milliseconds."""
        return round(self.token_days * _DAY_MS)

    def columns(self) -> Collection[str]:
        """Return the names that the friendly name is made of."""
        return [name for _, name, _, _ in string.Formatter().parse(self.friendly_name) if name]

    def model(self, kind: str) -> EndpointModel:
        """Return the data model of a class that the profile has."""
        return read_model(dict(self.classes[kind]))[0]


def read_template(document: Mapping[str, Any]) -> Template:
    """Return a document as a template.

    Raises:
        EnrolmentError: it is none; one sentence.
    """
    try:
        template = msgspec.convert(document, Template)
    except msgspec.ValidationError as error:
        raise EnrolmentError(f"the profile is not understood: {error}") from error
    _check_name(template)
    if template.default_class is not None and template.default_class not in template.classes:
        raise EnrolmentError(f"default_class {template.default_class!r} is none of its classes")
    if not 0 < template.token_days <= ENROLMENT_TOKEN_DAYS_MAX:
        raise EnrolmentError(f"token_days is above 0 and at most {ENROLMENT_TOKEN_DAYS_MAX}")
    for name, declared in template.classes.items():
        try:
            _, faults = read_model(dict(declared))
        except WireError as error:
            raise EnrolmentError(f"class {name!r}: {error}") from error
        if faults:
            raise EnrolmentError(f"class {name!r}, {faults[0].path}: {faults[0].reason}")
    try:
        check_overlay(template.overlay)
    except OverlayError as error:
        raise EnrolmentError(f"overlay: {error}") from error
    try:
        check_properties(template.properties)
    except ProvisioningError as error:
        raise EnrolmentError(f"properties: {error}") from error
    if "confidential" in template.overlay:
        raise EnrolmentError("a data subject is one endpoint's alone: leave confidential out")
    return template


def _check_name(template: Template) -> None:
    try:
        parts = list(string.Formatter().parse(template.friendly_name))
    except ValueError as error:
        raise EnrolmentError(f"friendly_name: {error}") from error
    if any(name == "" or form or conversion for _, name, form, conversion in parts):
        raise EnrolmentError("friendly_name has the name of a column in each pair of braces")
    if any(name is not None and not name.isidentifier() for _, name, _, _ in parts):
        raise EnrolmentError("friendly_name has plain names of columns in braces, such as {serial}")
    if not template.friendly_name.strip():
        raise EnrolmentError("friendly_name is empty; write one such as 'Lamp {serial}'")
