"""A cell of single use serves one run, or the runs of one session, and no other after it."""

from __future__ import annotations

from executor.pool import CellReady, KillCell, RunEnded, SessionEnded, SpawnCell
from tests.executor.pool.world import World


def bury(world: World) -> None:
    for cell in world.in_state("dying"):
        world.crash(cell)


def test_a_cell_of_single_use_is_ended_with_its_run_and_another_is_started_at_once() -> None:
    world = World()
    world.pool(2, single_use=True)
    run = world.submit()
    cell = world.cell_of(run)

    actions = world.end(run, ready=False)

    assert [type(action) for action in actions] == [KillCell, SpawnCell]
    assert actions[0] == KillCell(cell, "it has served its run")
    assert world.statistics()["kills"] == {"used": 1}
    assert world.statistics()["crashes"] == {}


def test_runs_one_after_another_find_a_spare_waiting_each_time() -> None:
    world = World()
    world.pool(1, spares=1, single_use=True)

    for _ in range(50):
        run = world.submit()
        assert world.ending_of(run) == "running"
        world.end(run)
        world.all_ready()
        bury(world)

    assert world.statistics()["spawned"] == 52


def test_used_cells_that_are_never_reaped_are_not_replaced_without_end() -> None:
    world = World()
    world.pool(1, single_use=True, queue=1_000)
    for _ in range(100):
        world.submit()

    for _ in range(100):
        for cell in world.in_state("busy"):
            world.end(world.cells[cell].run)
        world.all_ready()

    assert len(world.cells) == 3
    bury(world)
    assert len(world.cells) == 1


def test_a_session_has_a_cell_of_single_use_for_itself_until_it_is_ended() -> None:
    world = World()
    world.pool(1, single_use=True)
    first = world.submit(session=7)
    cell = world.cell_of(first)
    world.end(first)
    world.all_ready()

    stranger = world.submit()
    assert world.cell_of(stranger) != cell
    world.end(stranger)
    second = world.submit(session=7)
    assert world.cell_of(second) == cell
    world.end(second)
    actions = world.do(SessionEnded(7))

    assert KillCell(cell, "it has served its run") in actions


def test_cells_that_sessions_keep_take_no_place_from_other_runs() -> None:
    world = World()
    world.pool(1, spares=1, single_use=True)
    for session in range(1, 21):
        world.end(world.submit(session=session))
        world.all_ready()
    assert len(world.cells) == 22

    for _ in range(5):
        run = world.submit()
        assert world.ending_of(run) == "running"
        world.end(run)
        world.all_ready()


def test_sessions_that_run_in_their_own_cells_make_no_others_wanted() -> None:
    world = World()
    world.pool(3, single_use=True)
    for session in (1, 2, 3):
        world.end(world.submit(session=session))
        world.all_ready()
    world.after(world.policy.idle_s + 1)
    bury(world)
    assert len(world.cells) == 4  # each session's, and one

    for session in (1, 2, 3):
        world.submit(session=session)

    assert len(world.in_state("busy")) == 3
    assert len(world.cells) == 4


def test_a_session_beyond_those_a_pool_may_keep_is_refused() -> None:
    world = World()
    world.pool(1, single_use=True)
    most = world.policy.sessions_per_cell
    for session in range(1, most + 1):
        world.end(world.submit(session=session))
        world.all_ready()

    refused = world.submit(session=most + 1)

    assert world.ending_of(refused) == "queue_full"
    world.do(SessionEnded(1))
    assert world.ending_of(world.submit(session=most + 2)) == "running"


def test_a_session_that_is_ended_during_its_run_frees_its_cell_after_it() -> None:
    world = World()
    world.pool(1, single_use=True)
    run = world.submit(session=7)
    cell = world.cell_of(run)
    assert not world.do(SessionEnded(7))

    actions = world.end(run, ready=False)

    assert KillCell(cell, "it has served its run") in actions


def test_a_cell_that_says_it_is_spent_is_replaced_and_held_against_nobody() -> None:
    world = World()
    world.pool(1)
    run = world.submit("a")
    cell = world.cell_of(run)
    world.do(RunEnded(cell, run))

    actions = world.do(CellReady(cell, 0, 0, spent=True))

    assert [type(action) for action in actions] == [KillCell, SpawnCell]
    assert world.statistics()["kills"] == {"spent": 1}
    assert world.statistics()["crashes"] == {}


def test_the_session_of_a_spent_cell_is_lost() -> None:
    world = World()
    world.pool(1)
    run = world.submit(session=7)
    cell = world.cell_of(run)
    world.do(RunEnded(cell, run))
    world.do(CellReady(cell, 0, 0, spent=True))
    world.all_ready()

    assert world.ending_of(world.submit(session=7)) == "session_lost"


def test_a_cell_that_is_spent_before_any_run_counts_as_one_that_failed_to_start() -> None:
    world = World()
    world.pool(1)

    for _ in range(20):
        for cell in world.in_state("starting", "idle"):
            world.do(CellReady(cell, 0, 0, spent=True))
        bury(world)

    assert world.statistics()["spawned"] == 2
    assert world.statistics()["crashes"] == {"idle": 1, "starting": 1}
