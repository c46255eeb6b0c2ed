"""Every bound of the benches, by name. A test reaches each of them."""

from __future__ import annotations

RUN_S_MAX = 225.0
"""Of one bench; ending its processes takes a few seconds more."""
PAIRS_MAX = 9
WINDOW_MESSAGES = 8
"""QoS 1 messages that one device has under way.

Enough to saturate two cores with 100 devices. With 16 and more the broker takes in what it does not
hand on: a consumer that only acknowledges then falls to half its rate, and what is compared is no
longer the consumers.
"""
