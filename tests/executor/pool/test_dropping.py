"""A pool that the host drops takes nothing new, keeps no cell, and is forgotten."""

from __future__ import annotations

from executor.pool import (
    CellGone,
    CellReady,
    DrainAsked,
    PoolDefined,
    PoolDropped,
    RunEnded,
    SessionEnded,
)
from tests.executor.pool.world import World


def known(world: World) -> list[int]:
    """Return the pools that the core knows."""
    pools = world.core.statistics(world.now)["pools"]
    assert isinstance(pools, list)
    return [pool["pool"] for pool in pools]


def reap(world: World) -> None:
    for cell in world.in_state("dying"):
        world.do(CellGone(cell, "killed", by_us=True))


def test_the_idle_cells_of_a_dropped_pool_are_killed_and_with_the_last_it_is_forgotten() -> None:
    world = World()
    world.pool(2, spares=1)
    world.pool(1, pool=2)

    world.do(PoolDropped(1))
    assert len(world.in_state("dying")) == 3
    assert known(world) == [1, 2]
    reap(world)

    assert known(world) == [2]
    assert len(world.in_state("idle")) == 1
    world.after(1_000.0)
    assert len(world.cells) == 1


def test_a_pool_without_cells_is_forgotten_at_once() -> None:
    world = World()
    world.do(PoolDefined(1, 2, 0, 10, on_demand=True))

    assert world.do(PoolDropped(1)) == []

    assert known(world) == []
    assert world.core.wake_at() is None


def test_runs_that_wait_for_a_dropped_pool_are_refused_and_the_one_at_hand_ends() -> None:
    world = World()
    world.pool(1)
    running, waiting = world.submit(), world.submit()
    opening = [world.submit(tenant, session=7) for tenant in ("a", "b", "a")]

    world.do(PoolDropped(1))
    late = world.submit()
    assert world.ending_of(running) == "running"
    world.do(RunEnded(world.cell_of(running), running))
    reap(world)

    refused = [world.ending_of(run) for run in (waiting, *opening, late)]
    assert refused == ["draining"] * 5
    assert world.ending_of(running) == "ended"
    assert known(world) == []


def test_a_cell_that_was_starting_for_a_dropped_pool_gets_no_run() -> None:
    world = World()
    world.pool(1, ready=False)
    waiting = world.submit()
    (cell,) = world.in_state("starting")

    world.do(PoolDropped(1))
    world.do(CellReady(cell, 1, 0))

    assert world.ending_of(waiting) == "draining"
    assert world.in_state("dying") == [cell]


def test_a_session_of_a_dropped_pool_is_lost_not_moved() -> None:
    world = World()
    world.pool(1)
    world.end(world.submit(session=7))
    world.do(PoolDropped(1))
    reap(world)
    world.pool(1, pool=2)

    assert world.ending_of(world.submit(session=7, pool=2)) == "session_lost"
    world.do(SessionEnded(7))
    assert world.ending_of(world.submit(session=7, pool=2)) == "running"


def test_the_restart_of_a_failing_pool_ends_with_the_pool() -> None:
    world = World()
    world.pool(1, ready=False)
    for _ in range(3):
        world.after(5.0)
        for cell in world.in_state("starting"):
            world.crash(cell)

    world.do(PoolDropped(1))
    reap(world)

    assert known(world) == []
    assert world.core.wake_at() is None


def test_dropping_twice_or_what_was_never_there_changes_nothing() -> None:
    world = World()
    world.pool(1)
    world.do(PoolDropped(1))
    dying = world.in_state("dying")

    assert world.do(PoolDropped(1)) == []
    assert world.do(PoolDropped(9)) == []
    assert world.in_state("dying") == dying


def test_a_drain_that_finds_a_dropped_pool_still_ends() -> None:
    world = World()
    world.pool(1)
    run = world.submit()
    world.do(PoolDropped(1))
    world.do(DrainAsked(1.0))

    world.do(RunEnded(world.cell_of(run), run))
    reap(world)

    assert world.closed()
