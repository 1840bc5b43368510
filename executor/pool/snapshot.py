"""The statistics of the pools as a dict that JSON can carry. Read by `executor.statistics`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from executor.pool.parts import Cell, CellState
from executor.pool.pool import Pool
from executor.pool.quarantine import Quarantine
from executor.pool.shared import Shared

#: Tenants listed at most, those with the longest queues first: a snapshot stays small.
TENANTS_MAX = 1_000


class Load(NamedTuple):
    """How busy all pools are: cells of the largest one, those that run guests, runs that wait."""

    cells: int
    busy: int
    queued: int


def load(pools: Iterable[Pool]) -> Load:
    """Return how busy they are. Costs time in proportion to their number."""
    cells = busy = queued = 0
    for pool in pools:
        cells = max(cells, pool.defined.cells_max)
        busy += pool.running
        queued += pool.queued_count
    return Load(cells, busy, queued)


def take(
    pools: Iterable[Pool], quarantine: Quarantine, shared: Shared, now: float
) -> dict[str, object]:
    """Return a snapshot. Costs time in proportion to cells and waiting tenants."""
    return {
        "draining": shared.draining,
        "quarantined": quarantine.tenants(now)[:TENANTS_MAX],
        "pools": [_pool(pool, now) for pool in pools],
    }


def _pool(pool: Pool, now: float) -> dict[str, object]:
    meters = pool.meters
    states = Counter(cell.state for cell in pool.cells.values())
    longest = sorted(pool.queued.items(), key=lambda item: (-len(item[1]), item[0]))
    utilisation, busy_s = meters.utilisation.snapshot(now)
    return {
        "pool": pool.defined.pool,
        "cells_max": pool.defined.cells_max,
        "spares": pool.defined.spares,
        "slots": pool.defined.slots,
        "queue_max": pool.defined.queue_max,
        "cells_wanted": pool.target,
        "cells_by_state": {state.value: states[state] for state in CellState},
        "cells": [_cell(cell, now) for cell in pool.cells.values()],
        "sessions": pool.sessions,
        "queued": pool.queued_count,
        "queued_by_tenant": {tenant: len(runs) for tenant, runs in longest[:TENANTS_MAX]},
        "utilisation": utilisation,
        "busy_s": busy_s,
        "breaker": {
            "state": pool.breaker.state.value,
            "cause": pool.breaker.cause,
            "failures": pool.breaker.failures,
            "retry_in_s": max(0.0, pool.breaker.retry_at - now) if pool.breaker.careful else 0.0,
        },
        "submitted": meters.counts["submitted"],
        "ended": meters.counts["ended"],
        "spawned": meters.counts["spawned"],
        "breaker_opened": meters.counts["breaker_opened"],
        "refused": dict(meters.refused),
        "lost": dict(meters.lost),
        "kills": dict(meters.kills),
        "crashes": dict(meters.crashes),
        "queue_wait": meters.queued.snapshot(),
        "cell_start": meters.cell_start.snapshot(),
        "run": meters.run.snapshot(),
    }


def _cell(cell: Cell, now: float) -> dict[str, object]:
    return {
        "cell": cell.cell,
        "state": cell.state.value,
        "run_id": next(iter(cell.at_hand), 0),
        "at_hand": len(cell.at_hand),
        "age_s": now - cell.spawned_at,
        "runs": cell.runs,
        "sessions": len(cell.sessions),
        "stock": cell.stock,
        "heap_bytes": cell.heap_bytes,
        "rss_bytes": cell.rss_bytes,
        "due": cell.due,
    }
