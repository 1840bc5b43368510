"""Every number the pool decides by, in one frozen object. A size or a wait is always bounded."""

from __future__ import annotations

import math

from executor.restart import BackoffPolicy, BreakerPolicy
from protocol.structs import field, fields_of, frozen


@frozen
class Policy:
    """How the pool treats runs and cells.

    Args:
        soft_grace_s: after a run's `wall_s`, how long its cell may take to end it by itself before
            the pool asks it to.
        kill_grace_s: after a run's `wall_s`, how long until its cell is killed.
        cancel_grace_s: after a cancel, how long until the cell is killed.
        shared_grace_s: how much longer than these a cell of several slots has: its kill costs the
            runs beside the one it is for.
        start_s: how long a cell may take to say that it is ready for the first time.
        restock_s: how long it may take to be ready again after a run.
        cells_min: cells of a pool, spares not counted, that stay when nothing is asked of it.
        idle_s: how long a cell above `cells_min` may wait for a run before it is let go.
        runs_max: runs after which a cell is replaced.
        age_max_s: age at which a cell is replaced.
        heap_growth_bytes_max: growth of its own heap report, for each of its slots, at which a
            cell is replaced, if it keeps no session: those may hold as much as their limits say.
        rss_growth_bytes_max: growth of its resident memory, seen while it idles, at which a cell
            is replaced.
        sessions_per_cell: sessions that one cell keeps at most.
        sessions_max: sessions known at most, lost ones included until the host ends them.
        backoff: the waits between restarts that fail.
        breaker: when a pool stops restarting, and for how long.
        quarantine_crashes: cells that one tenant may crash within `quarantine_window_s`.
        quarantine_window_s: see `quarantine_crashes`.
        quarantine_s: how long the runs of a tenant above that are refused.
        close_s: after a drain's deadline, how long killed cells are waited for.

    Raises:
        ValueError: a number is out of its range; the text names the field.
    """

    soft_grace_s: float = 0.05
    #: A Wasm guest stops within 4 ms of its epoch; the rest is for a starved machine.
    kill_grace_s: float = 0.15
    cancel_grace_s: float = 0.03
    #: A native guest in Python code stops within 5 ms; the rest is for a starved machine.
    shared_grace_s: float = 0.35
    start_s: float = 30.0
    restock_s: float = 10.0
    cells_min: int = 1
    idle_s: float = 60.0
    runs_max: int = 100_000
    age_max_s: float = 24 * 3600.0
    #: A stack that a guest used up stays with its cell, at up to 64 MB, and its stock takes 15.
    heap_growth_bytes_max: int = 96 << 20
    rss_growth_bytes_max: int = 256 << 20
    sessions_per_cell: int = 32
    sessions_max: int = 100_000
    backoff: BackoffPolicy = field(default_factory=BackoffPolicy)
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    quarantine_crashes: int = 10
    quarantine_window_s: float = 10.0
    quarantine_s: float = 10.0
    close_s: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        for name in fields_of(Policy):
            number = getattr(self, name)
            if name.endswith("_s") and not (math.isfinite(number) and number >= 0):
                raise ValueError(f"policy.{name} must be finite and not negative: {number}")
        for name in ("cells_min", "runs_max", "sessions_per_cell", "sessions_max"):
            if getattr(self, name) < 1:
                raise ValueError(f"policy.{name} must be at least 1: {getattr(self, name)}")
        if self.quarantine_crashes < 0:
            raise ValueError(f"policy.quarantine_crashes is negative: {self.quarantine_crashes}")
        if self.kill_grace_s < self.soft_grace_s:
            raise ValueError(
                f"policy.kill_grace_s {self.kill_grace_s} is under soft_grace_s {self.soft_grace_s}"
            )
