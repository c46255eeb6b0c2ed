"""Every bound of this layer, by name. A test reaches each of them."""

from __future__ import annotations

BODY_BYTES_MAX = 8_000_000
PROBLEM_DETAIL_CHARS_MAX = 1_000
PROBLEM_FAULTS_MAX = 20
"""Faults of one body that are told; the rest shows when those are mended."""

# -- the record of accesses
RECORDED_TEXT_CHARS_MAX = 1_024
"""Of a path, a query and each further text of one entry; the rest is cut off."""
RECORD_OWED_MAX = 1_000
"""Entries kept in memory while the record cannot be written; further ones are only counted."""

# -- sign-ins
SIGN_INS_AT_ONCE = 4
"""Each may hold a thread for seconds; all others stay free for who is signed in already."""
SIGN_INS_WAITING_MAX = 16
"""Beyond it a sign-in or set-up is turned away at once."""

# -- lists
LIST_MAX = 1_000
LIST_DEFAULT = 100
QUARANTINE_ANSWER_BYTES_MAX = 8_000_000
"""Of the payloads in one answer, before base64; the next page goes on."""
QUARANTINE_STEP = 16
"""Parts read from history at a time, each with at most a message's payload."""

# -- samples
OBSERVATIONS_MAX = 10_000
"""Of one request."""
OBSERVATION_TEXT_CHARS_MAX = 65_536
IDEMPOTENCY_KEY_CHARS_MAX = 128
COMMIT_WAIT_S = 30.0
"""How long ``/observations`` waits for its commit before it answers 503."""
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

# -- the console's pages
PAGES_BYTES_MAX = 32_000_000
"""Of all files of the built console, held in memory both plain and packed."""
PAGES_LOOK_EACH_S = 1.0
"""How often the folder of the built console is looked at, however many ask."""
