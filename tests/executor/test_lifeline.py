"""The life of loops: restarted at once, then with longer waits; what has begun is not repeated."""

from __future__ import annotations

import random

import pytest

from executor.lifeline import LOOPS_PER_RUN_MAX, Fate, Lifeline, State
from executor.restart import BackoffPolicy, BreakerPolicy

BACKOFF = BackoffPolicy(wait_s=1.0, wait_max_s=4.0, jitter=0.0)
BREAKER = BreakerPolicy(failures_max=4, restarts_max=5, period_s=10.0, open_s=20.0, open_max_s=80.0)


def lifeline() -> Lifeline:
    return Lifeline(BACKOFF, BREAKER)


def fail_start(line: Lifeline, now: float) -> float:
    """Start when it is due, fail at once; return when."""
    due = line.wake_at()
    assert due is not None
    now = max(now, due)
    assert line.starting(now)
    line.lost("did not start", now)
    return now


def test_the_first_restart_comes_at_once() -> None:
    line = lifeline()
    line.lost("killed", 100.0)

    assert line.wake_at() == 100.0
    assert line.starting(100.0)


def test_failed_restarts_wait_longer_and_longer() -> None:
    line = lifeline()
    line.lost("killed", 100.0)

    now, waits = 100.0, []
    for _ in range(3):
        failed_at = fail_start(line, now)
        due = line.wake_at()
        assert due is not None
        waits.append(due - failed_at)
        now = failed_at

    assert waits == [1.0, 2.0, 4.0]


def test_nothing_is_started_before_its_time_or_twice() -> None:
    line = lifeline()
    assert not line.starting(0.0)
    line.lost("killed", 100.0)
    now = fail_start(line, 100.0)

    assert not line.starting(now + 0.999)
    assert line.starting(now + 1.0)
    assert not line.starting(now + 1.0)


def test_a_loop_that_is_ready_makes_the_next_restart_immediate_again() -> None:
    line = lifeline()
    line.lost("killed", 100.0)
    now = fail_start(line, 100.0)
    assert line.starting(now + 1.0)
    line.ready()
    line.lost("killed", 200.0)

    assert line.wake_at() == 200.0
    assert line.restarts == 1


def test_a_loop_that_was_started_and_has_not_answered_is_no_restart() -> None:
    line = lifeline()
    line.lost("killed", 0.0)
    assert line.starting(0.0)

    assert line.restarts == 0
    assert line.state is State.STARTING


def test_one_failure_too_many_refuses_runs_until_a_loop_is_ready() -> None:
    line = lifeline()
    line.lost("killed", 100.0)
    now = 100.0
    for _ in range(BREAKER.failures_max - 1):
        now = fail_start(line, now)
        assert line.holds
    now = fail_start(line, now)

    assert not line.holds
    assert line.fate(placed=False, loops=1) is Fate.REFUSED
    assert line.wake_at() == now + BREAKER.open_s
    assert line.starting(now + BREAKER.open_s)
    assert not line.holds
    line.ready()
    assert line.holds


def test_loops_that_start_and_die_again_and_again_are_given_up_too() -> None:
    line = lifeline()
    now = 0.0
    for _ in range(BREAKER.restarts_max):
        line.lost("killed", now)
        assert line.holds
        assert line.starting(now)
        line.ready()
        now += 0.1
    line.lost("killed", now)

    assert not line.holds


@pytest.mark.parametrize("loops", [0, 1, LOOPS_PER_RUN_MAX])
def test_a_run_that_was_placed_is_never_sent_again(loops: int) -> None:
    assert lifeline().fate(placed=True, loops=loops) is Fate.LOST


def test_a_run_that_was_not_placed_waits_for_the_next_loop() -> None:
    assert lifeline().fate(placed=False, loops=1) is Fate.WAITS


def test_a_run_under_which_loops_end_goes_to_so_many_and_no_more() -> None:
    line = lifeline()

    assert line.fate(placed=False, loops=LOOPS_PER_RUN_MAX - 1) is Fate.WAITS
    assert line.fate(placed=False, loops=LOOPS_PER_RUN_MAX) is Fate.REFUSED


def test_after_the_close_nothing_is_started_and_nothing_waits() -> None:
    line = lifeline()
    line.lost("killed", 0.0)
    line.close()

    assert line.wake_at() is None
    assert not line.starting(1e9)
    assert line.fate(placed=False, loops=1) is Fate.REFUSED
    line.lost("again", 1.0)
    line.ready()
    assert line.state is State.CLOSED


def test_in_any_order_of_events_a_loop_that_is_down_has_a_time_to_be_started() -> None:
    rng = random.Random(7)
    for _ in range(200):
        line, now = Lifeline(BACKOFF, BREAKER, rng.random), 0.0
        for _ in range(100):
            now += rng.random() * 5
            match rng.randrange(4):
                case 0:
                    line.lost("killed", now)
                case 1:
                    line.starting(now)
                case 2:
                    line.ready()
                case _:
                    now = max(now, line.wake_at() or now)
            due = line.wake_at()
            assert (due is not None) == (line.state is State.DOWN)
            assert due is None or due <= now + BREAKER.open_max_s
            assert line.holds or line.state is not State.UP
