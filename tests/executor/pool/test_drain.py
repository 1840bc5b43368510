"""Closing: nothing new, what can finish does, and an end within the deadline in every state."""

from __future__ import annotations

import dataclasses

import pytest

from executor.pool import CellGone, Closed, DrainAsked, PoolDefined, RunCancelled
from executor.restart import BreakerPolicy
from tests.executor.pool.world import STEADY, World


def reap(world: World) -> None:
    for cell in world.in_state("dying"):
        world.do(CellGone(cell, "killed", by_us=True))


def test_an_idle_supervisor_closes_when_its_cells_are_reaped() -> None:
    world = World()
    world.pool(2, spares=1)

    world.do(DrainAsked(10.0))
    assert len(world.in_state("dying")) == 3
    assert not world.closed()
    reap(world)

    assert world.closed()
    assert world.core.wake_at() is None


def test_a_supervisor_without_pools_closes_at_once() -> None:
    world = World()

    assert repr(world.do(DrainAsked(10.0))) == repr([Closed()])


def test_new_runs_are_refused_and_waiting_ones_still_run() -> None:
    world = World()
    world.pool(1)
    running, waiting = world.submit(), world.submit()

    world.do(DrainAsked(10.0))
    late = world.submit()
    world.end(running)
    assert world.ending_of(waiting) == "running"
    world.end(waiting)
    reap(world)

    assert [world.ending_of(r) for r in (running, waiting, late)] == ["ended", "ended", "draining"]
    assert world.closed()


def test_a_cell_stays_until_the_waiting_runs_of_its_sessions_have_run() -> None:
    world = World()
    world.pool(1)
    first, second = world.submit(session=7), world.submit(session=7)
    world.do(DrainAsked(10.0))

    world.end(first)
    assert world.ending_of(second) == "running"
    world.end(second)
    reap(world)

    assert world.closed()


def test_at_the_deadline_what_waits_is_refused_and_what_runs_is_lost() -> None:
    world = World()
    world.pool(1)
    running, waiting = world.submit(wall_s=1_000.0), world.submit()
    world.do(DrainAsked(2.0))

    world.after(1.999)
    assert world.ending_of(running) == "running"
    world.after(0.001)

    assert [world.ending_of(r) for r in (running, waiting)] == ["cancelled", "draining"]
    reap(world)
    assert world.closed()


def test_cells_that_nobody_reaps_do_not_keep_it_from_closing() -> None:
    world = World(dataclasses.replace(STEADY, close_s=1.5))
    world.pool(2)
    world.submit()
    world.do(DrainAsked(2.0))

    world.after(3.499)
    assert not world.closed()
    world.after(0.001)

    assert world.closed()


def test_no_cell_is_started_for_a_supervisor_that_closes_and_has_nothing_waiting() -> None:
    world = World()
    world.pool(2)
    run = world.submit(wall_s=1.0)
    world.do(DrainAsked(10.0))

    world.after(5.0)

    assert world.ending_of(run) == "timeout"
    assert world.in_state("starting") == []


def test_a_cell_that_dies_while_it_drains_is_replaced_for_what_waits() -> None:
    world = World()
    world.pool(1)
    world.submit()
    waiting = world.submit()
    world.do(DrainAsked(10.0))

    world.crash(1)
    world.all_ready()

    assert world.ending_of(waiting) == "running"


def test_a_pool_lets_go_of_its_cells_when_the_last_waiting_run_is_cancelled() -> None:
    world = World()
    world.pool(2, ready=False)
    run = world.submit()
    world.do(DrainAsked(10.0))
    assert world.in_state("dying") == []

    world.do(RunCancelled(run))

    assert len(world.in_state("dying")) == 2


def test_asking_again_can_only_bring_the_deadline_nearer() -> None:
    world = World()
    world.pool(1)
    run = world.submit(wall_s=1_000.0)
    world.do(DrainAsked(10.0))
    world.do(DrainAsked(1.0))
    world.do(DrainAsked(100.0))

    world.after(1.0)

    assert world.ending_of(run) == "cancelled"


@pytest.mark.parametrize("state", ["starting", "idle", "busy", "restocking", "dying", "backoff"])
def test_it_closes_within_its_deadline_whatever_its_cells_do(state: str) -> None:
    world = World(dataclasses.replace(STEADY, breaker=BreakerPolicy(failures_max=0, open_s=50.0)))
    world.pool(1, ready=state != "starting")
    if state == "backoff":
        world.crash(1)
    elif state not in {"starting", "idle"}:
        run = world.submit(session=3, wall_s=1_000.0 if state == "busy" else 1.0)
        if state == "restocking":
            world.end(run, ready=False)
        elif state == "dying":
            world.after(2.0)

    world.do(DrainAsked(1.0))
    world.after(1.0 + STEADY.close_s)

    assert world.closed()
    assert not world.open


def test_a_closed_supervisor_does_nothing_more_than_refuse() -> None:
    world = World()
    world.pool(1)
    world.do(DrainAsked(0.0))
    world.after(10.0)
    assert world.closed()

    assert world.do(PoolDefined(2, 3, 0, 10)) == []
    assert world.ending_of(world.submit()) == "draining"
    assert world.do(DrainAsked(1.0)) == []
    assert world.core.wake_at() is None
