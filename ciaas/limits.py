"""Every bound of this layer, by name. A test reaches each of them."""

from __future__ import annotations

# -- kernel: addresses and the resource model
NAME_CHARS_MAX = 255
ADDRESS_CHARS_MAX = 1_024
ADDRESS_LEVELS_MAX = 32
POINTS_PER_ENDPOINT_MAX = 10_000

# -- kernel: wire codecs and the uplink
PAYLOAD_BYTES_MAX = 1_048_576
WIRE_DEPTH_MAX = 80
"""Maps within maps in CBOR: an address of ADDRESS_LEVELS_MAX inside a delayed @nodeAdded fits."""
DELAYED_NESTING_MAX = 2
"""A @delayed within a @delayed within a @delayed is set aside."""
ASIDE_PARTS_MAX = 16
"""Bad parts of one message told apart; with more, the message is set aside once for the rest."""
ASIDE_DETAIL_CHARS_MAX = 300
FUTURE_MS = 300_000
"""How far a device's clock may run ahead of the broker's."""

# -- kernel: the downlink
COMMANDS_OPEN_MAX = 10_000
"""Commands under way or waiting; beyond it a further one is turned away."""
COMMANDS_KEPT_MAX = 1_000_000
"""Commands with their rungs in the registry; beyond it the oldest that have ended are removed."""
COMMANDS_REMOVED_AT_ONCE = 1_000
"""After so many new ones the bound above is looked at."""
COMMAND_TEXT_CHARS_MAX = 4_096
"""Of a text that is set."""
COMMAND_KEY_CHARS_MAX = 128
COMMAND_WHY_CHARS_MAX = 500
COMMAND_SENDS_MAX = 5
"""How often one command is sent when it may be repeated."""
COMMAND_STEPS_MAX = 100
"""Rungs of one command; an endless exchange between queued and sent ends here."""
COMMAND_WAITERS_MAX = 1_000
"""Callers that wait for the end of commands at the same time."""
COMMAND_TTL_S = 60.0
"""How long a SetPoint waits to be sent, unless the command says otherwise."""
COMMAND_PARAMETER_TTL_S = 604_800.0
"""How long a Parameter waits: a device that is away gets it when it comes back."""
COMMAND_TTL_S_MAX = 2_592_000.0
COMMAND_VERIFY_S = 10.0
"""How long a confirmation may take, unless the overlay says otherwise."""
COMMAND_VERIFY_S_MAX = 3_600.0
COMMAND_EVIDENCE_WAITING_MAX = 1_000
"""Commits with values of commanded points, on their way to the downlink; what is left out is looked
up in history."""
FIELD_WRITES_MAX = 256
"""Writes under way in the field role; beyond it a command stays queued and is asked for again."""
COMMAND_REQUESTS_MAX = 256
"""Requests of other roles for commands, under way in core."""
INTERLOCK_NAMES_MAX = 16
INTERLOCK_AGE_S = 300.0
"""How old a value may be that an interlock reads, unless the overlay says otherwise."""

# -- interoperability
OVERLAY_BYTES_MAX = 16_384
"""Of one overlay, as JSON in UTF-8."""
OVERLAY_DEPTH_MAX = 8
OVERLAY_NAME_CHARS_MAX = 128
OVERLAY_TEXT_CHARS_MAX = 4_000
OVERLAY_ENUM_MAX = 256
OVERLAY_TAGS_MAX = 64
OVERLAY_SECONDS_MAX = 3_155_760_000
"""A hundred years: keeps every interval in milliseconds far inside 64 bits."""
FORMULA_CHARS_MAX = 2_000
FORMULA_NODES_MAX = 100
"""Numbers, names and operations of one formula: bounds its depth and its time."""
UNIT_CHARS_MAX = 64
UNIT_CONVERSIONS_CACHED = 1_024
RULES_POINTS_MAX = 10_000_000
"""Highest point id the table of rules grows to, 72 bytes a point."""

# -- computing: bus, admission, supervision
RESTART_WAIT_S_MIN = 0.25
RESTART_WAIT_S_MAX = 30.0
ROLE_STABLE_S = 30.0
"""A role that ran so long starts again without the waits of earlier crashes."""
STOP_S_MAX = 9.0
"""For all roles together."""
WIRE_RECEIVE_BYTES = 262_144
WIRE_SEND_S = 10.0
"""A broker that takes nothing for so long is given up, and reached again."""
CLIENT_LINK_PENDING_MESSAGES = 100_000
CLIENT_LINK_PENDING_BYTES = 64_000_000
"""Of one subscription of a link on nats-py; beyond it the broker's messages are dropped, which ends
the connection, and what was not acknowledged comes again."""
WIRE_CONTROL_LINE_MAX = 65_536
"""A longer line before its end is no NATS protocol."""
WIRE_PULSE_S = 0.005
"""Between two reads of a busy stream, so that one read takes what many sends brought."""
PULL_REQUESTS_IN_FLIGHT = 4
PULL_MESSAGES = 1_500
"""Of one pull request: about the natural batch of a saturated uplink."""
PULL_BYTES = 2_000_000
PULL_EXPIRES_S = 30.0
UPLINK_BATCH_MESSAGES = 3_000
UPLINK_BATCH_BYTES = 4_000_000
INTERRUPTIONS_MAX = 3
"""Of one commit by a failing database; then core ends and starts anew."""
GATHER_S = 0.02
"""How long a small batch may grow while messages keep coming; part of every latency under load."""
GATHER_S_MAX = 0.06
"""How long it may grow when the writer needs more than a third of a processor."""
GATHER_MESSAGES = 3_000
"""After a batch of so many the next is carried at once: growing would save little more."""
UPLINK_WAITING_MESSAGES = 9_000
"""Messages read ahead of the writer; above it no pull is renewed."""
APP_WRITES_WAITING = 1_000
RECONNECT_WAIT_S_MAX = 2.0
VOLATILE_MESSAGES_MAX = 200_000
"""QoS 0 messages waiting for the writer; beyond it the newest are dropped and counted."""
PUBLISH_WAIT_S = 5.0
BIRTHS_WAITING_MAX = 10_000
"""Birth messages to be cleared while the broker is away."""
LIVE_CHUNK_BYTES = 400_000
"""Well below the broker's max_payload: an oversized message would cost the connection."""
LIVE_COMMITS_WAITING = 256
"""Commits kept in memory for the live stream; older ones are read back from history."""
FOLLOW_CHUNKS = 64
"""Messages of the live stream taken at a time, each of LIVE_CHUNK_BYTES at most."""
BROKER_PAYLOAD_BYTES_MAX = 1_048_576
"""Of one message, MQTT's own bytes included; a longer one costs the sender its connection."""
BROKER_CONNECTIONS_MAX = 65_536
BROKER_CONSUMERS_MAX = 100_000
"""Two per QoS 1 subscription ending in ``#``; the server's default fails at 499 devices."""
BROKER_UNACKNOWLEDGED_MAX = 1_000
"""QoS 1 messages on their way to one session."""
BROKER_LOG_BYTES_MAX = 16_777_216
BROKER_LOG_FILES_MAX = 4
BROKER_READY_S = 30.0
"""From start to an answering port; a large store takes a while to be read back."""
BROKER_RESTART_FREE_BYTES = 16_000_000
"""Room there must be again before a broker that a full disk stopped is started anew."""
INGEST_UNACKNOWLEDGED_MAX = 20_000
"""Messages handed out to the uplink and not yet acknowledged."""
ADMISSION_TRACES_MAX = 16_384
"""Connections remembered beside those that are up: just admitted, just refused, just gone."""
EXPEL_AGAIN_S = 1.0
"""Between two tries to end a connection that the broker did not answer."""
EXPULSIONS_AT_ONCE = 100
"""Connections whose end is asked for again at a time."""
REFUSALS_PER_BATCH_MAX = 1_000
"""Different refusals told apart in one batch; further ones are counted by client alone."""
REFUSED_CLIENTS_MAX = 10_000
"""Clients whose refusals are counted; the one refused longest ago is forgotten first."""
REFUSALS_PER_MINUTE_MAX = 600
"""Refused publishes and subscriptions of one device in a minute before the alarm."""
REFUSED_TEXT_CHARS_MAX = 1_024
LOG_READ_BYTES_MAX = 1_048_576
LOG_LINE_BYTES_MAX = 1_048_576

# -- computing: requests to hosts that users named
OUTGOING_URL_CHARS_MAX = 2_048
OUTGOING_S_MAX = 30.0
"""Of one request, from the look-up of the name to the last byte of the answer."""
OUTGOING_ANSWER_BYTES_MAX = 16_777_216
OUTGOING_CONNECTIONS_MAX = 8
"""Of one owner at the same time; further requests wait, as part of their time."""

# -- storage: registry
REGISTRY_BUSY_S = 5.0
"""How long a change waits for its turn before it is refused."""
REGISTRY_READERS_MAX = 8
"""Connections for reading per process; further readers wait as long as a change does."""
REGISTRY_LOOKUP_ROWS = 500
"""Addresses asked for in one statement: below the parameter limit of every SQLite in use."""
REGISTRY_WAL_BYTES_MAX = 64_000_000
"""The log is cut back to this size at each checkpoint."""
PROJECTS_MAX = 10_000
PROJECT_NAME_CHARS_MAX = 100
ENDPOINTS_PER_PROJECT_MAX = 100_000
FRIENDLY_NAME_CHARS_MAX = 255
METADATA_BYTES_MAX = 65_536
"""Of one endpoint, as JSON."""
MODEL_BYTES_MAX = 8_000_000
"""Of one endpoint's declared data model, as JSON."""
OVERLAY_SCOPE_CHARS_MAX = ADDRESS_CHARS_MAX + 6
OVERLAYS_PER_ENDPOINT_MAX = 20_000
CLASS_OVERLAYS_MAX = 10_000
DOCUMENT_DEPTH_MAX = 32
CONNECTIONS_MAX = 10_000
CONNECTION_NAME_CHARS_MAX = 100
CONNECTION_BYTES_MAX = 1_000_000
"""Of one connection's document, as JSON."""
SOURCES_MAX = 10_000_000
SOURCE_NAME_CHARS_MAX = 300
USERS_MAX = 100_000
USER_NAME_CHARS_MAX = 255
SAMPLE_BYTES = 32
"""What a sample counts in a project's quota of storage, beside its text."""
SESSIONS_NOTED_MAX = 100_000
"""Of which it is known where they began; those that were not used for longest make way."""
TOKENS_PER_USER_MAX = 1_000
TOKEN_LABEL_CHARS_MAX = 255
TOKEN_SCOPES_BYTES_MAX = 4_096
GRANTS_PER_USER_MAX = 10_000
GROUPS_MAX = 10_000
GROUP_NAME_CHARS_MAX = 100
MEMBERS_PER_GROUP_MAX = 10_000
GROUPS_PER_USER_MAX = 16
"""Each question of rights looks through the grants of all groups of the user."""
GRANTS_PER_GROUP_MAX = 10_000
PERMITS_PER_SUBJECT_MAX = 10_000
SET_PERMITS_PER_SUBJECT_MAX = 50
"""On classes, selections and endpoint groups; each question of rights looks through them."""
SET_MASKS_MAX = 1_000
"""Classes and selections whose points are kept marked, a byte a point each."""
SET_NAME_CHARS_MAX = 100
SELECTIONS_PER_PROJECT_MAX = 1_000
SELECTION_FILTER_BYTES_MAX = 16_384
SELECTION_REVISIONS_MAX = 100
"""Kept; the oldest go."""
ENDPOINT_GROUPS_PER_PROJECT_MAX = 1_000
ENDPOINTS_PER_GROUP_MAX = 100_000
CERTIFICATES_PER_ENDPOINT_MAX = 1_000
PROVISION_BYTES_MAX = 65_536
"""Of the properties that one provision token carries, as JSON."""

MASHUPS_MAX = 10_000
"""Of all projects, deleted ones included."""
MASHUP_NAME_CHARS_MAX = 100
MASHUP_DOCUMENT_BYTES_MAX = 1_048_576
"""Of a document as it is stored, and of a plan each, as JSON."""
MASHUP_VERSIONS_MAX = 1_000
"""Of one mashup."""
MASHUP_NOTE_CHARS_MAX = 1_000

APPLICATIONS_MAX = 10_000
"""Of all projects, deleted ones included."""
APPLICATIONS_PER_PROJECT_MAX = 200
APPLICATION_LIST_BYTES_MAX = 32_768
"""Of one list of addresses, grants or scopes, as JSON."""
SECRETS_IN_FORCE_MAX = 2
"""Of one application: the newest and the one before."""
AUTHORISATIONS_PER_USER_MAX = 20
"""Of one application; a further one ends the oldest."""
CONSENTS_PER_USER_MAX = 200
SIGN_INS_NOTED_MAX = 50_000
"""Beyond it a person is asked to sign in again before an application is let in."""
CODES_MAX = 10_000
DEVICE_REQUESTS_MAX = 2_000
DEVICE_REQUESTS_PER_APPLICATION_MAX = 200
SIGNING_KEYS_MAX = 16
SERVICES_MAX = 2_000
"""Of all applications, removed ones included."""
SERVICES_PER_APPLICATION_MAX = 20
SERVICE_RELEASES_MAX = 100
"""Of one service."""
SERVICE_OPENAPI_BYTES_MAX = 1_048_576
"""Of one release's document, as JSON."""
SERVICE_SCOPES_BYTES_MAX = 16_384
"""Of one release, as JSON."""

# -- storage: history
HISTORY_MEMORY_MB = 512
"""What DuckDB may use; a sort that needs more goes to a temporary file beside the store."""
HISTORY_THREADS = 1
"""Of DuckDB for one statement: a commit that hands its pieces to other threads waits for each of
them, and under load there is no idle processor. Queries run beside each other all the same."""
HISTORY_CURSORS_MAX = 32
"""Queries at work at the same time, the writer's and the sealer's included; others wait."""
HISTORY_SEGMENT_ROWS = 262_144
"""Rows that arrive in one unsorted tail before it is sorted."""
HISTORY_SEGMENT_FAN_IN = 4
"""Sorted segments of one level that are merged into one of the next."""
HISTORY_SEGMENT_LEVELS = 4
"""The largest segments hold ROWS * FAN_IN ** (LEVELS - 1) rows: 16.8 million."""
HISTORY_SEAL_RETRY_S = 30.0
HISTORY_SORT_NICENESS = 10
"""Of the thread that sorts: a tenth of a busy processor, three times what 10,000 rows/s need."""
HISTORY_SORT_BEHIND = 4
"""Tails full of unsorted rows, or times as many segments of a level as are merged, beyond which
sorting is as urgent as anything else: every question about that time reads all of them."""
HISTORY_COPY_WAIT_S = 5.0
"""How long a copy waits for the commit in hand before it gives up."""
HISTORY_COPY_RELEASE_S = 60.0
"""How long it then waits for queries that began meanwhile."""
HISTORY_CHECKPOINT_TRIES = 40
"""5 ms apart; then the checkpoint waits until it has the file for itself."""
HISTORY_TIDY_COMMITS = 10_000
"""Transactions between two rounds of coalescing ranges and dropping what is out of date."""
HISTORY_POINT_ID_MAX = 16_777_215
"""The newest sample of each point is held in arrays of this length at most, 54 bytes a point."""
HISTORY_TIME_MS_MAX = 4_503_599_627_370_496
"""Before and after 1970: as far as every step of a query computes exactly."""
HISTORY_REVISION_MAX = 65_535
"""Further values at the same point and time keep this revision; the newest commit wins."""
HISTORY_COVERAGE_RANGES_MAX = 100_000
"""Far more gaps than a consumer has messages in flight: the oldest gap can't be filled any more."""
HISTORY_JOURNAL_ROWS_KEPT = 200_000
"""Lines that devices wrote about themselves; the oldest go first."""
HISTORY_ASIDE_ROWS_KEPT = 100_000
HISTORY_ASIDE_BYTES_KEPT = 268_435_456
HISTORY_ASIDE_PAGE_MAX = 1_000
HISTORY_RECEIPTS_KEPT = 100_000
HISTORY_RECEIPT_AGE_MS = 604_800_000
"""Seven days, after which a key may be used again."""
HISTORY_RECEIPT_KEY_CHARS_MAX = 200
HISTORY_SERIES_ROWS_MAX = 1_000_000
"""Of one answer, over all its points."""
HISTORY_PARTIALS_BYTES = 64_000_000
"""Of what segments come to in buckets, kept in memory: some 2,000 points' years of 500 buckets."""
HISTORY_PARTIALS_BUCKETS_MAX = 200_000
"""Of one question, over all its points; longer answers are worked out from all samples."""
HISTORY_PARTIALS_SAMPLES_MIN = 4
"""Samples a bucket, on average, that are worth being kept as figures."""
HISTORY_COMMITS_PAGE_ROWS = 50_000
"""Rows read at a time while commits are read back."""
HISTORY_WINDOWS_SAMPLES_PART = 1_000_000
"""Samples that one part of a windowed answer is made of; a group with more is a part by itself."""
HISTORY_WINDOWS_ROWS_PART = 100_000
"""Windows in one part, over all its groups; a group with more is a part by itself."""
HISTORY_WINDOWS_GROUP_SAMPLES_MAX = 2_000_000
"""Of one group, where a measure needs all at once: medians, percentiles, areas and held values."""

# -- storage: objects and jobs
OBJECT_BYTES_MAX = 1_000_000_000
OBJECT_READ_BYTES = 262_144
"""Of one piece on its way to or from the disk."""
OBJECT_KEY_CHARS_MAX = 512
OBJECTS_PER_PROJECT_MAX = 100_000
OBJECT_UPLOAD_AGE_S_MAX = 86_400.0
"""After this an upload that did not end is taken for left behind by a crash."""
JOBS_PER_PROJECT_MAX = 100
JOB_BYTES_MAX = 65_536
"""Of one job's document, as JSON."""
JOB_RUNS_KEPT_MAX = 100
"""Of each job; the oldest are forgotten first."""
JOB_DETAIL_CHARS_MAX = 1_000

COPY_BUSY_S = 10.0
"""How long a copy of a SQLite file waits for who has it locked."""

# -- storage: record
RECORD_ENTRY_BYTES_MAX = 65_536
RECORD_GROUP_BYTES_MAX = 1_048_576
"""Of entries that share one write and one fsync; also the most that a crash can leave torn."""
RECORD_FILE_BYTES_MAX = 67_108_864
"""A file that would grow beyond it is closed and the next one begun."""
RECORD_READ_MAX = 10_000
ACCESS_INDEX_ENTRIES_MAX = 5_000_000
"""Newest entries that can be found by point, subject, kind and time; older ones stay on record."""
ACCESS_INDEX_STEP = 5_000
"""Entries indexed in one transaction."""
ACCESS_POINTS_PER_BUCKET = 256
ACCESS_RANGES_MAX = 1_000
"""Ranges of points of one entry that are indexed: as many as an entry can tell."""
CHECKPOINTS_READ_BYTES = 4_194_304
"""Of the file of checkpoints that are indexed at a time."""
CHECKPOINTS_KEPT = 1_000
"""The newest, in the registry; the file beside the record has one a minute for ever."""
"""Entries of one read."""

# -- sensorisation
PROFILES_PER_CONNECTION_MAX = 100
POINTS_PER_PROFILE_MAX = 1_000
DEVICES_PER_CONNECTION_MAX = 1_000
SAMPLING_INTERVAL_S_MIN = 0.1
SAMPLING_INTERVAL_S_MAX = 86_400.0
STRING_BYTES_MAX = 250
"""Length of a text read from a device: what 125 registers hold."""
TEXT_CHARS_MAX = 1_000
"""Length of a text value that an adapter takes from a document."""
SELECTOR_CHARS_MAX = 500
SELECTOR_STEPS_MAX = 16
"""Of a selector that points into a document."""
SIGHTINGS_PER_LINK_MAX = 200
"""Devices told of that nobody enrolled; the one seen longest ago is forgotten first."""
SIGHTING_POINTS_MAX = 50
SIGHTINGS_BYTES_MAX = 900_000
"""Of one report to core; the last sightings are left out of a longer one."""
SIGHTINGS_KEPT_S = 86_400.0
"""After this a device that was not seen again is no longer listed."""
READINGS_WAITING_MAX = 1_000
"""Of one device that tells by itself; beyond it the oldest are dropped and counted."""
WEB_BODY_BYTES_MAX = 8_388_608
"""Of a document that is polled, packed or unpacked."""
WEB_PARSE_INLINE_BYTES = 65_536
"""A longer document is parsed by a thread, so that no other device waits for it."""
WEB_TTL_S_MAX = 3_600.0
"""How long a feed may say that it does not change."""
MESSAGES_HELD_MAX = 10_000
"""That a broker kept for us, before our devices are subscribed; the rest comes with the next
connection."""
TOPICS_PER_SUBSCRIBE_MAX = 100
HEARTBEAT_S = 10.0
"""Between two proofs that the other side of a channel is there."""
BACKOFF_S_MIN = 1.0
BACKOFF_S_MAX = 300.0
ADAPTER_CALL_S_MAX = 30.0
"""After this an adapter's call counts as unreachable, whatever time-out the adapter has itself."""
RETRY_AFTER_S_MAX = 3_600.0
SETTLE_S_MAX = 60.0
"""What a profile may let a device take before a value that was written reads back."""
READ_BACK_EACH_S = 0.25
ASK_AGAIN_EACH_S = 2.0
"""Between two questions to a device that tells by itself what it has."""
BISECT_REQUESTS_MAX = 64
"""Requests spent in one turn on finding the addresses that a device refuses."""
CANCELS_MAX = 5
"""How often a task is asked to end, a second apart, before it is left behind."""
QUARANTINE_S = 600.0
"""How long a refused address is left alone."""
LATENCIES_KEPT_MAX = 256
FRAME_ROWS_MAX = 1_000
ROWS_WAITING_MAX = 100_000
"""Rows in memory on their way to the spool's disk; above, the oldest are dropped and counted."""
SPOOL_BYTES_MAX = 256 * 1024 * 1024
SPOOL_PAGE_FRAMES = 64
GAPS_KEPT_MAX = 1_000

# -- management: directory
FILTER_TEXT_CHARS_MAX = 300
"""Of one entry of a filter."""
FILTER_TERMS_MAX = 100
"""Entries of a filter, those of its inner filters included."""
FILTER_DEPTH_MAX = 4
FILTER_RADIUS_M_MAX = 20_100_000
"""Beyond it a circle covers the earth."""
FILTER_SILENT_S_MAX = 3_155_760_000
CHANGES_STEP = 1_000
"""Changes read from the registry at a time."""
CHANGES_SCANNED_MAX = 20_000
"""Changes looked through for one page, those of others included."""
DOORSTEP_DEVICES_MAX = 1_000
"""Refused devices remembered as candidates for enrolment."""
DIRECTORY_STALE_TEXTS_MAX = 10_000
"""Texts in the index that no point carries any more, beside as many as there are points."""

# -- management: events
HUB_COMMITS_MAX = 1_024
"""Commits kept in memory for all who follow them."""
HUB_BYTES_MAX = 33_554_432
HUB_TAKE_COMMITS = 64
"""Taken by one follower at a time."""
CATCH_UP_AT_ONCE = 2
"""Followers that read history at the same time."""
CATCH_UP_ROWS = 20_000
"""Read at a time by a follower that is behind; a single commit may have more."""
CATCH_UP_COMMITS = 1_000
LINE_ADDRESSES_CACHED = 200_000
SELECTION_RENEW_S = 0.5
"""A filter's points are found again at most so often; a change of rights holds within a second."""
FEEDS_MAX = 256
FEEDS_PER_USER_MAX = 64
FEED_STALL_S = 10.0
"""A connection that takes nothing for so long is cut."""
FEED_ALIVE_S = 15.0
"""Between two signs of life of a feed that has nothing to tell."""
FEED_EVENT_ROWS_MAX = 1_000
"""Samples of one event."""
FEED_RECORDED_EACH_S = 60.0
"""How often the record is told what a feed or a webhook was sent; once more at its end."""
COMMITS_RECORDED_EACH_S = 1.0
"""How long commits gather before the record is told of them, in one write."""
RUNGS_PAGE = 200
"""Rungs of commands read at a time, and kept in memory for all who follow them."""

# -- management: alarms
ALARM_TEXT_CHARS_MAX = 500
ALARM_FORMULAS_CACHED = 4_096
ALARMS_OPEN_MAX = 10_000
"""A further one is raised as soon as there is room and its point sends again."""
ALARMS_KEPT_MAX = 100_000
"""Closed ones; the oldest make way."""
ALARM_STEPS_KEPT_MAX = 200
"""Of one alarm; the oldest make way."""
ALARM_STEPS_PAGE = 500
ALARM_FLAPS_TOLD = 3
"""Times that an alarm may be raised before it is only counted while it goes on and off."""
ALARM_TELL_MS = 10_000
"""Least time between two steps that are told of an alarm that goes on and off."""
ALARM_FLAP_MS = 300_000
"""Raised again this soon after it was closed, it is the same alarm."""
ALARM_SETTLE_S = 1.0
"""How often what was only counted is looked at, and positions without a step are stored."""

# -- management: subscriptions
SUBSCRIPTIONS_MAX = 1_000
SUBSCRIPTIONS_PER_USER_MAX = 100
SUBSCRIPTION_TITLE_CHARS_MAX = 200
SUBSCRIPTION_FILTER_BYTES_MAX = 16_384
SUBSCRIPTION_WHY_CHARS_MAX = 500
THROTTLE_S_MAX = 86_400.0
THROTTLE_POINTS_MAX = 1_000_000
"""Points whose last delivery is remembered; beyond it all are forgotten and told once more."""
EVENT_SAMPLES_MAX = 1_000
"""Of one CloudEvent."""
DELIVERY_COMMITS_MAX = 64
DELIVERY_SAMPLES_MAX = 5_000
"""Gathered for one delivery; a larger commit is one of its own."""
DELIVERY_BODY_BYTES_MAX = 1_000_000
"""Of one request, unless a single event is larger."""
DELIVERY_S_MAX = 10.0
"""A receiver that has not answered by then is asked again."""
DELIVERY_ANSWER_BYTES_MAX = 65_536
DELIVERY_WAIT_S_MIN = 0.5
"""Before the second try; doubled each time, with jitter."""
DELIVERY_WAIT_S_MAX = 300.0
"""Also the longest that a receiver's Retry-After is heeded."""
DELIVERY_REFUSALS_MAX = 3
"""Tries of what a receiver refuses before it is set aside as a dead letter."""
BREAKER_FAILURES = 5
"""Failures in a row, after which a receiver counts as down."""
BREAKER_WAIT_S_MIN = 30.0
"""Before a receiver that is down is asked again; doubled each time up to DELIVERY_WAIT_S_MAX."""
DEAD_LETTERS_MAX = 100
"""Of one subscription; a further one switches it off instead."""
POSITION_STORED_S = 2.0
"""How often the position of a subscription is stored while nothing of it is delivered."""

# -- management: services
SERVICE_HEALTH_EACH_S = 60.0
SERVICE_CHECKS_AT_ONCE = 8
SERVICE_CHECK_S_MAX = 5.0
SERVICE_ANSWER_BYTES_MAX = 65_536
"""Of a health address; a longer answer counts as none."""

# -- management
PROVISION_TOKEN_LIFE_MS = 24 * 3_600_000
PROPERTIES_PER_BUNDLE_MAX = 64
"""Beside those that every bundle has."""
PROPERTY_CHARS_MAX = 1_024
"""Of a property's name, and of its value."""

# -- management: enrolment
ENROLMENT_ROWS_MAX = 10_000
"""Devices of one sheet."""
ENROLMENT_COLUMNS_MAX = 64
ENROLMENT_CELL_CHARS_MAX = 1_000
ENROLMENT_ERRORS_TOLD_MAX = 20_000
"""Of one sheet, by line and column; how many there are in all is told too."""
ENROLMENT_STEP_ROWS = 500
"""Devices made in one transaction; other changes of the registry wait for it."""
ENROLMENT_PROFILE_BYTES_MAX = 262_144
ENROLMENT_PROFILES_PER_PROJECT_MAX = 200
ENROLMENT_BATCHES_PER_PROJECT_MAX = 1_000
ENROLMENT_TOKEN_DAYS_MAX = 90

# -- management: monitoring
PLATFORM_JOBS_MAX = 1_000
"""Jobs that are points of the project ``platform``, oldest first."""
PLATFORM_BUCKETS_MAX = 1_000
"""Projects whose bucket and jobs are, oldest first."""
JOB_RUNS_READ = 1_000
"""Runs of jobs that are looked through at once."""
SILENCE_SAMPLES_MAX = 1_000_000
"""Of one point that are read for its states; what lies after them counts as not observed."""
