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

# -- storage: registry

# -- storage: history

# -- sensorisation

# -- management
