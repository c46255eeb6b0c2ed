"""Every bound of the client, by name."""

from __future__ import annotations

TRIES_MAX = 5
"""Of one request, the first one included."""
RETRY_S_MIN = 0.2
RETRY_S_MAX = 30.0
"""Between two tries, whatever the platform asks for."""
TIMEOUT_S = 60.0
"""Of one answer; a live feed has its own."""
LIVE_SILENCE_S = 60.0
"""The platform gives a sign of life more often than this; then the feed is dialled anew."""
LIVE_EVENT_CHARS_MAX = 64_000_000
"""Of one event; a longer one is no feed of the platform."""
OBSERVATIONS_PER_REQUEST = 10_000
"""What one request of the platform takes."""
COMMAND_WAIT_S_MAX = 60.0
"""Of one request; a longer wait asks again."""
PAGE_ROWS = 1_000
"""Hits of one page of a search."""
EST_ANSWER_BYTES_MAX = 1_000_000
"""Of certificates in one answer, in base64."""
RENEWAL_SHARE = 2 / 3
"""Of a certificate's life, after which a device renews it."""
