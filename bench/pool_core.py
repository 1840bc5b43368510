"""What the pool's decisions cost, without any cell: microseconds for the life of one run.

    python -m bench.pool_core [--runs 20000] [--cells 2]

One life is a run submitted, started, ended, and its cell ready again. It is measured with an empty
queue, and with many runs of many tenants waiting.
"""

from __future__ import annotations

import argparse
import time
from itertools import count

from bench import measure
from executor.pool.actions import Action, SpawnCell, StartRun
from executor.pool.core import PoolCore
from executor.pool.events import CellReady, PoolDefined, RunEnded, RunSubmitted

POOL = 1
STEP_S = 1e-3


class Rig:
    """A core with cells that do at once what they are told."""

    def __init__(self, cells: int) -> None:
        self.core = PoolCore()
        self.runs = count(1)
        self.now = 0.0
        self.busy: list[tuple[int, int]] = []
        self.note(self.core.handle(PoolDefined(POOL, cells, 1, 1_000_000), self.now))

    def note(self, actions: list[Action]) -> None:
        """Carry out what the core wants."""
        for action in actions:
            if isinstance(action, StartRun):
                self.busy.append((action.cell, action.run_id))
            elif isinstance(action, SpawnCell):
                self.note(self.core.handle(CellReady(action.cell, 4, 0), self.now))

    def submit(self, tenants: int) -> None:
        """Submit one run, for each tenant in turn."""
        number = next(self.runs)
        run = RunSubmitted(number, POOL, f"tenant {number % tenants}", 0, 30.0, 3600.0)
        self.note(self.core.handle(run, self.now))

    def life(self, tenants: int) -> None:
        """Submit a run, and end the one that has been at hand for longest."""
        self.now += STEP_S
        self.submit(tenants)
        cell, run_id = self.busy.pop(0)
        self.note(self.core.handle(RunEnded(cell, run_id), self.now))
        self.note(self.core.handle(CellReady(cell, 4, 0), self.now))
        wake_at = self.core.wake_at()
        if wake_at is not None and wake_at <= self.now:
            self.note(self.core.advance(self.now))


def row(runs: int, cells: int, waiting: int, tenants: int) -> list[str]:
    """Measure one situation."""
    rig = Rig(cells)
    for _ in range(waiting):
        rig.submit(tenants)
    samples_s = []
    for _ in range(runs):
        began = time.perf_counter()
        rig.life(tenants)
        samples_s.append(time.perf_counter() - began)
    spread = measure.Spread.of(samples_s)
    us = (spread.p50_ms * 1e3, spread.p99_ms * 1e3, spread.least_ms * 1e3)
    return [f"{waiting:,} waiting, {tenants:,} tenants", *(f"{each:.1f}" for each in us)]


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--cells", type=int, default=2)
    given = parser.parse_args()

    measure.machine()
    situations = ((0, 1), (1_000, 1), (10_000, 100), (100_000, 1_000))
    rows = [row(given.runs, given.cells, waiting, tenants) for waiting, tenants in situations]
    measure.table(["", "p50 us", "p99 us", "least us"], rows)


if __name__ == "__main__":
    main()
