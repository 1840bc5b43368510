"""How many cells there are, and which are let go: never more than allowed, ready before asked."""

from __future__ import annotations

import dataclasses

import pytest

from executor.pool import (
    Action,
    CellReady,
    KillCell,
    MemorySeen,
    Policy,
    RunEnded,
    SessionEnded,
    SpawnCell,
)
from tests.executor.pool.world import STEADY, World


def spawned(actions: list[object]) -> int:
    return sum(isinstance(action, SpawnCell) for action in actions)


def test_all_cells_and_spares_are_started_before_the_first_run() -> None:
    world = World()

    assert spawned([*world.pool(3, spares=2, ready=False)]) == 5
    assert spawned([*world.after(1.0)]) == 0


def test_a_cell_that_is_not_ready_in_time_is_killed_and_replaced() -> None:
    world = World(dataclasses.replace(STEADY, start_s=4.0))
    world.pool(1, ready=False)

    assert world.after(3.999) == []
    actions = world.after(0.001)

    assert repr(actions) == repr(
        [KillCell(1, "the cell was not ready within 4 s"), SpawnCell(2, 1)]
    )


def test_a_cell_that_is_not_ready_again_in_time_is_killed_and_replaced() -> None:
    world = World(dataclasses.replace(STEADY, restock_s=3.0))
    world.pool(1)
    world.end(world.submit(), ready=False)

    assert world.after(2.999) == []
    actions = world.after(0.001)

    assert repr(actions) == repr(
        [KillCell(1, "the cell was not ready within 3 s"), SpawnCell(2, 1)]
    )


def test_cells_that_idle_are_let_go_down_to_the_minimum_and_its_spares() -> None:
    world = World(dataclasses.replace(STEADY, cells_min=2, idle_s=60.0))
    world.pool(5, spares=1)

    world.after(59.0)
    assert len(world.in_state("idle")) == 6
    world.after(1.0)

    assert len(world.in_state("idle")) == 3
    assert world.after(1_000.0) == []


def test_a_cell_that_had_a_run_of_late_is_not_let_go() -> None:
    world = World(dataclasses.replace(STEADY, idle_s=60.0))
    world.pool(4)
    world.after(30.0)
    late = [world.submit(), world.submit()]
    for run in late:
        world.end(run)

    world.after(30.0)

    assert {*world.in_state("idle")} == {world.cell_of(run) for run in late}


def test_a_pool_that_has_shrunk_grows_again_with_what_is_asked() -> None:
    world = World(dataclasses.replace(STEADY, idle_s=60.0))
    world.pool(3, spares=1)
    world.after(200.0)
    assert len(world.in_state("idle")) == 2

    runs = [world.submit() for _ in range(3)]
    world.all_ready()

    assert {world.ending_of(r) for r in runs} == {"running"}
    assert len(world.in_state("idle")) == 1


def test_a_pool_that_has_shrunk_keeps_its_spares_ready_beside_what_runs() -> None:
    world = World(dataclasses.replace(STEADY, idle_s=60.0))
    world.pool(3, spares=1)
    world.after(200.0)

    runs = [world.submit(), world.submit()]

    assert {world.ending_of(r) for r in runs} == {"running"}
    assert len(world.in_state("starting")) == 1


def test_a_cell_that_keeps_a_session_is_not_let_go() -> None:
    world = World(dataclasses.replace(STEADY, idle_s=60.0))
    world.pool(3)
    kept = world.submit(session=7)
    world.end(kept)

    world.after(1_000.0)

    assert world.cell_of(kept) in world.in_state("idle")


def test_dead_cells_that_nobody_reaps_do_not_let_cells_pile_up() -> None:
    world = World(dataclasses.replace(STEADY, quarantine_crashes=1_000))
    world.pool(2, spares=1)

    for _ in range(100):
        world.submit(wall_s=0.001)
        world.after(1.0)
        world.all_ready()

    assert len(world.cells) == 2 * (2 + 1) + 1


@pytest.mark.parametrize(
    ("policy", "cause"),
    [
        (dataclasses.replace(STEADY, runs_max=3), "replaced: runs"),
        (dataclasses.replace(STEADY, heap_growth_bytes_max=20), "replaced: heap"),
    ],
    ids=["runs", "heap"],
)
def test_a_worn_cell_serves_until_its_replacement_is_ready(policy: Policy, cause: str) -> None:
    world = World(policy)
    world.pool(1)
    actions: list[Action] = []
    for heap_bytes in (10, 20, 21):
        run = world.submit()
        assert actions == []
        world.do(RunEnded(1, run))
        actions = world.do(CellReady(1, 1, heap_bytes))
    assert repr(actions) == repr([SpawnCell(2, 1)])
    for _ in range(3):
        assert world.end(world.submit()) == []
    last = world.submit()
    assert world.cell_of(last) == 1

    assert world.do(CellReady(2, 1, 0)) == []
    assert repr(world.do(RunEnded(1, last))) == repr([KillCell(1, cause)])


def test_an_old_cell_is_replaced_while_it_idles_its_replacement_first() -> None:
    world = World(dataclasses.replace(STEADY, age_max_s=100.0, idle_s=1_000.0))
    world.pool(1)

    assert repr(world.after(100.0)) == repr([SpawnCell(2, 1)])
    assert repr(world.do(CellReady(2, 1, 0))) == repr([KillCell(1, "replaced: age")])


def test_old_cells_are_replaced_one_after_the_other() -> None:
    world = World(dataclasses.replace(STEADY, age_max_s=100.0, idle_s=1_000.0))
    world.pool(4)

    assert spawned([*world.after(100.0)]) == 1
    replaced = 0
    while world.in_state("starting"):
        assert len([c for c in world.cells.values() if c.state != "dying"]) <= 5
        world.all_ready()
        replaced += 1

    assert replaced == 4


def test_a_worn_cell_that_dies_before_its_turn_does_not_hold_up_the_others() -> None:
    world = World(dataclasses.replace(STEADY, age_max_s=100.0, idle_s=1_000.0))
    world.pool(3)
    world.after(100.0)

    world.crash(2)
    for _ in range(5):
        world.all_ready()

    assert not {1, 2, 3} & {*world.in_state("idle")}
    assert len(world.in_state("idle")) == 3


def test_resident_memory_that_grows_while_a_cell_idles_has_it_replaced() -> None:
    world = World(dataclasses.replace(STEADY, rss_growth_bytes_max=100))
    world.pool(1)

    assert world.do(MemorySeen(1, 1_000)) == []
    assert world.do(MemorySeen(1, 1_100)) == []
    assert repr(world.do(MemorySeen(1, 1_101))) == repr([SpawnCell(2, 1)])


def test_what_a_run_holds_while_it_runs_is_no_reason_to_replace_its_cell() -> None:
    world = World(dataclasses.replace(STEADY, rss_growth_bytes_max=100))
    world.pool(1)
    world.do(MemorySeen(1, 1_000))
    run = world.submit()

    assert world.do(MemorySeen(1, 5_000)) == []
    assert world.end(run) == []

    assert world.do(MemorySeen(1, 1_000)) == []


def test_a_worn_cell_that_keeps_sessions_is_replaced_after_them_and_takes_no_new_ones() -> None:
    world = World(dataclasses.replace(STEADY, age_max_s=100.0, idle_s=1_000.0))
    world.pool(2)
    first = world.submit(session=1)
    world.end(first)
    kept = world.cell_of(first)
    world.after(100.0)
    world.all_ready()
    world.all_ready()
    assert world.cells[kept].state == "idle"

    second = world.submit(session=2)
    world.end(world.submit(session=1))

    assert world.cell_of(second) != kept
    world.end(second)
    world.do(SessionEnded(1))
    world.all_ready()
    assert world.cells[kept].state == "dying"


def test_a_cell_is_not_worn_by_what_its_sessions_hold() -> None:
    world = World(dataclasses.replace(STEADY, heap_growth_bytes_max=20))
    world.pool(1)
    for session in range(1, 5):
        run = world.submit(session=session)
        world.do(RunEnded(1, run))
        assert world.do(CellReady(1, 1, 100 * session)) == []

    assert world.cell_of(world.submit(session=5)) == 1


def test_a_replacement_that_fails_leaves_the_old_cell_serving() -> None:
    world = World(dataclasses.replace(STEADY, age_max_s=100.0, idle_s=1_000.0))
    world.pool(1)
    world.after(100.0)

    for _ in range(3):
        world.crash(world.in_state("starting")[0])
        world.after(1.0)

    assert world.cells[1].state == "idle"
    assert world.ending_of(world.submit()) == "running"


@pytest.mark.parametrize(
    "numbers",
    [
        {"kill_grace_s": 0.01},
        {"start_s": -1.0},
        {"start_s": float("nan")},
        {"idle_s": float("inf")},
        {"cells_min": 0},
        {"sessions_per_cell": 0},
        {"quarantine_crashes": -1},
    ],
    ids=str,
)
def test_a_policy_that_cannot_be_meant_is_refused(numbers: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(numbers))):
        dataclasses.replace(Policy(), **numbers)  # type: ignore[arg-type] # some are counts
