"""How cells come to their ends, and what becomes of the runs that they had.

Rule 1: the runs of a cell end when it is killed, not when it is reaped, each with one ending.
Rule 2: a run is told whether the cell was killed for it or for another. Where a cell of several
runs died by itself nobody can know, and each of them is told so.
"""

from __future__ import annotations

from executor.pool.blame import Blame
from executor.pool.book import Book
from executor.pool.events import CellGone, MemorySeen
from executor.pool.parts import Cell, CellState, Run
from executor.pool.pool import Pool
from executor.pool.shared import Shared
from protocol.messages import Verdict

_SPENT = "its cell can serve no more: a guest left something running in it"


class Deaths:
    """Kills cells, notes their deaths, and sees to their places."""

    def __init__(self, shared: Shared, book: Book, blame: Blame) -> None:
        self._shared = shared
        self._book = book
        self._blame = blame

    def gone(self, event: CellGone, now: float) -> Pool | None:
        """Note that a cell is no more; return its pool if it was known."""
        cell = self._shared.cells.get(event.cell)
        if cell is None:
            return None
        state, runs = cell.state, list(cell.at_hand.values())
        self._book.lose_sessions(cell, event.cause)
        cell.pool.gone(cell, event.cause, now)
        if state is not CellState.DYING:
            cause = event.cause
            if len(runs) > 1:
                cause += f"; it had {len(runs)} runs, any of which may have ended it"
            for run in runs:
                self._book.lose(run, run.interrupted or Verdict.CRASHED, cause, now)
            if not event.by_us:
                self._blame.count(cell, state, event.cause, now, event.blamed)
            cell.pool.place(now)
        cell.pool.fill(now)
        return cell.pool

    def break_(self, cell: Cell, why: str, cause: str, now: float) -> None:
        """Kill a living cell that failed by itself."""
        state = cell.state
        self.kill(cell, why, Verdict.CRASHED, cause, now)
        self._blame.count(cell, state, cause, now)
        self.refill(cell.pool, now)

    def kill(
        self,
        cell: Cell,
        why: str,
        verdict: Verdict,
        cause: str,
        now: float,
        *,
        culprit: Run | None = None,
    ) -> None:
        """Kill a living cell; its runs end at once, not when the cell is reaped.

        Args:
            cell: which one.
            why: what is counted.
            verdict: of the culprit, or of all runs where there is none.
            cause: for people.
            now: monotonic seconds.
            culprit: the run that it is killed for; the others crash with it.
        """
        runs = list(cell.at_hand.values())
        self._book.lose_sessions(cell, cause)
        cell.pool.kill(cell, why, cause, now)
        for run in runs:
            if culprit is None or run is culprit:
                self._book.lose(run, verdict, cause, now)
            else:
                told = f"its cell was killed for another run: {cause}"
                self._book.lose(run, Verdict.CRASHED, told, now)

    def let_go(self, cell: Cell, now: float) -> None:
        """Kill a cell that has served all that it may, and has no run at hand."""
        if cell.state is CellState.DYING or cell.at_hand:
            return
        if cell.retired:
            cause = _SPENT if cell.due == "spent" else f"replaced: {cell.due}"
            self.kill(cell, cell.due, Verdict.CRASHED, cause, now)
        elif cell.pool.defined.single_use and cell.runs and not cell.sessions:
            self.kill(cell, "used", Verdict.CRASHED, "it has served its run", now)

    def refill(self, pool: Pool, now: float) -> None:
        """Start runs that wait, and cells that are wanted."""
        pool.place(now)
        pool.fill(now)

    def memory_seen(self, event: MemorySeen, now: float) -> None:
        """Kill a cell over its cap; replace one that has grown for good."""
        cell = self._shared.cells.get(event.cell)
        if cell is None or cell.state is CellState.DYING:
            return
        cell.rss_bytes = event.rss_bytes
        cap_bytes = cell.pool.defined.rss_bytes_max
        if event.rss_bytes > cap_bytes:
            cause = f"the cell held {event.rss_bytes} B, over its cap of {cap_bytes} B"
            if cell.state is CellState.BUSY:
                if len(cell.at_hand) > 1:
                    cause += f", together for its {len(cell.at_hand)} runs"
                self.kill(cell, "memory", Verdict.MEMORY, cause, now)
                self.refill(cell.pool, now)
            else:
                self.break_(cell, "memory", cause, now)
        elif self._is_at_rest(cell):
            if cell.rss_first_bytes < 0:
                cell.rss_first_bytes = event.rss_bytes
            if event.rss_bytes - cell.rss_first_bytes > self._growth_bytes_max(cell):
                cell.pool.grow_old(cell, "rss")
                cell.pool.fill(now)

    @staticmethod
    def _is_at_rest(cell: Cell) -> bool:
        """Return whether what it holds counts as growth. One of several slots may never idle."""
        if cell.sessions or cell.state is CellState.STARTING:
            return False
        return cell.state is CellState.IDLE or cell.pool.defined.slots > 1

    def _growth_bytes_max(self, cell: Cell) -> int:
        most_bytes = self._shared.policy.rss_growth_bytes_max
        if cell.pool.defined.slots == 1:
            return most_bytes
        # What is left at this point is room for its runs, until the last of them has ended.
        return min(most_bytes, (cell.pool.defined.rss_bytes_max - cell.rss_first_bytes) // 2)
