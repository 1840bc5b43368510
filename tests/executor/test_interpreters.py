"""Interpreters under a real supervisor: cells come and go beneath the runs, and none is lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import pytest

from executor import Limits, RunHandle, SessionLost, Supervisor, Verdict
from executor.pool import Policy

RUNS = 120
#: What a cell of two slots may grow by before it is replaced, and what it holds at its beginning.
BUDGET_BYTES = 2 * Policy().heap_growth_bytes_max
BASE_BYTES = 128 << 20


@pytest.fixture(scope="module")
def supervisor() -> Iterator[Supervisor]:
    with Supervisor(kind="interpreter", cells=2, limits=Limits(wall_s=60.0)) as supervisor:
        yield supervisor


def test_runs_in_a_row_stay_within_the_budget_of_their_cells_and_none_is_lost() -> None:
    most_bytes = 0
    with Supervisor(kind="interpreter", cells=2) as supervisor:
        at_hand: deque[RunHandle] = deque()
        for number in range(RUNS):
            at_hand.append(supervisor.start("import json\nnumber * 2", inputs={"number": number}))
            if len(at_hand) == 4:
                assert at_hand.popleft().result().value == 2 * (number - 3)
            if number % 10 == 0:
                cells = supervisor.statistics().pools[0].cells
                most_bytes = max(most_bytes, *(cell.heap_bytes for cell in cells))
        assert all(handle.result().verdict is Verdict.OK for handle in at_hand)
        pool = supervisor.statistics().pools[0]

    assert pool.ended == RUNS
    assert not pool.lost
    assert not pool.crashes
    assert most_bytes < BASE_BYTES + BUDGET_BYTES


def test_a_crash_costs_the_runs_of_its_tenant_alone_and_each_is_told(
    supervisor: Supervisor,
) -> None:
    functions = {"wait": lambda: None}
    wait = "import host, time\nhost.wait()\nwhile True: time.sleep(1)"
    neighbour = supervisor.start(wait, tenant="a", functions=functions, limits={"wall_s": 30})
    other = supervisor.start("import time; time.sleep(1); 5", tenant="b")
    culprit = supervisor.run("import ctypes; ctypes.string_at(0)", tenant="a")

    assert culprit.verdict is Verdict.CRASHED
    if culprit.error is not None and "any of which may have ended it" in culprit.error.message:
        assert neighbour.result().verdict is Verdict.CRASHED
    else:
        neighbour.cancel()  # they were in two cells
    assert other.result().value == 5
    assert supervisor.run("1", tenant="a").value == 1


def test_two_tenants_never_share_a_cell(supervisor: Supervisor) -> None:
    source = "from cellblock_shared import SharedArray\nSharedArray('n', 1).add(0, 1)"
    with supervisor.session(tenant="c") as first, supervisor.session(tenant="d") as second:
        assert first.run(source).value == 0
        assert second.run(source).value == 0


def test_a_thread_left_behind_costs_its_session_and_nobody_else(supervisor: Supervisor) -> None:
    source = "import _thread, time\n_thread.start_new_thread(time.sleep, (600,)); 5"
    with supervisor.session(tenant="e") as session:
        assert session.run(source).value == 5
        with pytest.raises(SessionLost):
            session.run("1")

    assert supervisor.run("2", tenant="e").value == 2


def test_runs_that_interrupt_no_neighbour_end_at_their_own_deadlines(
    supervisor: Supervisor,
) -> None:
    slow = supervisor.start("while True: pass", tenant="f", limits={"wall_s": 1.0})
    steady = supervisor.start("import time; time.sleep(2); 7", tenant="f")

    assert slow.result().verdict is Verdict.TIMEOUT
    assert steady.result().value == 7
