"""What is made to exhaust its runner ends as a guest's error or at a limit, and costs no cell."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from executor import Limits, Outcome, Supervisor, Verdict
from tests.executor.bombs import LIMITED, OVERFLOWING, REFUSED
from tests.executor.processes import descendants

PATIENCE_S = 60.0
#: Nothing in `REFUSED` or `OVERFLOWING` is near it, on whatever machine.
UNHURRIED = Limits(wall_s=PATIENCE_S)
SHORT = Limits(wall_s=0.5)


@pytest.fixture(scope="module")
def supervisor() -> Iterator[Supervisor]:
    """Give a supervisor with one cell and its spare, both ready."""
    with Supervisor(cells=1, limits=UNHURRIED) as started:
        until_s = time.monotonic() + PATIENCE_S
        while started.statistics().pools[0].cells_by_state.get("idle", 0) < 2:
            assert started.run("1").value == 1
            assert time.monotonic() < until_s, "the spare cell did not come"
        yield started


def survived(supervisor: Supervisor, source: str, limits: Limits) -> Outcome:
    """Run a bomb, and a run after it, and see that the same processes are alive."""
    before = descendants()

    outcome = supervisor.run(source, limits=limits)

    assert supervisor.run("6 * 7").value == 42
    assert descendants() == before
    pool = supervisor.statistics().pools[0]
    assert (pool.lost, pool.crashes, pool.kills) == ({}, {}, {})
    return outcome


@pytest.mark.parametrize("name", REFUSED)
def test_what_python_turns_down_is_an_exception_of_the_guest(
    supervisor: Supervisor, name: str
) -> None:
    source, errors = REFUSED[name]

    outcome = survived(supervisor, source, UNHURRIED)

    assert outcome.verdict in {Verdict.EXCEPTION, Verdict.MEMORY}
    assert outcome.error
    assert outcome.error.name in errors.split()


@pytest.mark.parametrize("name", LIMITED)
def test_what_has_no_end_meets_a_limit(supervisor: Supervisor, name: str) -> None:
    source, verdicts = LIMITED[name]

    outcome = survived(supervisor, source, SHORT)

    assert outcome.verdict in verdicts


@pytest.mark.parametrize("name", OVERFLOWING)
def test_what_overflows_the_stack_of_a_guest_ends_that_guest_alone(
    supervisor: Supervisor, name: str
) -> None:
    outcome = survived(supervisor, OVERFLOWING[name], UNHURRIED)

    if outcome.verdict is not Verdict.CRASHED:  # the build of a guest decides how deep it can go
        assert outcome.verdict in {Verdict.EXCEPTION, Verdict.MEMORY, Verdict.OK}
        return
    assert outcome.error
    assert outcome.error.message in {"the guest's stack overflowed", "the guest aborted"}


def test_there_are_as_many_as_promised() -> None:
    assert len(REFUSED) + len(LIMITED) >= 40
