-- Ranges of stream sequences that commits covered. Appended by each commit, coalesced now and then.
CREATE TABLE ingested (
    stream VARCHAR, created VARCHAR, seq_from UBIGINT, seq_to UBIGINT, received_to TIMESTAMP_MS
);

-- One row per numbered commit.
CREATE TABLE "commit" (
    number UBIGINT, recorded_at TIMESTAMP_MS, rows UINTEGER, repeats UINTEGER
);

-- What has no commit to be counted with: repeats of batches that stored nothing, asides dropped.
CREATE TABLE tally (name VARCHAR, count UBIGINT);

-- The answers given to idempotency keys.
CREATE TABLE receipt (key VARCHAR, digest VARCHAR, commit_no UBIGINT, answered_at TIMESTAMP_MS);

-- Messages, or parts of them, that were set aside.
CREATE TABLE aside (
    number UBIGINT, received_at TIMESTAMP_MS, sequence UBIGINT, topic VARCHAR, reason VARCHAR,
    detail VARCHAR, payload BLOB, endpoint VARCHAR, bytes UINTEGER
);

-- What devices wrote about themselves.
CREATE TABLE journal (
    endpoint VARCHAR, received_at TIMESTAMP_MS, level VARCHAR, logged_at TIMESTAMP_MS,
    message VARCHAR, logger VARCHAR, source VARCHAR
);

-- The tables sample_<number> and what they hold. Level 0 is a tail: unsorted, still growing or
-- waiting to be sealed, its other columns null.
CREATE TABLE segment (
    number UINTEGER, level UTINYINT, rows UBIGINT, observed_from TIMESTAMP_MS,
    observed_to TIMESTAMP_MS, commit_from UBIGINT, commit_to UBIGINT, revised BOOLEAN
);

-- The newest sample of each point among the sealed segments; the columns of a sample table.
CREATE TABLE current (
    point_id UINTEGER, observed_at TIMESTAMP_MS, received_at TIMESTAMP_MS, kind UTINYINT,
    num DOUBLE, txt VARCHAR, verdict UTINYINT, reason USMALLINT, raw VARCHAR, source UINTEGER,
    revision USMALLINT, commit_no UBIGINT
);
