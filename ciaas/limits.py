"""Every bound of this layer, by name. A test reaches each of them."""

from __future__ import annotations

# -- kernel: addresses and the resource model
NAME_CHARS_MAX = 255
ADDRESS_CHARS_MAX = 1_024
ADDRESS_LEVELS_MAX = 32
POINTS_PER_ENDPOINT_MAX = 10_000

# -- kernel: wire codecs and the uplink

# -- interoperability

# -- computing: bus, admission, supervision
WIRE_RECEIVE_BYTES = 262_144
WIRE_CONTROL_LINE_MAX = 65_536
"""A longer line before its end is no NATS protocol."""
PULL_REQUESTS_IN_FLIGHT = 4
PULL_MESSAGES = 1_500
"""Of one pull request: about the natural batch of a saturated uplink."""
PULL_BYTES = 2_000_000
PULL_EXPIRES_S = 30.0
UPLINK_BATCH_MESSAGES = 3_000
UPLINK_BATCH_BYTES = 4_000_000
UPLINK_WAITING_MESSAGES = 9_000
"""Messages read ahead of the writer; above it no pull is renewed."""
APP_WRITES_WAITING = 1_000
RECONNECT_WAIT_S_MAX = 2.0
VOLATILE_MESSAGES_MAX = 200_000
"""QoS 0 messages waiting for the writer; beyond it the newest are dropped and counted."""
LIVE_CHUNK_BYTES = 400_000
"""Well below the broker's max_payload: an oversized message would cost the connection."""
LIVE_COMMITS_WAITING = 256
"""Commits kept in memory for the live stream; older ones are read back from history."""

# -- storage: registry

# -- storage: history

# -- sensorisation

# -- management
