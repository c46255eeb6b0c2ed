"""The digest of a commit: what the record keeps of samples that it does not hold."""

from __future__ import annotations

import hashlib

import msgspec
import numpy as np

from ciaas.kernel.sample import DTYPES, Frame

_TEXTS = ("txt", "raw")
_COLUMNS = tuple(name for name in DTYPES if name not in _TEXTS)


def digest_of(frame: Frame) -> str:
    """Return the SHA-256 of the rows of a commit, hex.

    Rows are taken in the order of point, observed and revision. First come the columns of numbers,
    each as one array of little-endian values: point (4 bytes), observed and received (8, signed),
    kind (1), num (8, IEEE 754; 0 where the value is no number), verdict (1), reason (2), source
    (4), revision (2); then a JSON array, without spaces, of ``[row, txt, raw]`` of the rows
    that have a text or a raw value.
    """
    order = np.lexsort((frame.revision, frame.observed, frame.point))
    digest = hashlib.sha256()
    for name in _COLUMNS:
        column = getattr(frame, name)[order]
        if name == "num":
            column = np.where(np.isnan(column), 0.0, column)
        digest.update(column.astype(column.dtype.newbyteorder("<")).tobytes())
    texts = zip(frame.txt[order].tolist(), frame.raw[order].tolist(), strict=True)
    told = [[row, *both] for row, both in enumerate(texts) if both != (None, None)]
    digest.update(msgspec.json.encode(told))
    return digest.hexdigest()
