"""Every bound of this layer, by name. A test reaches each of them."""

from __future__ import annotations

BODY_BYTES_MAX = 8_000_000
OBSERVATIONS_MAX = 10_000
"""Of one request."""
IDEMPOTENCY_KEY_CHARS_MAX = 200
HISTORY_ADDRESSES_MAX = 200
"""Addresses of one history request."""
HISTORY_ROWS_DEFAULT = 1_000
"""cloud.iO's default of ``max``."""
HISTORY_ROWS_MAX = 100_000
"""Of one address; a longer interval is asked in parts."""
HISTORY_ANSWER_ROWS_MAX = 1_000_000
"""Of one request over all its addresses."""
SUBTREE_POINTS_MAX = 20_000
"""Points in one answer of ``/data``."""
LIST_MAX = 1_000
LIST_DEFAULT = 100
COMMIT_WAIT_S = 30.0
"""How long ``/observations`` waits for its commit before it answers 503."""
