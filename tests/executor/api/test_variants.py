"""What a supervisor may be told of its cells: how many sessions they keep, how guests are ended."""

from __future__ import annotations

import pytest

from executor import Limits, Misuse, Supervisor, Verdict
from executor.pools import SESSIONS_PER_CELL_MAX


@pytest.mark.parametrize("given", [0, -1, SESSIONS_PER_CELL_MAX + 1, True, "many"])
def test_a_number_of_sessions_that_no_cell_can_keep_is_refused(given: object) -> None:
    with pytest.raises(Misuse, match="sessions_per_cell"):
        Supervisor(sessions_per_cell=given)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", ["", "soft", None])
def test_a_way_to_end_guests_that_there_is_not_is_refused(given: object) -> None:
    with pytest.raises(Misuse, match='interrupt: must be "epoch" or "kill"'):
        Supervisor(interrupt=given)  # type: ignore[arg-type]


def test_a_cell_keeps_as_many_sessions_as_it_was_told_to_and_no_more() -> None:
    """More than fit into what a cell may take of memory beside them: the image counts for each."""
    wanted = 48
    with Supervisor(cells=1, sessions_per_cell=wanted) as supervisor:
        sessions = [supervisor.session() for _ in range(wanted)]
        for number, session in enumerate(sessions):
            assert session.run(f"x = {number}").ok
        beyond = supervisor.session()
        with pytest.raises(Exception, match="no cell has room for another session"):
            beyond.run("1")

        assert [session.run("x").value for session in sessions] == list(range(wanted))
        sessions.pop().close()
        assert beyond.run("1 + 1").value == 2


@pytest.fixture(scope="module")
def killing() -> Supervisor:
    return Supervisor(cells=1, interrupt="kill", limits=Limits(wall_s=0.2))


def test_a_guest_without_epoch_checks_is_ended_with_its_cell(killing: Supervisor) -> None:
    with killing as supervisor:
        said = supervisor.run("print('begun', flush=True)\nwhile True: pass")
        after = supervisor.run("6 * 7")
        pool = supervisor.statistics().pools[0]

    assert said.verdict is Verdict.TIMEOUT
    assert said.stdout == "begun\n"
    assert after.value == 42
    assert sum(pool.kills.values()) == 1
