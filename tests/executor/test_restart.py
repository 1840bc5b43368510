"""When something that died is started again, and when no longer."""

from __future__ import annotations

import pytest

from executor.restart import (
    Backoff,
    BackoffPolicy,
    Breaker,
    BreakerPolicy,
    BreakerState,
    RestartBudget,
    system_jitter,
)

STEADY = BackoffPolicy(wait_s=0.1, wait_max_s=1.0, jitter=0.0)


def breaker(**numbers: float) -> Breaker:
    return Breaker(STEADY, BreakerPolicy(**numbers))  # type: ignore[arg-type] # counts are ints


def test_the_first_restart_is_at_once_the_second_waits_and_the_waits_double_to_a_cap() -> None:
    backoff = Backoff(STEADY)

    assert [backoff.fail(50.0) for _ in range(7)] == [0.0, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert backoff.retry_at == 51.0


def test_a_successful_start_brings_the_waits_back_to_the_beginning() -> None:
    backoff = Backoff(STEADY)
    for _ in range(5):
        backoff.fail(0.0)

    backoff.succeed()

    assert [backoff.fail(0.0), backoff.fail(0.0)] == [0.0, 0.1]


@pytest.mark.parametrize(("chance", "wait_s"), [(0.0, 0.4), (0.5, 0.3), (0.999999, 0.2)])
def test_chance_takes_away_at_most_its_share_of_a_wait(chance: float, wait_s: float) -> None:
    backoff = Backoff(BackoffPolicy(wait_s=0.1, wait_max_s=1.0, jitter=0.5), lambda: chance)

    waits = [backoff.fail(0.0) for _ in range(4)]

    assert waits[0] == 0.0
    assert waits[3] == pytest.approx(wait_s, rel=1e-5)


def test_a_million_failures_wait_no_longer_than_the_cap() -> None:
    backoff = Backoff(STEADY)
    backoff.failures = 1_000_000

    assert backoff.fail(0.0) == 1.0


def test_the_jitter_of_the_system_is_a_share() -> None:
    drawn = {system_jitter() for _ in range(100)}

    assert len(drawn) > 90
    assert all(0 <= share < 1 for share in drawn)


def test_the_restart_over_the_budget_of_a_window_is_refused() -> None:
    budget = RestartBudget(restarts_max=3, period_s=5)

    assert [budget.spend(now) for now in (0, 1, 2, 3)] == [True, True, True, False]


def test_restarts_that_the_window_has_left_behind_do_not_count() -> None:
    budget = RestartBudget(restarts_max=1, period_s=5)

    assert all(budget.spend(now) for now in range(0, 600, 6))
    assert not budget.spend(599)


def test_a_budget_of_zero_allows_no_restart() -> None:
    assert not RestartBudget(restarts_max=0, period_s=5).spend(0)


def test_one_failure_in_a_row_over_the_limit_opens_the_breaker() -> None:
    guarded = breaker(failures_max=3, open_s=2.0)

    opened = [guarded.fail(float(now), "bad image") for now in range(4)]

    assert opened == [False, False, False, True]
    assert guarded.state is BreakerState.OPEN
    assert guarded.cause == "bad image"


def test_restarts_that_work_and_do_not_last_open_the_breaker_too() -> None:
    guarded = breaker(failures_max=3, restarts_max=5, period_s=10.0)

    opened = []
    for now in range(6):
        opened.append(guarded.fail(float(now), "dies again"))
        guarded.started()
        if not opened[-1]:
            guarded.succeed()

    assert opened == [False] * 5 + [True]


def test_an_open_breaker_tries_once_after_its_wait_and_waits_twice_as_long_after_a_failure() -> (
    None
):
    guarded = breaker(failures_max=0, open_s=2.0, open_max_s=7.0)
    waits, now = [], 0.0
    for _ in range(4):
        assert guarded.fail(now, "bad")
        waits.append(guarded.retry_at - now)
        assert not guarded.may_start(guarded.retry_at - 0.001)
        now = guarded.retry_at
        assert guarded.may_start(now)
        guarded.started()
        assert guarded.state is BreakerState.HALF_OPEN

    assert waits == [2.0, 4.0, 7.0, 7.0]


def test_a_failure_while_the_breaker_is_open_does_not_prolong_its_wait() -> None:
    guarded = breaker(failures_max=0, open_s=2.0)
    guarded.fail(0.0, "bad")

    assert not guarded.fail(1.5, "another of the same")
    assert guarded.retry_at == 2.0


def test_a_success_closes_the_breaker_and_forgets_what_opened_it() -> None:
    guarded = breaker(failures_max=9, restarts_max=1, period_s=100.0, open_s=2.0)
    guarded.fail(0.0, "bad")
    assert guarded.fail(1.0, "bad")
    guarded.started()

    guarded.succeed()

    assert (guarded.state, guarded.cause, guarded.failures) == (BreakerState.CLOSED, "", 0)
    assert guarded.may_start(1.0)
    assert not guarded.fail(2.0, "bad")
    assert guarded.fail(3.0, "bad")
    assert guarded.retry_at == 5.0


@pytest.mark.parametrize(
    "numbers",
    [
        {"wait_s": 0.0},
        {"wait_s": 2.0, "wait_max_s": 1.0},
        {"wait_max_s": float("inf")},
        {"jitter": 1.01},
        {"jitter": -0.01},
    ],
)
def test_a_backoff_that_cannot_be_meant_is_refused(numbers: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"wait_s|jitter"):
        BackoffPolicy(**numbers)


@pytest.mark.parametrize(
    "numbers",
    [
        {"failures_max": -1},
        {"restarts_max": -1},
        {"period_s": 0.0},
        {"open_s": 0.0},
        {"open_s": 9.0, "open_max_s": 8.0},
    ],
)
def test_a_breaker_that_cannot_be_meant_is_refused(numbers: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"negative|open_s"):
        BreakerPolicy(**numbers)  # type: ignore[arg-type] # counts are ints


@pytest.mark.parametrize(("restarts_max", "period_s"), [(-1, 1.0), (1, 0.0)])
def test_a_budget_that_cannot_be_meant_is_refused(restarts_max: int, period_s: float) -> None:
    with pytest.raises(ValueError, match="need"):
        RestartBudget(restarts_max=restarts_max, period_s=period_s)
