"""Takes secrets out of what is recorded."""

from __future__ import annotations

import re
from collections.abc import Callable

from cpaas.limits import RECORDED_TEXT_CHARS_MAX

_SECRET = re.compile(
    r"bor_[\w-]+|eyJ[\w-]+\.[\w-]+\.[\w-]*|(?<=user_code=)[^&]+|"
    r"(?<![0-9A-Za-z])[0-9A-Fa-f]{64}(?![0-9A-Za-z])|(?<=/provision/).+"
)
"""Tokens of all kinds and codes of devices, and whatever stands where a provision token belongs."""


def redacted(text: str, mask: Callable[[str], str] = lambda secret: "…") -> str:
    """Return a text of a request as it may be recorded: without tokens, and not too long.

    ``mask`` says what stands in the place of a secret.
    """
    text = _SECRET.sub(lambda found: mask(found[0]), text[: 4 * RECORDED_TEXT_CHARS_MAX])
    if len(text) > RECORDED_TEXT_CHARS_MAX:
        return text[:RECORDED_TEXT_CHARS_MAX] + "…"
    return text
