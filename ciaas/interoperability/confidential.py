"""Confidential values: encrypted under the key of their data subject before history stores them.

A value is replaced by a text (`PREFIX`, the data subject's id, AES-256-SIV in base64) of the
same point and time. The same value at the same place gives the same text, so that history still
knows a repeat from a revision; anywhere else it gives another one, and opens nowhere but at its
place. Source: RFC 5297.
"""

from __future__ import annotations

import base64
import binascii
import logging
import math
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import msgspec
import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from numpy.typing import NDArray

from ciaas.kernel.sample import Frame, Kind, Uint32s
from ciaas.ports import HistoryError, Series

log = logging.getLogger(__name__)

PREFIX = "borough-sealed.1."
_ID = re.compile(r"[0-9a-f]{32}")
_Value: TypeAlias = tuple[int, float, str | None, str | None]
"""Kind, number, text, and the value as sent."""
_NOTHING: _Value = (int(Kind.NULL), math.nan, None, None)


class ConfidentialValues:
    """Seals and opens the values of confidential points; safe from any thread.

    Args:
        key: Returns the key of a data subject by its id, 64 bytes; None when it is gone.
    """

    def __init__(self, key: Callable[[str], bytes | None]) -> None:
        self._key = key
        self._subjects: Mapping[int, str] = {}
        self._points: Uint32s = np.empty(0, np.uint32)
        self._declaring = threading.Lock()
        self._used = False

    def use(self) -> None:
        """Look for sealed values from now on; until then there can be none."""
        self._used = True

    def declare(self, subjects: Mapping[int, str | None]) -> None:
        """Take over whose data points hold: the data subject's id by point, None nobody's.

        What was confidential stays so, for as long as its values lie there.
        """
        named = {point: subject for point, subject in subjects.items() if subject is not None}
        if not named:
            return  # as at each start of a city without confidential points, for all its points
        with self._declaring:
            after = {**self._subjects, **named}
            self._subjects = after
            self._points = np.array(sorted(after), np.uint32)

    def subject(self, point: int) -> str | None:
        """Return the id of the data subject of a point, None when it is not confidential."""
        return self._subjects.get(point)

    def seal(self, frame: Frame) -> Frame:
        """Return the frame with the values of confidential points encrypted.

        A value whose data subject's key is gone becomes null: it is never stored in clear.
        """
        rows = self._rows_of_confidential(frame.point)
        if not len(rows):
            return frame
        subjects = self._subjects
        kind, num = frame.kind.copy(), frame.num.copy()
        txt, raw = frame.txt.copy(), frame.raw.copy()
        ciphers: dict[str, AESSIV | None] = {}
        for row in rows.tolist():
            point = int(frame.point[row])
            subject = subjects[point]
            if subject not in ciphers:
                ciphers[subject] = self._cipher(subject)
            cipher = ciphers[subject]
            if cipher is None:
                kind[row], num[row], txt[row], raw[row] = _NOTHING
                continue
            number = float(frame.num[row])
            value = (
                int(frame.kind[row]),
                None if math.isnan(number) else number,
                frame.txt[row],
                frame.raw[row],
            )
            clear = msgspec.msgpack.encode(value)
            sealed = cipher.encrypt(clear, [_place(point, int(frame.observed[row]))])
            letters = base64.b64encode(sealed).decode()
            kind[row], num[row], raw[row] = int(Kind.TEXT), math.nan, None
            txt[row] = f"{PREFIX}{subject}.{letters}"
        return replace(frame, kind=kind, num=num, txt=txt, raw=raw)

    def open(self, frame: Frame) -> Frame:
        """Return the frame with sealed values as they were; null where the key is gone."""
        rows = self._rows_of_sealed(frame.kind, frame.txt)
        if not rows:
            return frame
        kind, num = frame.kind.copy(), frame.num.copy()
        txt, raw = frame.txt.copy(), frame.raw.copy()
        for row, value in self._opened(rows, frame.point, frame.observed, frame.txt):
            kind[row], num[row], txt[row], raw[row] = value
        return replace(frame, kind=kind, num=num, txt=txt, raw=raw)

    def open_series(self, series: Series) -> Series:
        """Return an answer of history with sealed values as they were, as `open`."""
        rows = self._rows_of_sealed(series.kind, series.txt)
        if not rows:
            return series
        kind, num, txt = series.kind.copy(), series.num.copy(), series.txt.copy()
        for row, value in self._opened(rows, series.point, series.observed, series.txt):
            kind[row], num[row], txt[row] = value[:3]
        return replace(series, kind=kind, num=num, txt=txt)

    def keeps(self, points: Uint32s) -> bool:
        """Tell whether no value of these points has lost its key."""
        rows = self._rows_of_confidential(points)
        subjects = {self._subjects[point] for point in np.unique(points[rows]).tolist()}
        return all(self._key(subject) is not None for subject in subjects)

    def refuse(self, points: Uint32s) -> None:
        """Make sure that no point is confidential: the store cannot compute with what it holds.

        Raises:
            HistoryError: one is.
        """
        if len(self._rows_of_confidential(points)):
            raise HistoryError(
                "a point of this question is confidential: its values lie encrypted, and no figures"
                " are made of them; leave it out, or ask for its samples themselves"
            )

    def _rows_of_confidential(self, points: Uint32s) -> NDArray[np.intp]:
        known = self._points
        if not len(known):
            return np.empty(0, np.intp)
        return np.flatnonzero(np.isin(points, known))

    def _rows_of_sealed(self, kind: NDArray[Any], txt: NDArray[Any]) -> Sequence[int]:
        if not self._used:
            return ()
        texts = np.flatnonzero(kind == int(Kind.TEXT)).tolist()
        return [row for row in texts if txt[row].startswith(PREFIX)]

    def _opened(
        self,
        rows: Sequence[int],
        points: NDArray[Any],
        observed: NDArray[Any],
        txt: NDArray[Any],
    ) -> list[tuple[int, _Value]]:
        ciphers: dict[str, AESSIV | None] = {}
        found: list[tuple[int, _Value]] = []
        for row in rows:
            subject, _, letters = txt[row].removeprefix(PREFIX).partition(".")
            if not _ID.fullmatch(subject):
                continue  # somebody's own text that begins like ours
            if subject not in ciphers:
                ciphers[subject] = self._cipher(subject)
            place = _place(int(points[row]), int(observed[row]))
            found.append((row, _value(ciphers[subject], letters, place)))
        return found

    def _cipher(self, subject: str) -> AESSIV | None:
        key = self._key(subject)
        return None if key is None else AESSIV(key)


def _value(cipher: AESSIV | None, letters: str, place: bytes) -> _Value:
    """Return a sealed value, null when its key is gone or it was sealed for another place."""
    if cipher is None:
        return _NOTHING
    try:
        clear = cipher.decrypt(base64.b64decode(letters, validate=True), [place])
    except (InvalidTag, binascii.Error, ValueError):
        return _NOTHING
    kind, num, text, raw = msgspec.msgpack.decode(clear)
    return kind, math.nan if num is None else num, text, raw


def _place(point: int, observed: int) -> bytes:
    return f"borough sample\0{point}\0{observed}".encode()
