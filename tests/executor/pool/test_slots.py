"""A cell of several slots has that many runs at hand, and each of them has its own ending."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from executor.pool import (
    CellReady,
    InterruptRun,
    KillCell,
    MemorySeen,
    Policy,
    RunCancelled,
    RunEnded,
    SpawnCell,
)
from tests.executor.pool.world import World

MIB = 1 << 20


def pool(slots: int, **options: Any) -> World:
    world = World()
    world.pool(slots=slots, **options)
    return world


def test_a_cell_has_as_many_runs_at_hand_as_it_has_slots_and_no_more() -> None:
    world = pool(3)

    runs = [world.submit() for _ in range(4)]

    assert [world.ending_of(run) for run in runs] == ["running"] * 3 + ["waiting"]
    assert world.statistics()["utilisation"] == 0
    assert world.statistics()["cells"][0]["at_hand"] == 3


def test_a_slot_is_taken_until_the_cell_says_ready() -> None:
    world = pool(2)
    runs = [world.submit() for _ in range(3)]

    world.end(runs[0], ready=False)
    assert world.ending_of(runs[2]) == "waiting"
    world.do(CellReady(world.cell_of(runs[0]), 1, 0))

    assert world.ending_of(runs[2]) == "running"
    assert world.ending_of(runs[1]) == "running"


def test_runs_spread_over_idle_cells_before_they_share_one() -> None:
    world = pool(2, cells=2)

    runs = [world.submit() for _ in range(4)]

    cells = [world.cell_of(run) for run in runs]
    assert cells[0] != cells[1]
    assert sorted(cells) == [1, 1, 2, 2]


def test_runs_of_one_session_never_overlap_though_their_cell_has_free_slots() -> None:
    world = pool(3)
    first = world.submit(session=7)
    second = world.submit(session=7)
    other = world.submit(session=8)

    assert world.ending_of(second) == "waiting"
    assert world.ending_of(other) == "running"
    world.end(first, ready=False)
    assert world.ending_of(second) == "running"  # there is a third slot


def test_a_run_past_its_time_costs_its_neighbours_and_says_whose_fault_it_was() -> None:
    world = pool(3)
    slow = world.submit(wall_s=1.0)
    neighbours = [world.submit(wall_s=100.0) for _ in range(2)]

    world.after(2.0)

    assert world.ending_of(slow) == "timeout"
    assert [world.ending_of(run) for run in neighbours] == ["crashed", "crashed"]
    assert world.runs[slow].ending.cause == "killed: it ran past its 1 s"  # type: ignore[union-attr]
    cause = "its cell was killed for another run: killed: it ran past its 1 s"
    assert {world.runs[run].ending.cause for run in neighbours} == {cause}  # type: ignore[union-attr]


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_a_cell_of_several_slots_has_longer_to_end_a_run_before_it_is_killed(
    is_cancelled: bool,
) -> None:
    policy, worlds = Policy(), {slots: pool(slots) for slots in (1, 2)}
    for slots, world in worlds.items():
        run = world.submit(wall_s=1.0)
        if is_cancelled:
            world.do(RunCancelled(run))
        grace_s = policy.cancel_grace_s if is_cancelled else 1.0 + policy.kill_grace_s
        grace_s += policy.shared_grace_s if slots > 1 else 0.0

        world.after(grace_s - 0.001)
        assert world.ending_of(run) == "running"
        world.after(0.002)
        assert world.ending_of(run) == ("cancelled" if is_cancelled else "timeout")


def test_each_run_of_a_cell_is_interrupted_at_its_own_deadline() -> None:
    world = pool(2)
    runs = [world.submit(wall_s=wall_s) for wall_s in (1.0, 2.0)]

    interrupted = [a for a in world.after(1.1) if isinstance(a, InterruptRun)]
    assert [action.run_id for action in interrupted] == [runs[0]]
    world.end(runs[0])
    interrupted = [a for a in world.after(1.0) if isinstance(a, InterruptRun)]

    assert [action.run_id for action in interrupted] == [runs[1]]


def test_a_cell_that_dies_ends_each_of_its_runs_once_and_names_the_doubt() -> None:
    world = pool(3)
    runs = [world.submit("a") for _ in range(3)]

    world.crash(world.cell_of(runs[0]), "killed by signal 11")

    assert [world.ending_of(run) for run in runs] == ["crashed"] * 3
    cause = "killed by signal 11; it had 3 runs, any of which may have ended it"
    assert {world.runs[run].ending.cause for run in runs} == {cause}  # type: ignore[union-attr]
    assert world.statistics()["crashes"] == {"busy": 1}


def test_runs_that_share_a_cell_over_its_cap_on_memory_are_all_told_so() -> None:
    world = pool(2, rss_bytes_max=100 * MIB)
    runs = [world.submit() for _ in range(2)]

    world.do(MemorySeen(world.cell_of(runs[0]), 101 * MIB))

    assert [world.ending_of(run) for run in runs] == ["memory", "memory"]
    assert "together for its 2 runs" in world.runs[runs[0]].ending.cause  # type: ignore[union-attr]


def test_a_cell_that_grows_is_replaced_without_losing_a_run_though_it_never_idles() -> None:
    world = pool(2, spares=1, queue=10, rss_bytes_max=200 * MIB)
    world.crash(2)  # so that one cell serves all
    runs = [world.submit() for _ in range(2)]
    old = world.cell_of(runs[0])
    assert world.cell_of(runs[1]) == old
    world.do(MemorySeen(old, 50 * MIB))

    actions = world.do(MemorySeen(old, 150 * MIB))
    assert [type(action) for action in actions] == [SpawnCell] or world.in_state("starting")
    world.all_ready()
    for _ in range(10):
        run = runs.pop(0)
        world.end(run)
        runs.append(world.submit())
        world.all_ready()
        if old not in world.in_state("busy", "idle", "restocking"):
            break

    assert world.cells[old].state == "dying"
    assert world.statistics()["kills"] == {"rss": 1}
    assert world.statistics()["lost"] == {}
    assert [world.ending_of(run) for run in runs] == ["running", "running"]


def test_the_heap_of_a_cell_may_grow_by_as_much_for_each_of_its_slots() -> None:
    world = World(replace(Policy(), heap_growth_bytes_max=10))
    world.pool(slots=2, spares=0)
    for heap_bytes in (20, 21):
        run = world.submit()
        world.do(RunEnded(1, run))
        actions = world.do(CellReady(1, 1, heap_bytes))

        assert [type(a) for a in actions] == ([SpawnCell] if heap_bytes > 20 else [])


def test_a_spent_cell_finishes_the_runs_it_has_and_gets_no_other() -> None:
    world = pool(2, queue=10)
    runs = [world.submit() for _ in range(3)]
    cell = world.cell_of(runs[0])
    world.do(RunEnded(cell, runs[0]))

    actions = world.do(CellReady(cell, 0, 0, spent=True))
    assert [type(action) for action in actions] == [SpawnCell]
    assert world.ending_of(runs[1]) == "running"
    assert world.ending_of(runs[2]) == "waiting"
    world.all_ready()
    assert world.cell_of(runs[2]) != cell
    actions = world.end(runs[1], ready=False)

    cause = "its cell can serve no more: a guest left something running in it"
    assert KillCell(cell, cause) in actions


def test_a_ready_that_gives_no_slot_back_is_a_report_where_a_cell_has_several() -> None:
    world = pool(2)
    run = world.submit()

    world.do(CellReady(world.cell_of(run), 5, 0))

    assert world.ending_of(run) == "running"
    assert world.statistics()["cells"][0]["stock"] == 5
