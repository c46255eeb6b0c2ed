"""Every bound of this layer, by name. A test reaches each of them."""

from __future__ import annotations

BODY_BYTES_MAX = 8_000_000
PROBLEM_DETAIL_CHARS_MAX = 1_000
PROBLEM_FAULTS_MAX = 20
"""Faults of one body that are told; the rest shows when those are mended."""

# -- the record of accesses
RECORDED_TEXT_CHARS_MAX = 1_024
"""Of a path, a query and each further text of one entry; the rest is cut off."""
EXPORT_STEP = 1_000
"""Entries of the record that an export reads at a time."""
RECORD_OWED_MAX = 1_000
"""Entries kept in memory while the record cannot be written; further ones are only counted."""

# -- sign-ins
SIGN_INS_AT_ONCE = 4
"""Each may hold a thread for seconds; all others stay free for who is signed in already."""
SIGN_INS_WAITING_MAX = 16
"""Beyond it a sign-in or set-up is turned away at once."""

# -- applications
FORM_BYTES_MAX = 65_536
"""Of a form that a browser or an application sends to the provider."""
TOKEN_REQUESTS_AT_ONCE = 4
"""Each may write to the registry and sign; all other threads stay free."""
TOKEN_REQUESTS_WAITING_MAX = 64
"""Beyond it a request for a token is turned away at once."""
SERVICE_TEXT_CHARS_MAX = 2_000
"""Of a service's description."""
SERVICE_SCOPES_MAX = 50

# -- lists
LIST_MAX = 1_000
LIST_DEFAULT = 100
NUMBER_MAX = 2**63 - 1
"""Highest number of an entry that a caller may name: what a store can hold."""
QUARANTINE_ANSWER_BYTES_MAX = 8_000_000
"""Of the payloads in one answer, before base64; the next page goes on."""
QUARANTINE_STEP = 16
"""Parts read from history at a time, each with at most a message's payload."""

# -- composition
MASHUP_BYTES_MAX = 262_144
"""Of one document, as JSON."""
MASHUP_NODES_MAX = 50
MASHUP_WIRES_MAX = 200
MASHUP_FAN_OUT_MAX = 32
"""Wires from one output."""
MASHUP_INPUTS_MAX = 16
"""Names in one formula."""
MASHUP_POINTS_MAX = 1_000
"""Points that a mashup reads, that it writes, and that it commands, each."""
MASHUP_TARGETS_MAX = 100
"""Points that one command node sets."""
MASHUP_COMMAND_S_MAX = 3_600
MASHUP_TEXT_CHARS_MAX = 1_000
MASHUP_WINDOW_S_MAX = 86_400
MASHUP_LATENESS_S_MAX = 3_600
MASHUP_WAITING_ROWS_MAX = 200_000
"""Rows that wait for their time to be complete; further ones are dropped and counted."""
MASHUP_BACKLOG_ROWS_MAX = 200_000
"""Samples remembered for a mashup that was published a moment ago."""
MASHUP_OUTPUT_ROWS_MAX = 5_000
"""Samples of one message to core."""
MASHUP_SENDINGS_MAX = 10_000
"""Commands and webhooks that wait to be sent; further ones are dropped and named in the status."""
MASHUP_SENDINGS_AT_ONCE = 16
MASHUP_WEBHOOK_TRIES = 8
LOCAL_QUARTERS_CACHED = 4_096
"""Quarters of an hour of which a time zone's offset is remembered."""
DRY_RUN_DAYS_MAX = 31
DRY_RUN_ROWS_MAX = 500_000
"""Samples that one dry run reads."""
DRY_RUN_SLICE_ROWS = 50_000
"""Samples handed to the runtime at a time."""
DRY_RUNS_AT_ONCE = 2
DRY_RUN_OUTPUTS_MAX = 1_000
"""Of each node in the answer; the counts tell of all."""

# -- samples
OBSERVATIONS_MAX = 10_000
"""Of one request."""
OBSERVATION_TEXT_CHARS_MAX = 65_536
IDEMPOTENCY_KEY_CHARS_MAX = 128
COMMAND_WAIT_S_MAX = 60.0
"""How long ``?wait=`` may hold a request open."""
COMMAND_PAGES_READ_MAX = 20
"""Pages of commands read for one answer, while most of what they hold is not the caller's."""
COMMIT_WAIT_S = 30.0
"""How long ``/observations`` waits for its commit before it answers 503."""
HISTORY_ADDRESSES_MAX = 200
"""Addresses of one history request."""
HISTORY_ROWS_DEFAULT = 1_000
"""cloud.iO's default of ``max``."""
HISTORY_ROWS_MAX = 100_000
"""Of one address; a longer interval is asked in parts."""
HISTORY_READS_AT_ONCE = 2
"""Series worked out at a time: more of them at once would each take longer, and the uplink too."""
HISTORY_READS_WAITING_MAX = 256
"""Beyond it a read of history is turned away at once."""
HISTORY_ANSWER_ROWS_MAX = 1_000_000
"""Of one request over all its addresses."""
SUBTREE_POINTS_MAX = 20_000
"""Points in one answer of ``/data``."""

# -- alarms
ALARM_COMMENT_CHARS_MAX = 500
ALARM_PAGES_MAX = 20
"""Read for one answer, where few of many are the caller's to see; the next page goes on."""

# -- live feeds
EVENT_ID_CHARS_MAX = 128
LIVE_EVERY_S_MAX = 5.0
"""Samples wait in memory that all feeds share; a longer pause would lose them there."""
LIVE_LOOK_S = 0.5
"""How often a feed that has nothing to send looks whether it may go on."""
LIVE_CHANGES_PAGE = 500
"""Changes of metadata that a feed is told at a time."""
LIVE_LOOP_ROWS_MAX = 2_000
"""More rows at a time are written by a thread, so that nobody else waits for them."""

# -- the console's pages
PAGES_BYTES_MAX = 32_000_000
"""Of all files of the built console, held in memory both plain and packed."""
PAGES_LOOK_EACH_S = 1.0
"""How often the folder of the built console is looked at, however many ask."""

# -- processing: queries
QUERY_POINTS_MAX = 20_000
"""Points that one query may take in."""
QUERY_SERIES_ALIGNED_MAX = 1_000
"""Series side by side in one aligned table."""
QUERY_WINDOWS_MAX = 100_000
QUERY_MEASURES_MAX = 16
QUERY_FORMULAS_MAX = 16
QUERY_COLUMN_NAME_CHARS_MAX = 64
QUERY_HOLD_MS_MAX = 31 * 86_400_000
"""The longest that a value holds without a newer one; so far before its begin a query looks."""
QUERY_ROWS_MAX = 10_000_000
"""Windows × series of one query whose answer is streamed."""
QUERY_FIGURES_HELD_MAX = 2_000_000
"""Rows × columns of an answer that is put together in memory: JSON, aligned or sorted."""
QUERY_PIECE_BYTES = 65_536
"""What is sent at a time: an answer takes a turn for each piece, and most answers are one."""
QUERY_S_MAX = 10.0
"""How long history may work for one query; then it is broken off."""
QUERIES_AT_ONCE = 2
"""At work in history; the cores are for the uplink first."""
QUERIES_WAITING_MAX = 32
"""Beyond it a query is turned away at once."""
QUERY_WAIT_S_MAX = 5.0
"""How long a query may wait for its turn."""

# -- dependability
DEPENDABILITY_DAYS_DEFAULT = 30
"""How far back is looked when no time is named."""

# -- processing: objects
OBJECT_KEY_LEVELS_MAX = 32
OBJECT_MEDIA_TYPE_CHARS_MAX = 255
OBJECT_UPLOADS_AT_ONCE = 4
"""Each may hold an object's size on the disk before its project's room is asked."""
OBJECT_UPLOADS_WAITING_MAX = 16

# -- processing: jobs
JOB_NAME_CHARS_MAX = 100
JOB_INTERVAL_S_MIN = 60
JOB_OBJECTS_KEPT_MAX = 100
"""Of one job; as many as runs are remembered, which know what they stored."""
JOB_OUTPUT_BYTES_MAX = 200_000_000
"""Of one run."""
JOB_S_MAX = 120.0
"""From the begin of a run to the end of its object."""
JOB_LATE_S_MAX = 60.0
"""A run that begins later than this after its time was missed."""
JOBS_AT_ONCE = 1
"""In core, beside the queries of the API; further runs wait."""
JOB_SWEEP_EACH_S = 3_600.0
"""How often what a crash left of objects is looked for."""

# -- enrolment
ENROLMENT_SHEETS_AT_ONCE = 2
"""Being read; further ones wait: a large sheet takes some ten times its size of memory."""
ENROLMENT_PREVIEW_ROWS = 20
"""Devices that a preview shows as they would be enrolled."""
