"""A filter as query parameters: ``?class=Light&value=>40``."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator
from pydantic_core import PydanticCustomError

from ciaas.management.directory.filter.document import Filter, FilterError


class FilterParameters(BaseModel):
    """The keys of a `Filter` as parameters of a query; repeated ones are alternatives.

    A route takes it, or a model that adds its own parameters, as ``Annotated[…, Query()]``.
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    text: list[str] = Field(
        default_factory=list, description="words; all of one text have to occur"
    )
    classes: list[str] = Field(default_factory=list, alias="class")
    implements: list[str] = Field(default_factory=list)
    tag: list[str] = Field(default_factory=list)
    project: list[str] = Field(default_factory=list)
    address: list[str] = Field(default_factory=list, description="a prefix, such as an endpoint")
    constraint: list[str] = Field(default_factory=list)
    unit: list[str] = Field(default_factory=list)
    quantity: list[str] = Field(default_factory=list)
    near: list[str] = Field(default_factory=list, description="latitude,longitude,metres")
    box: list[str] = Field(default_factory=list, description="south,west,north,east")
    value: list[str] = Field(default_factory=list, description=">40, 20..30, true, open, !=open")
    verdict: list[str] = Field(default_factory=list)
    state: list[str] = Field(
        default_factory=list, description="online, offline or certificate_expires"
    )
    silent: str | None = Field(
        default=None, description="nothing arrived for so long: 600, 10m, 2h"
    )
    permission: str | None = Field(
        default=None, description="a level that the caller holds at least"
    )

    _filter: Filter = PrivateAttr()

    @model_validator(mode="after")
    def _sound(self) -> FilterParameters:
        given: dict[str, Any] = {}
        for name in FilterParameters.model_fields:
            value = getattr(self, name)
            if value not in (None, []):
                given[FilterParameters.model_fields[name].alias or name] = value
        try:
            self._filter = Filter.parse(given)
        except FilterError as error:
            raise PydanticCustomError("filter", "{fault}", {"fault": str(error)}) from None
        return self

    @property
    def filter(self) -> Filter:
        """The filter that the parameters make."""
        return self._filter
