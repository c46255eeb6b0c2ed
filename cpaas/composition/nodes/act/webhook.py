"""Webhook: tell another system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from ciaas.computing.reach import Forbidden, Reach
from ciaas.limits import OUTGOING_URL_CHARS_MAX
from cpaas.composition.nodes.act.changes import Changes
from cpaas.composition.nodes.contract import IN, Act, Operator, Params, Plain, Setting, Stream


class WebhookParams(Params):
    """Where to."""

    url: Annotated[
        str, Field(max_length=OUTGOING_URL_CHARS_MAX, description="http or https, no password")
    ]

    @field_validator("url")
    @classmethod
    def _url(cls, url: str) -> str:
        try:
            # The form alone: which private hosts may be asked is a setting of the compose role.
            _ANYWHERE.check_url(url)
        except Forbidden as error:
            raise ValueError(str(error)) from None
        return url


_ANYWHERE = Reach.of(("0.0.0.0/0", "::/0"))


class Webhook(Plain[WebhookParams]):
    """Posts each change as a CloudEvent."""

    name: ClassVar[str] = "webhook"
    title: ClassVar[str] = "Tell another system"
    about: ClassVar[str] = "Posts each change of the value to a web address."
    params = WebhookParams
    act: ClassVar[Act | None] = Act.WEBHOOK

    def sentence(self, params: WebhookParams, said: Mapping[str, str]) -> str:
        """Return who is told of what."""
        return f"Tell {params.url} of each change of {said[IN]}."

    def operator(
        self, params: WebhookParams, inputs: Mapping[str, Stream], setting: Setting
    ) -> Operator:
        """Return what passes changes alone."""
        return Changes.at_start(setting)
