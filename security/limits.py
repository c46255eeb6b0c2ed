"""Every bound of this layer, by name. A test reaches each of them."""

from __future__ import annotations

# -- passwords
PASSWORD_CHARS_MIN = 12
PASSWORD_CHARS_MAX = 128
PASSWORD_PIECES_MIN = 5
"""What is tried first counts as one piece each, any other character as one."""
PASSWORD_HASHES_AT_ONCE = 2
"""Each takes 64 MiB and some tenths of a second on four lanes."""
PASSWORD_WAIT_S = 5.0
"""A sign-in that finds no free place within this time is turned away."""

# -- accounts
USER_NAME_CHARS_MAX = 64
TOKEN_LABEL_CHARS_MAX = 100
TOKENS_ISSUED_PER_USER_MAX = 50
"""In force at a time, sign-ins apart."""
SIGN_INS_PER_USER_MAX = 20
"""In force at a time; a further one ends the oldest."""
TOKEN_LIFE_S_MAX = 10 * 366 * 86_400
SIGN_IN_LIFE_S = 12 * 3_600
PRINCIPALS_CACHED_MAX = 10_000

# -- throttling of sign-ins, per name and source
SIGN_IN_FAILURES_FREE = 5
"""Failures in a row before the first wait."""
SIGN_IN_WAIT_S_FIRST = 1
"""Doubled at each further failure."""
SIGN_IN_WAIT_S_MAX = 60
SIGN_IN_FORGET_S = 900
"""A failure this old counts no more."""
SIGN_IN_NAMES_MAX = 10_000
"""Names and sources remembered; the one that failed longest ago is forgotten first."""
SOURCE_FAILURES_FREE = 100
"""Failures of one address, whatever the names: a town hall may stand behind one."""
CODE_FAILURES_FREE = 10
"""Wrong codes behind a right password, from wherever they come."""
DEVICE_PROOF_LIFE_S = 180 * 86_400
"""How long a browser that somebody signed in at is known."""
DEVICE_PROOF_CHARS_MAX = 256
PASSWORD_HASHES_RESERVED = 1
"""Kept for devices that are known, however many strangers try."""

# -- second factor
CODE_STEP_S = 30
CODE_DRIFT_STEPS = 1
"""How far a person's clock may be off, either way."""
RECOVERY_CODES = 10

# -- invitations
INVITATION_LIFE_S = 7 * 86_400
INVITATION_LIFE_S_MAX = 30 * 86_400
INVITATIONS_PENDING_MAX = 1_000
INVITATION_NOTE_CHARS_MAX = 200

# -- sessions
USES_WAITING_MAX = 20_000
"""Last uses that wait to be written; one more is written with the next."""

# -- quotas
QUOTA_MAX = 10**15
QUOTA_WINDOW_S = 10
"""Over which messages per second are counted."""
QUOTA_REST_S = 30
"""How long devices of a project beyond its quota of messages stay outside."""
QUERY_WINDOW_MINUTES = 60

# -- certificates
CERTIFICATE_REQUEST_BYTES_MAX = 16_384
DEVICE_CERTIFICATE_DAYS = 30
DEVICE_CERTIFICATE_DAYS_MIN = 7
DEVICE_CERTIFICATE_DAYS_MAX = 30
RENEWAL_SHARE = 2 / 3
"""Of a certificate's life, after which it is renewed."""
EXPIRY_GRACE_S = 5
"""How long a session may outlive its certificate."""
SERVER_CERTIFICATE_DAYS = 90
SERVER_CERTIFICATE_DAYS_MAX = 825
SERVER_NAMES_MAX = 100
"""Names and addresses in one server certificate."""
AUTHORITY_DAYS = 20 * 365
"""Of a root."""
ISSUING_DAYS = 5 * 365
GENERATIONS_MAX = 100
"""Roots that one home may have had."""
RSA_BITS_MIN = 2_048
RSA_BITS_MAX = 8_192
"""A longer key only costs the broker time at each handshake."""

# -- the log of accesses
PROOF_BYTES_MAX = 2_000
"""Of the proof that an entry of the record was signed for; with 2**20 entries in its tree too."""
ACCESS_RANGES_TOLD_MAX = 1_000
"""Ranges of point numbers in one entry of the record: 20 kB at most."""

# -- key ring
KEY_FILE_BYTES_MAX = 65_536
KEY_VERSIONS_MAX = 100
"""Of the ring, and of each named key; a rotation beyond it is refused."""
DATA_SUBJECTS_MAX = 10_000
"""Of all projects, the erased ones too."""
DATA_SUBJECT_CHARS_MAX = 128
KEYS_PER_PROJECT_MAX = 1_000
"""Named keys."""
KEY_INPUT_BYTES_MAX = 65_536
"""What a named key encrypts or signs at a time."""
KEY_CONTEXT_CHARS_MAX = 1_024
PASSPHRASE_CHARS_MIN = 12
PASSPHRASE_CHARS_MAX = 256
"""Of the key ring."""
UNLOCK_MEMORY_KIB_MAX = 1_048_576
"""What a key file may ask for: a damaged one must not take the machine's memory."""
UNLOCK_PASSES_MAX = 100
UNLOCK_LANES_MAX = 64
REWRAP_STEP = 100
"""Secrets wrapped anew in one transaction; the registry serves others between two."""
REWRAP_PAUSE_S = 0.01
REWRAP_FAILURES_TOLD_MAX = 20
"""Places named whose secret does not open; the rest is only counted."""

# -- dependability
FAILURES_SUFFICIENT = 10
"""Fewer make no mean that one could rely on; a report then says so, with their number."""
STATE_CAUSE_CHARS_MAX = 200
REPORT_RESOURCES_MAX = 5_000
"""Of one report; a larger city is reported by kind or by endpoint."""

# -- rights
SUBJECT_CHARS_MAX = 400
CLAIM_CHARS_MAX = 200
"""Of the name of a claim, and of its value."""
PURPOSE_CHARS_MAX = 64
PARTIES_CACHED_MAX = 1_000
"""Callers with subjects beside their user whose grants are kept merged."""
DECIDERS_TOLD_MAX = 16
"""Grants that one line of the record names for a read of many points."""

# -- applications and their tokens
APPLICATION_NAME_CHARS_MAX = 100
REDIRECT_URIS_MAX = 20
"""Of one application; and as many addresses after signing out."""
REDIRECT_URI_CHARS_MAX = 1_024
SECRET_OVERLAP_S_MAX = 30 * 86_400
USE_NOTED_EACH_S = 60
"""The time of the last use is written no more often."""
SIGNED_TOKEN_CHARS_MAX = 4_096
ACCESS_TOKEN_LIFE_S = 600
CLOCKS_APART_S = 5
"""A token issued so far in the future is still taken: clocks are set back now and then."""
CODE_LIFE_S = 60
DEVICE_CODE_LIFE_S = 900
DEVICE_POLL_S = 5
"""A device that asks more often has to wait longer from then on."""
DEVICE_POLL_S_MAX = 60
OFFLINE_LIFE_S = 30 * 86_400
"""Of an authorisation that outlives its sign-in; then the person is asked again."""
ID_TOKEN_LIFE_S = 600
JWKS_LIFE_S = 600
"""How long others may keep the public keys; a new key signs from then on."""
SIGNING_KEY_DAYS = 90
SIGNING_KEY_KEPT_S = 86_400
"""A key stays published so long after another one took its place."""
PARAMETER_CHARS_MAX = 2_048
"""Of one parameter of a request to the provider."""
PARAMETERS_MAX = 40
