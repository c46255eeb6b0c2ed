"""The bounds of one history store, as one value that a test can make small."""

from __future__ import annotations

from dataclasses import dataclass

from ciaas import limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Meanings and units stand beside the constants in `ciaas.limits`."""

    cursors: int = limits.HISTORY_CURSORS_MAX
    segment_rows: int = limits.HISTORY_SEGMENT_ROWS
    fan_in: int = limits.HISTORY_SEGMENT_FAN_IN
    levels: int = limits.HISTORY_SEGMENT_LEVELS
    tidy_commits: int = limits.HISTORY_TIDY_COMMITS
    point_id: int = limits.HISTORY_POINT_ID_MAX
    revision: int = limits.HISTORY_REVISION_MAX
    coverage_ranges: int = limits.HISTORY_COVERAGE_RANGES_MAX
    aside_rows: int = limits.HISTORY_ASIDE_ROWS_KEPT
    aside_bytes: int = limits.HISTORY_ASIDE_BYTES_KEPT
    aside_page: int = limits.HISTORY_ASIDE_PAGE_MAX
    journal_rows: int = limits.HISTORY_JOURNAL_ROWS_KEPT
    receipts: int = limits.HISTORY_RECEIPTS_KEPT
    receipt_age_ms: int = limits.HISTORY_RECEIPT_AGE_MS
    series_rows: int = limits.HISTORY_SERIES_ROWS_MAX
    partials_bytes: int = limits.HISTORY_PARTIALS_BYTES
    partials_buckets: int = limits.HISTORY_PARTIALS_BUCKETS_MAX
    partials_samples: int = limits.HISTORY_PARTIALS_SAMPLES_MIN
    commits_page_rows: int = limits.HISTORY_COMMITS_PAGE_ROWS
    windows_samples: int = limits.HISTORY_WINDOWS_SAMPLES_PART
    windows_rows: int = limits.HISTORY_WINDOWS_ROWS_PART
    windows_group_samples: int = limits.HISTORY_WINDOWS_GROUP_SAMPLES_MAX
