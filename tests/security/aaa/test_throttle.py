"""Guessing becomes slow, in bounded memory."""

from __future__ import annotations

import pytest

from security.aaa import throttle as throttle_module
from security.aaa.errors import Throttled
from security.aaa.throttle import Throttle
from security.limits import SIGN_IN_FAILURES_FREE, SIGN_IN_FORGET_S, SIGN_IN_WAIT_S_MAX
from tests.security.aaa.moved_clock import MovedClock


@pytest.fixture
def throttle(clock: MovedClock) -> Throttle:
    return Throttle(clock.now_ms)


def wait_s(throttle: Throttle, key: str) -> int:
    """Return how long the key has to wait at present; an attempt is counted when it need not."""
    try:
        throttle.attempt(key)
    except Throttled as refused:
        return refused.retry_after_s
    return 0


def test_waits_double_up_to_the_bound(throttle: Throttle, clock: MovedClock) -> None:
    assert [wait_s(throttle, "anna") for _ in range(SIGN_IN_FAILURES_FREE)] == [0] * 5
    waits = []
    for _ in range(40):
        waits.append(wait_s(throttle, "anna"))
        clock.advance(waits[-1])
        assert wait_s(throttle, "anna") == 0
    assert waits[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert set(waits[8:]) == {SIGN_IN_WAIT_S_MAX}
    assert wait_s(throttle, "bert") == 0


def test_refused_attempts_do_not_lengthen_the_wait(throttle: Throttle, clock: MovedClock) -> None:
    for _ in range(SIGN_IN_FAILURES_FREE):
        throttle.attempt("anna")
    for _ in range(10):
        assert wait_s(throttle, "anna") == 1
    clock.advance(1)
    assert wait_s(throttle, "anna") == 0


def test_success_and_time_clear_the_past(throttle: Throttle, clock: MovedClock) -> None:
    for _ in range(SIGN_IN_FAILURES_FREE):
        throttle.attempt("anna")
    throttle.succeed("anna")
    assert wait_s(throttle, "anna") == 0
    for _ in range(SIGN_IN_FAILURES_FREE - 1):
        throttle.attempt("anna")
    clock.advance(SIGN_IN_FORGET_S + 0.001)
    assert [wait_s(throttle, "anna") for _ in range(SIGN_IN_FAILURES_FREE)] == [0] * 5
    assert wait_s(throttle, "anna") == 1


def test_a_clock_set_back_lengthens_no_wait(throttle: Throttle, clock: MovedClock) -> None:
    for _ in range(SIGN_IN_FAILURES_FREE):
        throttle.attempt("anna")
    clock.advance(-86_400)
    assert wait_s(throttle, "anna") == SIGN_IN_WAIT_S_MAX
    clock.advance(SIGN_IN_WAIT_S_MAX)
    assert wait_s(throttle, "anna") == 0


def test_the_memory_is_bounded_and_forgets_the_oldest(
    throttle: Throttle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle_module, "SIGN_IN_NAMES_MAX", 3)
    for key in ("anna", *"bcd") * SIGN_IN_FAILURES_FREE:
        throttle.attempt(key)
        assert len(throttle) <= 3
    assert wait_s(throttle, "anna") == 0
