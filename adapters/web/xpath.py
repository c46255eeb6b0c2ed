"""The part of XPath that a selector may use: every one of it costs one walk through the document.

A path of names with predicates that compare; no functions, no arithmetic, no axes, ``//`` at most
twice. Whoever writes a selector can so neither reach outside the document nor keep field busy.

Source: XPath 1.0, abbreviated location paths.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ciaas.limits import SELECTOR_CHARS_MAX, SELECTOR_STEPS_MAX

_NAME = r"(?:(?P<p>[A-Za-z_][\w.-]*):)?[A-Za-z_][\w.-]*"
_PLAIN = _NAME.replace("(?P<p>", "(")
_LITERAL = r"""(?:'[^']*'|"[^"]*")"""
_INNER = rf"(?:{_PLAIN}/)*(?:@{_PLAIN}|{_PLAIN}|\.)"
_PREDICATE = rf"\[\s*(?:\d{{1,6}}|{_INNER}\s*=\s*{_LITERAL}|{_INNER})\s*\]"
_STEP = rf"(?:\.|\*|{_PLAIN})(?:{_PREDICATE}){{0,4}}"
_PATH = re.compile(
    rf"(?:/{{1,2}})?{_STEP}(?:/{{1,2}}{_STEP})*(?:/@{_PLAIN}|/text\(\))?|@{_PLAIN}|text\(\)"
)
_PREFIX = re.compile(r"([A-Za-z_][\w.-]*):[A-Za-z_]")
_QUOTED = re.compile(_LITERAL)
_DEEP_MAX = 2


def check_xpath(text: str, namespaces: Mapping[str, str]) -> None:
    """Make sure that a selector is one of ours.

    Raises:
        ValueError: it is not; the message says why.
    """
    if len(text) > SELECTOR_CHARS_MAX:
        raise ValueError(f"an XPath has at most {SELECTOR_CHARS_MAX} characters")
    bare = _QUOTED.sub("''", text)
    if bare.count("/") > 2 * SELECTOR_STEPS_MAX or bare.count("[") > SELECTOR_STEPS_MAX:
        raise ValueError(f"an XPath has at most {SELECTOR_STEPS_MAX} steps")
    if not _PATH.fullmatch(text):
        raise ValueError(
            f"{text!r} is no XPath that may be used: names and predicates such as "
            "//d:park[@id='7']/d:free or park[ref/@id='7']/free, no functions"
        )
    if bare.count("//") > _DEEP_MAX:
        raise ValueError(f"an XPath has // at most {_DEEP_MAX} times")
    for prefix in _PREFIX.findall(bare):
        if prefix not in namespaces:
            raise ValueError(f"prefix {prefix!r} is not among 'namespaces'")
