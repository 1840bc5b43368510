"""What the pool does when cells crash: backoff, breaker, quarantine, and what does not count."""

from __future__ import annotations

import dataclasses

from executor.pool import BreakerOpened, CellGone, MemorySeen, PoolDefined, RunCancelled, SpawnCell
from executor.pool.core import PoolCore
from executor.restart import BackoffPolicy, BreakerPolicy
from tests.executor.pool.world import STEADY, World

PATIENT = dataclasses.replace(
    STEADY,
    backoff=BackoffPolicy(wait_s=0.1, wait_max_s=1.0, jitter=0.0),
    breaker=BreakerPolicy(failures_max=100, restarts_max=100, period_s=10.0),
)
FRAGILE = dataclasses.replace(
    STEADY,
    backoff=BackoffPolicy(wait_s=0.1, wait_max_s=1.0, jitter=0.0),
    breaker=BreakerPolicy(failures_max=2, restarts_max=4, period_s=10.0, open_s=2.0),
)
STRICT = dataclasses.replace(
    STEADY, quarantine_crashes=2, quarantine_window_s=10.0, quarantine_s=5.0
)


def spawn_time(world: World) -> float:
    """Return how long it takes until the next cell is started."""
    since = world.now
    while not world.in_state("starting"):
        wake_at = world.core.wake_at()
        assert wake_at is not None
        world.until(wake_at)
    return round(world.now - since, 6)


def break_open(world: World, cause: str = "the image is bad") -> None:
    while world.statistics()["breaker"]["state"] != "open":
        spawn_time(world)
        world.crash(world.in_state("starting")[0], cause)


def test_cells_that_fail_to_start_are_restarted_at_once_then_later_and_later() -> None:
    world = World(PATIENT)
    world.pool(1, ready=False)

    waits = []
    for _ in range(7):
        world.crash(world.in_state("starting")[0])
        waits.append(spawn_time(world))

    assert waits == [0.0, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_a_ready_cell_brings_the_waits_back_to_the_beginning() -> None:
    world = World(PATIENT)
    world.pool(1, ready=False)
    for _ in range(5):
        world.crash(world.in_state("starting")[0])
        spawn_time(world)

    world.all_ready()
    world.crash(world.in_state("idle")[0])

    assert spawn_time(world) == 0.0


def test_a_cell_that_is_only_ready_again_brings_nothing_back() -> None:
    world = World(PATIENT)
    world.pool(2)
    run = world.submit()
    idle = world.in_state("idle")[0]
    for _ in range(4):
        world.crash(idle)
        spawn_time(world)
        (idle,) = world.in_state("starting")

    world.end(run)
    world.crash(idle)

    assert spawn_time(world) == 0.8


def test_while_starts_fail_one_cell_is_tried_and_the_others_follow_when_it_is_ready() -> None:
    world = World(PATIENT)
    world.pool(4, ready=False)
    for cell in world.in_state("starting"):
        world.crash(cell)
    world.after(10.0)
    assert len(world.in_state("starting")) == 1

    world.all_ready()

    assert len(world.in_state("starting")) == 3


def test_cells_that_fail_at_one_blow_are_one_failure() -> None:
    world = World(FRAGILE)
    world.pool(8)

    for cell in world.in_state("idle"):
        world.crash(cell, "the zygote is gone")

    assert world.statistics()["breaker"]["state"] == "closed"
    assert world.statistics()["breaker"]["failures"] == 1
    assert len(world.in_state("starting")) == 1


def test_cells_that_had_to_be_tried_for_are_one_failure_too_when_they_fail_at_one_blow() -> None:
    world = World(PATIENT)
    world.pool(2)
    for cell in world.in_state("idle"):
        world.crash(cell)
    world.all_ready()
    world.all_ready()

    for cell in reversed(world.in_state("idle")):
        world.crash(cell)

    assert world.statistics()["breaker"]["failures"] == 1


def test_a_cell_that_was_tried_for_and_lives_does_not_keep_others_from_being_replaced() -> None:
    world = World(PATIENT)
    world.pool(2)
    first, second = world.in_state("idle")
    world.crash(first)
    world.all_ready()

    world.crash(second)

    assert spawn_time(world) == 0.0


def test_kills_by_us_are_no_failures() -> None:
    world = World(FRAGILE)
    world.pool(1)

    for _ in range(10):
        run = world.submit(wall_s=0.01)
        world.after(1.0)
        assert world.ending_of(run) == "timeout"
        world.do(CellGone(world.in_state("dying")[0], "killed", by_us=True))
        world.all_ready()
        world.do(RunCancelled(world.submit()))
        world.after(1.0)
        world.do(CellGone(world.in_state("dying")[0], "killed", by_us=True))
        assert world.statistics()["breaker"]["failures"] == 0
        assert spawn_time(world) == 0.0
        world.do(CellGone(world.in_state("starting")[0], "the shell restarts", by_us=True))
        assert spawn_time(world) == 0.0
        world.all_ready()

    assert world.core.statistics(world.now)["quarantined"] == []


def test_failures_over_the_limit_open_the_breaker_and_refuse_all_with_the_cause() -> None:
    world = World(FRAGILE)
    world.pool(1, ready=False)
    runs = [world.submit(), world.submit(session=7), world.submit(session=7)]

    break_open(world)

    assert {world.ending_of(r) for r in runs} == {"breaker_open"}
    late = world.submit()
    assert world.ending_of(late) == "breaker_open"
    assert "the image is bad" in str(world.runs[late].ending)
    assert world.ending_of(world.submit(session=8)) == "breaker_open"


def test_opening_the_breaker_is_told_before_the_runs_are_refused() -> None:
    world = World(FRAGILE)
    world.pool(1, ready=False)
    world.submit()
    for _ in range(2):
        world.crash(world.in_state("starting")[0])
        spawn_time(world)

    actions = world.crash(world.in_state("starting")[0], "the image is bad")

    assert repr(actions[0]) == repr(BreakerOpened(1, "the image is bad"))


def test_cells_that_start_and_do_not_last_open_the_breaker_too() -> None:
    world = World(FRAGILE)
    world.pool(1)

    opened = []
    for _ in range(5):
        opened += world.crash(world.in_state("idle")[0])
        world.all_ready()

    assert [type(a) for a in opened] == [SpawnCell] * 4 + [BreakerOpened]


def test_an_open_breaker_tries_one_cell_after_its_wait_and_closes_when_it_is_ready() -> None:
    world = World(FRAGILE)
    world.pool(3, ready=False)
    for cell in world.in_state("starting"):
        world.crash(cell)
    break_open(world)
    assert world.statistics()["breaker"]["state"] == "open"
    assert world.statistics()["breaker"]["retry_in_s"] == 2.0

    assert spawn_time(world) == 2.0
    assert world.statistics()["breaker"]["state"] == "half_open"
    assert len(world.in_state("starting")) == 1
    assert world.ending_of(world.submit()) == "breaker_open"
    world.all_ready()

    assert world.statistics()["breaker"]["state"] == "closed"
    assert world.ending_of(world.submit()) == "running"
    assert len(world.in_state("starting")) == 2


def test_a_probe_that_fails_doubles_the_wait() -> None:
    world = World(FRAGILE)
    world.pool(1, ready=False)
    break_open(world)

    waits = []
    for _ in range(3):
        waits.append(spawn_time(world))
        world.crash(world.in_state("starting")[0])

    assert waits == [2.0, 4.0, 8.0]


def test_a_session_whose_cell_lives_goes_on_while_the_breaker_is_open() -> None:
    world = World(FRAGILE)
    world.pool(2)
    world.end(world.submit(session=7))
    (other,) = [c for c in world.in_state("idle") if c != world.cell_of(1)]
    world.crash(other)
    break_open(world)

    assert world.ending_of(world.submit(session=7)) == "running"
    assert world.ending_of(world.submit()) == "breaker_open"


def test_the_crashes_of_one_tenant_put_it_into_quarantine_and_nobody_else() -> None:
    world = World(STRICT)
    world.pool(1)
    waiting = []
    for _ in range(3):
        run = world.submit("hostile")
        waiting.append(world.submit("hostile"))
        world.crash(world.cell_of(run))
        world.all_ready()
        if world.ending_of(waiting[-1]) == "running":
            world.end(waiting[-1])

    assert world.ending_of(waiting[-1]) == "breaker_open"
    refused = world.submit("hostile")
    assert world.ending_of(refused) == "breaker_open"
    assert "quarantined" in str(world.runs[refused].ending)
    assert world.ending_of(world.submit("other")) == "running"
    assert world.core.statistics(world.now)["quarantined"] == ["hostile"]
    assert world.statistics()["breaker"]["state"] == "closed"


def quarantined(world: World) -> None:
    for _ in range(3):
        world.crash(world.cell_of(world.submit("hostile")))
        world.all_ready()


def test_a_quarantine_ends() -> None:
    world = World(STRICT)
    world.pool(1)
    quarantined(world)

    world.after(4.999)
    assert world.ending_of(world.submit("hostile")) == "breaker_open"
    world.after(0.001)

    assert world.ending_of(world.submit("hostile")) == "running"


def test_the_next_crash_right_after_a_quarantine_leads_back_into_it() -> None:
    world = World(STRICT)
    world.pool(1)
    quarantined(world)
    world.after(5.0)

    world.crash(world.cell_of(world.submit("hostile")))
    world.all_ready()

    assert world.ending_of(world.submit("hostile")) == "breaker_open"


def test_rare_crashes_are_no_reason_for_a_quarantine() -> None:
    world = World(STRICT)
    world.pool(1)

    for _ in range(20):
        run = world.submit("unlucky")
        assert world.ending_of(run) == "running"
        world.crash(world.cell_of(run))
        world.all_ready()
        world.after(5.1)


def test_a_tenant_against_which_nothing_is_held_any_more_is_forgotten() -> None:
    world = World(STRICT)
    world.pool(1)
    quarantined(world)

    world.after(100.0)

    assert not world.core._quarantine.active


def test_a_guest_that_answers_first_and_crashes_its_cell_then_cannot_open_the_breaker() -> None:
    world = World(dataclasses.replace(FRAGILE, quarantine_crashes=2))
    world.pool(1)

    for _ in range(3):
        run = world.submit("sly")
        world.end(run, ready=False)
        world.crash(world.cell_of(run))
        world.all_ready()

    assert world.statistics()["breaker"]["failures"] == 0
    assert world.core.statistics(world.now)["quarantined"] == ["sly"]


def test_a_cell_that_never_had_a_run_and_is_over_its_memory_counts_as_failed() -> None:
    world = World(FRAGILE)
    world.do(PoolDefined(1, 1, 0, 10, rss_bytes_max=1_000))

    for _ in range(3):
        spawn_time(world)
        world.do(MemorySeen(world.in_state("starting")[0], 1_001))

    assert world.statistics()["breaker"]["state"] == "open"


def test_waits_are_shortened_by_chance_so_that_pools_do_not_restart_in_step() -> None:
    policy = dataclasses.replace(PATIENT, backoff=BackoffPolicy(wait_s=0.1, jitter=0.5))
    core = PoolCore(policy, lambda: 0.5)
    core.handle(PoolDefined(1, 1, 0, 10), 0.0)
    core.handle(CellGone(1, "died", by_us=False), 0.0)
    core.handle(CellGone(2, "died", by_us=False), 0.0)

    assert core.wake_at() == 0.1 * 0.75


def test_a_lie_is_held_against_the_tenant_it_was_told_about_not_the_one_there_now() -> None:
    """The host sees a lie after the cell's answer, when another tenant's run may be there."""
    world = World(STRICT)
    world.pool(1)
    for _ in range(3):
        run = world.submit("innocent")
        world.do(CellGone(world.cell_of(run), "it lied", by_us=False, blamed="hostile"))
        world.all_ready()
        world.after(0.1)
        world.all_ready()

    assert world.ending_of(world.submit("hostile")) == "breaker_open"
    assert world.ending_of(world.submit("innocent")) != "breaker_open"
