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
WINDOW_BYTES = 32_768
"""Payload that one device has under way, if that is fewer messages; one at least."""
PACED_MESSAGES = 64
"""Messages that one device has under way when it keeps a pace: a slow PUBACK does not slow it."""
WAITING_BYTES_MAX = 32_000_000
"""Payload that may wait with the broker; above it the load holds until half of it is stored.

PUBACK does not slow down when the consumer is behind: without this a case would measure how fast
the broker writes to disk, and draining it would take longer than the case.
"""
SETTLE_S_MAX = 60.0
"""How long what was acknowledged may take to be stored after the load has ended."""
ANSWER_S_MAX = 60.0
"""How long a child process of the bench may take to do what it is told."""
LINE_BYTES_MAX = 1_000_000
"""Longest line between the bench and a child process."""
ENROL_PARALLEL = 8
"""Requests of the enrolment under way at a time."""
ENROL_BATCH_S_MAX = 100.0
"""How long a sheet may take before the bench gives up."""
PROBES_WAITING_MAX = 200
"""Probes published and not yet seen: ten seconds' worth; more means that nothing arrives."""
RIGHTS_GRANTS = 1_000_000
RIGHTS_POINTS = 100_000
RIGHTS_CHECKS = 200_000
RIGHTS_ENDPOINTS = 1_000
"""Of the points that are granted by class, selection and endpoint group."""
MASHUP_EVENTS = 2_000_000
"""Samples in the live stream that each side reads."""
MASHUP_COMMIT_ROWS = 1_000
"""Of one commit: what a busy uplink records at a time."""
MASHUP_READ_S_MAX = 60.0
"""How long one side may take."""
