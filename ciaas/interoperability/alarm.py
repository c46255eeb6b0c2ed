"""What an overlay says of alarms: when a value raises one, how grave it is, and its text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ciaas.interoperability.formula import Formula, FormulaError
from ciaas.kernel.sample import Numbers
from ciaas.limits import ALARM_FORMULAS_CACHED, ALARM_TEXT_CHARS_MAX

SEVERITIES = ("critical", "major", "minor", "warning")
"""Gravest first. Source: ITU-T X.733, section 8.1.2.3."""
VALUE = "value"
_KEYS = frozenset({"severity", "text", "raised_when"})


@dataclass(frozen=True, slots=True)
class Declaration:
    """One point's alarm."""

    severity: str
    text: str
    raised_when: str | bool
    """A formula of ``value``, or the Boolean that raises it."""

    @staticmethod
    def parse(document: object) -> Declaration:
        """Read the value of the overlay's key ``alarm``.

        Raises:
            ValueError: it is at fault; the message says what to write instead.
        """
        if not isinstance(document, Mapping) or not set(document) <= _KEYS:
            raise ValueError('write {"severity": …, "text": …, "raised_when": …} and nothing else')
        severity = document.get("severity", "warning")
        if severity not in SEVERITIES:
            raise ValueError(f"severity {severity!r:.40}: write one of {', '.join(SEVERITIES)}")
        text = document.get("text")
        if not isinstance(text, str) or not 0 < len(text) <= ALARM_TEXT_CHARS_MAX:
            raise ValueError(
                f"text: write what people are told, up to {ALARM_TEXT_CHARS_MAX} characters"
            )
        when = document.get("raised_when", True)
        if isinstance(when, str):
            try:
                _formula(when)
            except FormulaError as error:
                raise ValueError(
                    f"raised_when: {error} (character {error.position}); "
                    "write true, false or a comparison such as value > 40"
                ) from None
        elif not isinstance(when, bool):
            raise ValueError("raised_when: write true, false or a comparison such as value > 40")
        return Declaration(severity, text, when)

    def raised(self, num: Numbers) -> NDArray[np.float64]:
        """Return 1 where the numbers raise the alarm, 0 where they do not, NaN where neither."""
        if isinstance(self.raised_when, bool):
            truth = np.where((num != 0) == self.raised_when, 1.0, 0.0)
            return np.where(np.isnan(num), np.nan, truth)
        outcome = _formula(self.raised_when).columns({VALUE: num})
        result: NDArray[np.float64] = np.where(np.isnan(num), np.nan, outcome)
        return result


@lru_cache(ALARM_FORMULAS_CACHED)
def _formula(text: str) -> Formula:
    return Formula.parse(text, (VALUE,))


def check_alarm(document: Any) -> None:
    """Raise ValueError unless a declaration is sound."""
    Declaration.parse(document)
