"""Whom a cell's crash is held against: a tenant, who may end in quarantine, or the pool."""

from __future__ import annotations

from executor.pool.actions import BreakerOpened
from executor.pool.book import Book
from executor.pool.parts import Cell, CellState
from executor.pool.pool import Pool
from executor.pool.quarantine import Quarantine
from executor.pool.shared import Shared


class Blame:
    """Counts the crashes of every pool's cells and draws the consequences."""

    def __init__(
        self, shared: Shared, book: Book, quarantine: Quarantine, pools: dict[int, Pool]
    ) -> None:
        self._shared = shared
        self._book = book
        self._quarantine = quarantine
        self._pools = pools

    def count(
        self, cell: Cell, state: CellState, cause: str, now: float, blamed: str | None = None
    ) -> None:
        """Blame a crash on `blamed`, else on the tenant that ran there last, else on the pool.

        Also where no run was at hand: a guest that owns its cell can answer first and crash it
        then, and must not be able to open the breaker for everybody.
        """
        pool = cell.pool
        pool.meters.crashes[state.value] += 1
        tenant = cell.tenant if blamed is None else blamed
        if tenant is not None:
            if self._quarantine.crashed(tenant, now):
                self._refuse_tenant(tenant, now)
        elif pool.failed(cell, cause, now):
            pool.meters.counts["breaker_opened"] += 1
            self._shared.actions.append(BreakerOpened(pool.defined.pool, cause))
            waiting = [*pool.general.runs(), *pool.openers.runs()]
            self._book.refuse_unplaced(waiting, "breaker_open", cause)

    def _refuse_tenant(self, tenant: str, now: float) -> None:
        detail = self._quarantine.detail(tenant, now)
        for pool in self._pools.values():
            for run in reversed(list(pool.queued.get(tenant, {}).values())):
                self._book.refuse(run, "breaker_open", detail)
