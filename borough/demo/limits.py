"""Every bound of the demo, by name. A test reaches each of them."""

from __future__ import annotations

# -- devices
OUTBOX_SAMPLES_MAX = 20_000
"""Samples one device keeps while it cannot send; beyond it the oldest are dropped and counted."""
DELAYED_ENTRIES_MAX = 500
"""Samples in one ``@delayed`` message, some 60 kB of JSON."""
INFLIGHT_MESSAGES_MAX = 16
"""Messages of one device that wait for their acknowledgement."""
BACKFILL_INFLIGHT_MAX = 4
"""``@delayed`` messages of the past under way per device process, so that live values pass them."""
RECONNECT_S_MAX = 1.0
"""Longest pause between two attempts to connect."""
STOP_S_MAX = 15.0
"""How long a device process waits for outstanding acknowledgements once it was told to stop."""
LEDGER_SEGMENT_BYTES_MAX = 8_000_000
"""Size at which a ledger goes on in a new file, so that the full one can be settled and removed."""
LEDGER_FLUSH_S = 0.05
"""Longest time an acknowledged sample waits for the fsync that it shares with others."""
PROBES_MAX = 10_000
"""Latencies a device process keeps; the oldest go first."""
PROBE_S_MAX = 5.0
"""A probe that no answer of the API shows within this time counts as missed."""

# -- processes
CHILD_RESTARTS_MAX = 3
"""Restarts of one device process within a run."""
REPORT_LINE_BYTES_MAX = 1_000_000
"""Longest line a child may write to its parent."""
BACKFILL_WAIT_S_MAX = 60.0
"""How long a run of fixed length goes on for an unfinished upload of the past."""
FIRST_SAMPLE_S_MAX = 60.0
"""How long a run waits for the first live sample to be queryable before it gives up."""

# -- services
RECEIVER_BODY_BYTES_MAX = 8_000_000
"""Of one delivery to the demo's webhook."""
SUBSCRIBER_WAIT_S_MAX = 20.0
"""How long the account waits for samples that are on their way to the webhook."""
ALARMS_PAGE_MAX = 100
"""Alarms in one page."""

# -- enrolment and account
ANSWER_S_MAX = 20.0
"""How long a request is tried again while the platform does not answer: core may be starting."""
ENROL_PARALLEL_MAX = 8
"""Requests of the enrolment under way at a time."""
HISTORY_ADDRESSES_MAX = 20
"""Addresses in one history request."""
HISTORY_ROWS_MAX = 5_000
"""Rows per address and page of history."""
QUARANTINE_PAGE_MAX = 500
"""Entries in one page of the quarantine."""
SETTLE_S_MAX = 20.0
"""How long the account waits for acknowledged samples that are not yet recorded."""
COMMAND_EACH_S = 10.0
"""Between two commands to street lights."""
COMMAND_WAIT_S = 15.0
"""How long the end of one is waited for."""
COMMANDS_PAGE_MAX = 1_000
"""Commands in one answer of ``/commands``."""
