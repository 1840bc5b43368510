"""No order of events loses a run, starts one twice, or leaves the pool in a state it cannot leave.

Seeded random events, lies and repetitions among them, from a shell that keeps its own account and
checks every action against it (see `world`).
"""

from __future__ import annotations

import random

import pytest

from executor.pool import (
    CellGone,
    CellReady,
    DrainAsked,
    MemorySeen,
    Policy,
    PoolDefined,
    PoolDropped,
    RunCancelled,
    RunEnded,
    RunSubmitted,
    SessionEnded,
)
from executor.restart import BackoffPolicy, BreakerPolicy
from tests.executor.pool.world import World

#: Small numbers, so that every limit is met often.
RESTLESS = Policy(
    start_s=0.5,
    restock_s=0.3,
    idle_s=0.5,
    runs_max=7,
    age_max_s=8.0,
    heap_growth_bytes_max=50,
    rss_growth_bytes_max=50,
    sessions_per_cell=2,
    sessions_max=12,
    quarantine_crashes=2,
    quarantine_window_s=0.5,
    quarantine_s=0.5,
    close_s=0.2,
    backoff=BackoffPolicy(wait_s=0.01, wait_max_s=0.1),
    breaker=BreakerPolicy(failures_max=3, restarts_max=8, period_s=0.5, open_s=0.1, open_max_s=0.5),
)
TENANTS = ("a", "b", "c", "d", "e")
STEPS_EACH = 1_000


class Chance:
    """Draws events. `calm` chances keep most cells alive, others crash them most of the time."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.world = World(RESTLESS)
        self.crash = self.rng.choice((0.005, 0.02, 0.3))
        self.fresh_tenants = self.rng.random() < 0.5
        #: The pools of the moment: sessions and most runs go to the first. No number comes twice.
        self.homes = [1, 2]
        for pool in self.homes:
            self.define(pool)

    def define(self, pool: int) -> None:
        rng = self.rng
        cells, spares, queue = rng.randint(1, 3), rng.randint(0, 2), rng.choice((0, 1, 6, 20))
        on_demand = pool > 2 and rng.random() < 0.5
        single_use, slots = self.rng.choice(((False, 1), (False, 1), (True, 1), (False, 3)))
        event = PoolDefined(
            pool,
            cells,
            spares,
            queue,
            rss_bytes_max=200,
            on_demand=on_demand,
            single_use=single_use,
            slots=slots,
        )
        self.world.do(event)

    def session(self) -> int:
        return 100 * self.homes[0] + self.rng.randint(1, 15)

    def drop(self) -> None:
        """Drop a pool and define another, sometimes with the runs and sessions that it has."""
        at = self.rng.choice((0, 1))
        self.world.do(PoolDropped(self.homes[at]))
        self.homes[at] = max(self.homes) + 1
        self.define(self.homes[at])

    def step(self) -> None:
        """Do one thing, likely or not."""
        rng, world = self.rng, self.world
        draw = rng.random()
        if draw < 0.3:
            self.submit()
        elif draw < 0.5 and (cells := world.in_state("starting") + world.restocking()):
            cell = rng.choice(cells)
            if rng.random() < self.crash:
                world.do(CellGone(cell, "died", by_us=rng.random() < 0.2))
            else:
                spent = rng.random() < 0.02
                world.do(CellReady(cell, rng.randint(0, 3), rng.randint(0, 60), spent))
        elif draw < 0.7 and (cells := world.in_state("busy")):
            cell = rng.choice(cells)
            if rng.random() < self.crash:
                world.do(CellGone(cell, "died", by_us=rng.random() < 0.2))
            else:
                world.do(RunEnded(cell, rng.choice([*world.cells[cell].runs])))
        elif draw < 0.76 and (cells := world.in_state("dying")):
            world.do(CellGone(rng.choice(cells), "killed", by_us=True))
        elif draw < 0.8 and world.open:
            world.do(RunCancelled(rng.choice([*world.open])))
        elif draw < 0.82:
            world.do(SessionEnded(rng.choice([self.session(), *world.lost_sessions])))
        elif draw < 0.85 and world.cells:
            rss_bytes = rng.choice((0, 10, 60, 100, 200)) + (rng.random() < 0.1)
            world.do(MemorySeen(rng.choice([*world.cells]), rss_bytes))
        elif draw < 0.86:
            self.surprise()
        elif draw < 0.865:
            self.drop()
        elif draw < 0.98:
            world.after(rng.choice((0.0, 0.001, 0.01, 0.1)))
        else:
            world.after(rng.choice((0.3, 1.0)))

    def submit(self) -> None:
        rng = self.rng
        fresh = self.fresh_tenants and rng.random() < 0.3
        session = rng.choice((0, 0, self.session()))
        self.world.submit(
            f"new{rng.random()}" if fresh else rng.choices(TENANTS, (20, 5, 2, 1, 1))[0],
            priority=rng.choices((0, 1, -1), (8, 1, 1))[0],
            session=session,
            wall_s=rng.choice((0.01, 0.1, 1.0)),
            queue_s=rng.choice((0.0, 0.05, 1.0, 10.0)),
            pool=self.homes[0] if session else rng.choice((*self.homes, self.homes[0])),
        )

    def surprise(self) -> None:
        """Say what a shell would not say, or a cell that lies."""
        rng, world = self.rng, self.world
        cell = rng.choice([*world.cells, 0, 10**9])
        run = rng.choice([*world.runs, 10**9])
        event = rng.choice(
            (
                CellReady(cell, 1, 0, rng.random() < 0.2),
                CellGone(cell, "died", by_us=False, blamed=rng.choice((*TENANTS, "", None))),
                PoolDropped(rng.choice((*world.dropped, 10**9))),
                RunSubmitted(world.next_run(), rng.choice((*world.dropped, 10**9)), "a", 0, 1, 1),
                RunEnded(cell, run),
                RunCancelled(run),
                MemorySeen(cell, 10),
            )
        )
        world.do(event)

    def settle(self) -> None:
        """Let every cell behave until nothing is open."""
        world = self.world
        for _ in range(1_000):
            if not world.open:
                return
            for cell in world.in_state("busy"):
                for run in [*world.cells[cell].runs]:
                    world.do(RunEnded(cell, run))
            world.all_ready()
            for cell in world.in_state("dying"):
                world.do(CellGone(cell, "killed", by_us=True))
            if not world.in_state("busy", "starting", "restocking"):
                world.after(0.05)
        raise AssertionError(f"these runs never end: {[*world.open]}")


@pytest.mark.parametrize("seed", range(100))
def test_no_order_of_events_loses_a_run_or_breaks_a_promise(seed: int) -> None:
    chance = Chance(seed)

    for _ in range(STEPS_EACH):
        chance.step()

    if seed % 2:
        chance.settle()
        assert all(known.ending is not None for known in chance.world.runs.values())
    else:
        world = chance.world
        world.do(DrainAsked(chance.rng.choice((0.0, 0.05, 1.0))))
        for _ in range(chance.rng.randint(0, 30)):
            chance.step()
        world.after(5.0)
        assert world.closed()
        assert not world.open
        assert world.core.wake_at() is None
