"""What the pool promises about sessions: one cell, in order, and never a silent fresh start."""

from __future__ import annotations

import dataclasses

from executor.pool import CellReady, DropSession, RunCancelled, RunEnded, SessionEnded, StartRun
from tests.executor.pool.world import STEADY, World

CROWDED = dataclasses.replace(STEADY, sessions_per_cell=2)


def test_all_runs_of_a_session_go_to_the_cell_of_its_first() -> None:
    world = World()
    world.pool(3)
    first = world.submit(session=7)
    world.end(first)
    for _ in range(3):
        world.submit()

    second = world.submit(session=7)

    assert world.ending_of(second) == "waiting"
    for _ in range(20):
        for cell in world.in_state("busy"):
            world.end(world.cells[cell].run)
    assert world.ending_of(second) == "ended"
    assert world.cell_of(second) == world.cell_of(first)


def test_a_session_waits_for_its_cell_while_other_runs_pass_on_other_cells() -> None:
    world = World()
    world.pool(2)
    world.submit(session=7)

    second, other = world.submit(session=7), world.submit()

    assert [world.ending_of(r) for r in (second, other)] == ["waiting", "running"]


def test_runs_of_a_session_that_has_no_cell_yet_keep_together_and_in_order() -> None:
    world = World()
    world.pool(2, ready=False)
    runs = [world.submit(session=7) for _ in range(3)]
    world.all_ready()

    order = []
    for _ in range(3):
        (cell,) = world.in_state("busy")
        order.append(world.cells[cell].run)
        world.end(order[-1])

    assert order == runs
    assert len({world.cell_of(r) for r in runs}) == 1


def test_the_next_run_opens_a_session_whose_first_run_was_cancelled() -> None:
    world = World()
    world.pool(1, ready=False)
    first, second = world.submit(session=7), world.submit(session=7)

    world.do(RunCancelled(first))
    world.all_ready()

    assert [world.ending_of(r) for r in (first, second)] == ["cancelled", "running"]


def test_a_session_none_of_whose_runs_began_was_never_there() -> None:
    world = World()
    world.pool(1, ready=False)
    world.do(RunCancelled(world.submit(session=7)))
    world.crash(1)
    world.all_ready()

    assert world.ending_of(world.submit(session=7)) == "running"


def test_other_runs_avoid_cells_that_keep_sessions_while_another_is_idle() -> None:
    world = World()
    world.pool(3)
    kept = world.submit(session=7)
    world.end(kept)

    others = [world.submit(), world.submit()]

    assert world.cell_of(kept) not in {world.cell_of(r) for r in others}


def test_other_runs_use_cells_that_keep_sessions_where_no_other_is_idle() -> None:
    world = World()
    world.pool(1)
    world.end(world.submit(session=7))

    assert world.ending_of(world.submit()) == "running"


def test_new_sessions_go_where_the_fewest_are() -> None:
    world = World()
    world.pool(3)

    for session in range(1, 7):
        world.end(world.submit(session=session))

    assert [len(cell.sessions) for cell in world.cells.values()] == [2, 2, 2]


def test_a_cell_keeps_as_many_sessions_as_it_may_and_the_next_finds_none() -> None:
    world = World(CROWDED)
    world.pool(2)
    for session in range(1, 5):
        assert world.ending_of(world.submit(session=session)) == "running"
        world.end(len(world.runs))

    assert world.ending_of(world.submit(session=5)) == "queue_full"
    assert world.ending_of(world.submit(session=1)) == "running"


def test_a_session_that_finds_only_full_cells_waits_until_one_is_started_for_it() -> None:
    world = World(dataclasses.replace(CROWDED, idle_s=5.0))
    world.pool(2)
    world.after(5.0)
    (kept,) = world.in_state("idle")
    for session in (1, 2):
        world.end(world.submit(session=session))

    third = world.submit(session=3)
    world.all_ready()

    assert world.ending_of(third) == "running"
    assert world.cell_of(third) != kept


def test_ending_a_session_makes_room_for_another() -> None:
    world = World(CROWDED)
    world.pool(1)
    for session in (1, 2):
        world.end(world.submit(session=session))

    actions = world.do(SessionEnded(1))

    assert repr(actions) == repr([DropSession(1, 1)])
    assert world.ending_of(world.submit(session=3)) == "running"


def test_a_session_ended_in_the_middle_of_its_run_is_dropped_after_it() -> None:
    world = World()
    world.pool(1)
    run = world.submit(session=7)

    assert world.do(SessionEnded(7)) == []
    assert world.do(SessionEnded(7)) == []
    actions = world.do(RunEnded(1, run))

    assert repr(actions) == repr([DropSession(1, 7)])


def test_a_session_that_is_being_ended_takes_no_more_runs() -> None:
    world = World()
    world.pool(1)
    world.submit(session=7)
    queued = world.submit(session=7)

    world.do(SessionEnded(7))

    assert world.ending_of(queued) == "cancelled"
    assert world.ending_of(world.submit(session=7)) == "session_lost"


def test_ending_a_session_that_waits_for_a_cell_refuses_its_runs() -> None:
    world = World()
    world.pool(1, ready=False)
    runs = [world.submit(session=7) for _ in range(3)]

    world.do(SessionEnded(7))
    world.all_ready()

    assert {world.ending_of(r) for r in runs} == {"cancelled"}
    assert world.in_state("idle") == [1]


def test_a_lost_cell_loses_its_sessions_and_says_so_until_the_host_ends_them() -> None:
    world = World()
    world.pool(1)
    world.submit(session=7)
    queued = world.submit(session=7)

    world.crash(1, "killed by signal 11")
    world.all_ready()

    assert world.ending_of(queued) == "session_lost"
    later = world.submit(session=7)
    assert world.ending_of(later) == "session_lost"
    assert "signal 11" in str(world.runs[later].ending)
    world.do(SessionEnded(7))
    assert world.ending_of(world.submit(session=7)) == "running"


def test_a_session_is_lost_also_when_its_cell_dies_idle() -> None:
    world = World()
    world.pool(1)
    world.end(world.submit(session=7))

    world.crash(1)
    world.all_ready()

    assert world.ending_of(world.submit(session=7)) == "session_lost"


def test_a_session_ended_during_its_last_run_is_forgotten_with_its_cell() -> None:
    world = World()
    world.pool(1)
    world.submit(session=7)
    world.do(SessionEnded(7))

    world.crash(1)
    world.all_ready()

    assert world.ending_of(world.submit(session=7)) == "running"


def test_lost_sessions_count_until_they_are_ended_and_the_one_over_the_limit_is_refused() -> None:
    world = World(dataclasses.replace(STEADY, sessions_max=2))
    world.pool(1)
    for session in (1, 2):
        world.submit(session=session)
        world.crash(world.in_state("busy")[0])
        world.all_ready()

    assert world.ending_of(world.submit(session=3)) == "queue_full"
    world.do(SessionEnded(1))
    assert world.ending_of(world.submit(session=3)) == "running"


def test_ending_a_session_that_never_was_is_harmless() -> None:
    world = World()
    world.pool(1)

    assert world.do(SessionEnded(7)) == []


def test_a_session_gets_no_more_than_its_turn_from_a_cell_that_others_want_too() -> None:
    world = World()
    world.pool(1, queue=200)
    world.submit("loud", session=7)
    loud = [world.submit("loud", session=7) for _ in range(100)]
    single = world.submit("single")

    world.do(RunEnded(1, world.cells[1].run))
    actions = world.do(CellReady(1, 1, 0))
    if world.ending_of(single) == "waiting":
        world.end(world.cells[1].run)

    assert isinstance(actions[0], StartRun)
    assert world.ending_of(single) == "running"
    assert {world.ending_of(r) for r in loud[1:]} == {"waiting"}


def test_a_session_run_waits_for_a_free_place_even_if_its_own_cell_is_idle() -> None:
    world = World()
    world.pool(1, spares=1)
    kept = world.submit(session=7)
    world.end(kept)
    other = world.submit()
    assert world.cell_of(other) != world.cell_of(kept)

    second = world.submit(session=7)
    assert world.ending_of(second) == "waiting"
    world.do(RunEnded(world.cell_of(other), other))

    assert world.ending_of(second) == "running"
