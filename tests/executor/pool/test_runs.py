"""What the pool promises about a run, from its submission to its one ending."""

from __future__ import annotations

import typing

import pytest

from executor.pool import (
    CellGone,
    CellReady,
    InterruptRun,
    KillCell,
    LoseRun,
    MemorySeen,
    PoolDefined,
    RunCancelled,
    RunEnded,
    SpawnCell,
    StartRun,
)
from executor.pool.actions import Reason
from protocol.messages import Refused, Verdict
from tests.executor.pool.world import STEADY, World


def kinds(actions: list[object]) -> list[type]:
    return [type(action) for action in actions]


def test_a_run_starts_only_on_a_cell_that_said_it_is_ready() -> None:
    world = World()
    world.pool(1, ready=False)
    run = world.submit()
    assert world.ending_of(run) == "waiting"

    actions = world.do(CellReady(1, 1, 0))

    assert repr(actions) == repr([StartRun(1, run, 0.0)])


def test_a_run_that_finds_an_idle_cell_starts_at_once() -> None:
    world = World()
    world.pool(1)

    assert world.ending_of(world.submit()) == "running"


def test_a_cell_takes_its_next_run_when_it_is_ready_again_and_not_when_it_answers() -> None:
    world = World()
    world.pool(1)
    first, second = world.submit(), world.submit()

    assert world.do(RunEnded(1, first)) == []
    world.after(0.5)
    actions = world.do(CellReady(1, 1, 0))

    assert repr(actions) == repr([StartRun(1, second, 0.5)])


def test_no_more_runs_run_at_once_than_the_pool_has_cells_spares_or_not() -> None:
    world = World()
    world.pool(2, spares=3)

    runs = [world.submit() for _ in range(4)]

    assert [world.ending_of(r) for r in runs] == ["running", "running", "waiting", "waiting"]


def test_the_run_over_the_limit_of_the_queue_is_refused_at_once_and_no_other() -> None:
    world = World()
    world.pool(1, queue=2)

    runs = [world.submit() for _ in range(4)]

    assert [world.ending_of(r) for r in runs] == ["running", "waiting", "waiting", "queue_full"]


def test_a_queue_of_zero_serves_runs_that_need_not_wait() -> None:
    world = World()
    world.pool(1, queue=0)

    assert world.ending_of(world.submit()) == "running"
    assert world.ending_of(world.submit()) == "queue_full"


def test_a_run_waits_for_a_cell_as_long_as_it_said_and_no_longer() -> None:
    world = World()
    world.pool(1)
    world.submit(wall_s=100.0)
    run = world.submit(queue_s=2.0)

    world.after(1.999)
    assert world.ending_of(run) == "waiting"
    world.after(0.001)

    assert world.ending_of(run) == "queue_timeout"


def test_a_run_that_waits_not_at_all_is_refused_or_started() -> None:
    world = World()
    world.pool(1)

    started, refused = world.submit(queue_s=0.0), world.submit(queue_s=0.0)
    world.after(0.0)

    assert [world.ending_of(r) for r in (started, refused)] == ["running", "queue_timeout"]


def test_a_run_of_a_pool_that_does_not_exist_is_refused() -> None:
    world = World()
    world.pool(1)

    assert world.ending_of(world.submit(pool=7)) == "breaker_open"


def test_pools_share_neither_cells_nor_queues() -> None:
    world = World()
    world.pool(1, queue=0, pool=1)
    world.pool(1, queue=0, pool=2)

    runs = [world.submit(pool=1), world.submit(pool=2), world.submit(pool=1)]

    assert [world.ending_of(r) for r in runs] == ["running", "running", "queue_full"]


def test_ten_thousand_runs_of_one_tenant_delay_the_single_run_of_another_by_at_most_one() -> None:
    world = World()
    world.pool(2, queue=10_001)
    world.core.check = lambda: None  # type: ignore[method-assign] # reading 10,000 runs each step
    world._check = lambda: None  # type: ignore[method-assign]
    many = [world.submit("many") for _ in range(10_000)]

    single = world.submit("single")
    ended = 0
    for run in many:
        if world.ending_of(single) != "waiting":
            break
        world.end(run)
        ended += 1

    assert ended <= 1


# --- deadlines -----------------------------------------------------------------------------------
def test_a_run_that_its_cell_does_not_end_is_interrupted_and_then_its_cell_is_killed() -> None:
    world = World()
    world.pool(1)
    run = world.submit(wall_s=5.0)
    started_at = world.now

    soft = world.until(started_at + 5.0 + STEADY.soft_grace_s)
    hard = world.until(started_at + 5.0 + STEADY.kill_grace_s)

    assert repr(soft) == repr([InterruptRun(1, run, Verdict.TIMEOUT)])
    assert kinds([*hard]) == [KillCell, LoseRun, SpawnCell]
    assert world.ending_of(run) == "timeout"


def test_the_deadline_counts_from_the_start_and_not_from_the_submission() -> None:
    world = World()
    world.pool(1)
    first, second = world.submit(wall_s=100.0), world.submit(wall_s=1.0)
    world.after(50.0)
    world.end(first)

    world.after(1.0)
    assert world.ending_of(second) == "running"
    world.after(STEADY.kill_grace_s)

    assert world.ending_of(second) == "timeout"


def test_nothing_is_due_before_its_moment() -> None:
    world = World()
    world.pool(1)
    world.submit(wall_s=5.0)

    assert world.until(world.now + 5.0 + STEADY.soft_grace_s - 1e-6) == []


def test_a_killed_run_is_answered_and_its_cell_replaced_before_the_dead_one_is_reaped() -> None:
    world = World()
    world.pool(1)
    run, next_run = world.submit(wall_s=1.0), world.submit()
    world.after(1.0 + STEADY.kill_grace_s)
    assert world.ending_of(run) == "timeout"
    assert [c.state for c in world.cells.values()] == ["dying", "starting"]

    world.do(CellReady(2, 1, 0))

    assert world.ending_of(next_run) == "running"
    assert world.do(CellGone(1, "killed", by_us=True)) == []


def test_with_a_spare_the_next_run_starts_in_the_same_step_as_the_kill() -> None:
    world = World()
    world.pool(1, spares=1)
    world.submit(wall_s=1.0)
    next_run = world.submit()

    actions = world.until(world.now + 1.0 + STEADY.kill_grace_s)

    assert kinds([*actions]) == [InterruptRun, KillCell, LoseRun, StartRun, SpawnCell]
    assert world.ending_of(next_run) == "running"


def test_an_answer_in_the_grace_counts_and_keeps_the_cell() -> None:
    world = World()
    world.pool(1)
    run = world.submit(wall_s=1.0)
    world.after(1.0 + STEADY.soft_grace_s)

    world.end(run)
    actions = world.after(10.0)

    assert world.ending_of(run) == "ended"
    assert actions == []
    assert world.in_state("idle") == [1]


def test_an_answer_after_the_kill_changes_nothing() -> None:
    world = World()
    world.pool(1)
    run = world.submit(wall_s=1.0)
    world.after(2.0)

    assert world.core.runs_of(1) == ()
    assert world.do(RunEnded(1, run)) == []
    assert world.do(CellReady(1, 1, 0)) == []
    assert world.ending_of(run) == "timeout"


def test_a_shell_that_wakes_late_kills_at_once() -> None:
    world = World()
    world.pool(1)
    run = world.submit(wall_s=1.0)
    world.now += 60.0

    actions = world.core.advance(world.now)

    assert kinds([*actions]) == [KillCell, LoseRun, SpawnCell]
    assert isinstance(actions[1], LoseRun)
    assert (actions[1].run_id, actions[1].ran_s) == (run, 60.0)


# --- cancelling, in every state ------------------------------------------------------------------
def test_a_waiting_run_is_refused_when_it_is_cancelled_and_the_others_go_on() -> None:
    world = World()
    world.pool(1)
    first, second, third = world.submit(), world.submit(), world.submit()

    world.do(RunCancelled(second))
    world.end(first)

    assert world.ending_of(second) == "cancelled"
    assert world.ending_of(third) == "running"


def test_a_running_run_is_asked_to_end_and_then_its_cell_is_killed() -> None:
    world = World()
    world.pool(1)
    run = world.submit()

    asked = world.do(RunCancelled(run))
    killed = world.after(STEADY.cancel_grace_s)

    assert repr(asked) == repr([InterruptRun(1, run, Verdict.CANCELLED)])
    assert kinds([*killed]) == [KillCell, LoseRun, SpawnCell]
    assert world.ending_of(run) == "cancelled"


def test_a_cell_that_answers_a_cancelled_run_in_time_is_kept() -> None:
    world = World()
    world.pool(1)
    run = world.submit()
    world.do(RunCancelled(run))

    world.end(run)

    assert world.after(10.0) == []
    assert world.in_state("idle") == [1]


def test_cancelling_twice_asks_once_and_does_not_prolong_the_grace() -> None:
    world = World()
    world.pool(1)
    run = world.submit()
    world.do(RunCancelled(run))
    world.after(STEADY.cancel_grace_s / 2)

    assert world.do(RunCancelled(run)) == []
    world.after(STEADY.cancel_grace_s / 2)

    assert world.ending_of(run) == "cancelled"


def test_cancelling_does_not_prolong_a_deadline() -> None:
    world = World()
    world.pool(1)
    run = world.submit(wall_s=1.0)
    world.after(1.0 + STEADY.kill_grace_s - STEADY.cancel_grace_s / 2)

    world.do(RunCancelled(run))
    world.after(STEADY.cancel_grace_s / 2)

    assert world.ending_of(run) == "timeout"


def test_a_run_cancelled_before_its_deadline_is_cancelled_and_not_timed_out() -> None:
    world = World()
    world.pool(1)
    run = world.submit(wall_s=1.0)
    world.after(1.0)

    world.do(RunCancelled(run))
    world.after(1.0)

    assert world.ending_of(run) == "cancelled"


def test_cancelling_what_has_ended_or_never_was_is_harmless() -> None:
    world = World()
    world.pool(1)
    run = world.submit()
    world.end(run)

    assert world.do(RunCancelled(run)) == []
    assert world.do(RunCancelled(999)) == []


# --- cells that die or lie under a run -----------------------------------------------------------
def test_a_cell_that_dies_costs_its_own_run_alone() -> None:
    world = World()
    world.pool(2)
    lost, other, waiting = world.submit(), world.submit(), world.submit()

    actions = world.crash(world.cell_of(lost), "killed by signal 9")

    assert repr(actions[0]) == repr(LoseRun(lost, Verdict.CRASHED, "killed by signal 9", 0.0))
    assert [world.ending_of(r) for r in (other, waiting)] == ["running", "waiting"]


def test_a_run_whose_cell_died_is_never_started_again() -> None:
    world = World()
    world.pool(1)
    run = world.submit()
    world.crash(world.cell_of(run))

    world.all_ready()

    assert world.in_state("idle") == [2]
    assert world.ending_of(run) == "crashed"


def test_a_run_that_no_cell_had_begun_outlives_the_cell_it_waited_for() -> None:
    world = World()
    world.pool(1, ready=False)
    run = world.submit()

    world.crash(1)
    world.all_ready()

    assert world.ending_of(run) == "running"


@pytest.mark.parametrize(
    ("asked", "ending"), [(False, "crashed"), (True, "cancelled")], ids=["alone", "cancelled"]
)
def test_a_cell_that_dies_while_it_is_asked_to_end_its_run_gives_the_verdict_asked_for(
    asked: bool, ending: str
) -> None:
    world = World()
    world.pool(1)
    run = world.submit()
    if asked:
        world.do(RunCancelled(run))

    world.crash(1)

    assert world.ending_of(run) == ending


def test_a_cell_that_answers_another_run_is_killed_and_its_run_is_lost() -> None:
    world = World()
    world.pool(2)
    run, other = world.submit(), world.submit()

    actions = world.do(RunEnded(world.cell_of(run), other))

    assert kinds([*actions])[:2] == [KillCell, LoseRun]
    assert [world.ending_of(r) for r in (run, other)] == ["crashed", "running"]


def test_a_cell_that_answers_twice_is_killed() -> None:
    world = World()
    world.pool(1)
    run = world.submit()
    world.end(run)

    assert KillCell in kinds([*world.do(RunEnded(1, run))])


def test_a_cell_that_says_ready_in_the_middle_of_a_run_is_killed() -> None:
    world = World()
    world.pool(1)
    run = world.submit()

    world.do(CellReady(1, 1, 0))

    assert world.ending_of(run) == "crashed"
    assert world.cells[1].state == "dying"


def test_memory_over_the_cap_kills_the_cell_and_the_verdict_says_memory() -> None:
    world = World()
    world.do(PoolDefined(1, 1, 0, 10, rss_bytes_max=1_000))
    world.all_ready()
    run = world.submit()

    world.do(MemorySeen(1, 1_000))
    assert world.ending_of(run) == "running"
    world.do(MemorySeen(1, 1_001))

    assert world.ending_of(run) == "memory"
    assert world.cells[1].state == "dying"


def test_reports_about_cells_that_are_no_more_are_harmless() -> None:
    world = World()
    world.pool(1)
    world.crash(1)
    world.all_ready()

    for event in (
        CellReady(1, 1, 0),
        RunEnded(1, 1),
        MemorySeen(1, 1),
        CellGone(1, "", by_us=True),
    ):
        assert world.do(event) == []


def test_every_reason_to_refuse_is_one_the_protocol_knows() -> None:
    of_a_link = ("unsupported", "unreachable")
    ours = typing.get_args(Reason.__value__)

    assert (*ours, *of_a_link) == typing.get_args(typing.get_type_hints(Refused)["reason"])
