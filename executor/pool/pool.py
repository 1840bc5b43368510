"""One pool: the life of its cells, and how many there are. Who runs where is in `places`.

    living  = starting + idle + busy + restocking, at most cells_max + spares (and one more while
              a cell that is to be replaced waits for its replacement)
    kept    living cells of single use that a session has; they are beside that number, as no
            other run may have them

Rule 1: how many cells are wanted (`target`) rises with what is asked and falls by idleness alone.
Rule 2: the core owns runs and their endings; what is decided here is about cells.
"""

from __future__ import annotations

from executor.pool.actions import KillCell, SpawnCell
from executor.pool.events import PoolDefined
from executor.pool.parts import Cell, CellState, Run, Session
from executor.pool.places import Places
from executor.pool.shared import AGE, CELL, RESTART, SHRINK, Shared
from executor.restart import Breaker, BreakerState


class Pool(Places):
    """Cells and queue of one pool."""

    def __init__(self, shared: Shared, defined: PoolDefined, now: float) -> None:
        super().__init__(shared, defined, now)
        self.is_dropped = False  # by the host: forgotten once its cells are gone
        self.cells: dict[int, Cell] = {}
        self.dying = 0
        self.starting = 0
        self.breaker = Breaker(self.policy.backoff, self.policy.breaker, shared.jitter)
        #: The one start that is tried while starts fail.
        self.probe: Cell | None = None
        #: Cells to be replaced, in order, and the one whose replacement starts.
        self.due: dict[Cell, None] = {}
        self.relieved: Cell | None = None
        self.living_max = defined.cells_max + defined.spares
        #: The dying included, so that a shell that cannot reap them is not buried in them.
        self.processes_max = 2 * self.living_max + 1
        self.floor = min(self.policy.cells_min, defined.cells_max) + defined.spares
        self.target = self.living_max
        if defined.on_demand:
            self.floor = self.target = 0

    @property
    def living(self) -> int:
        """Cells that are not dying."""
        return len(self.cells) - self.dying

    @property
    def is_leaving(self) -> bool:
        """True if it takes no new runs and lets go of its cells."""
        return self.is_dropped or self._shared.draining

    @property
    def kept(self) -> int:
        """Living cells that serve one session alone."""
        return self.full if self.defined.single_use else 0

    @property
    def is_short(self) -> bool:
        """True if fewer cells live than are wanted."""
        return self.living - self.kept < self.target

    # --- the life of cells -----------------------------------------------------------------------
    def ready(self, cell: Cell, now: float) -> None:
        """Take a starting cell as idle, or a slot as given back."""
        self._take_off(cell)
        if cell.state is CellState.STARTING:
            self.starting -= 1
            self.probe = None
            self.breaker.succeed()
            self.meters.cell_start.add(now - cell.spawned_at)
            self._timers.set((AGE, cell.cell), now + self.policy.age_max_s)
        else:
            cell.restocking -= 1
        if not cell.at_hand:
            cell.state = CellState.RESTOCKING if cell.restocking else CellState.IDLE
        if cell.restocking:
            self._timers.set(cell.timer, now + self.policy.restock_s)
        else:
            self._timers.cancel(cell.timer)
        cell.idle_since = now
        cell.attempt = 0
        self._put_back(cell)
        self._look_over(cell)
        self._expect_shrink(now)
        self.relieve(now)

    def answered(self, cell: Cell, run: Run, now: float) -> None:
        """Take the run's slot as restocking."""
        self._take_off(cell)
        self._stop(cell, run, now)
        cell.runs += 1
        cell.restocking += 1
        if cell.restocking == 1:
            self._timers.set(cell.timer, now + self.policy.restock_s)
        if not cell.at_hand:
            cell.state = CellState.RESTOCKING
        self._put_back(cell)
        self.relieve(now)

    def drop(self, session: Session, now: float) -> None:
        """Forget that the cell keeps the session."""
        cell = session.cell
        assert cell is not None, "an opening session has nothing to drop"
        self._unkeep(session, cell)
        if cell.state is CellState.IDLE and not self.defined.single_use:
            self._look_over(cell)
            self._expect_shrink(now)

    def retire(self, cell: Cell, why: str) -> None:
        """Give the cell nothing more: it is to go when it has no run at hand."""
        self._take_off(cell)
        cell.due = cell.due or why
        cell.retired = True
        self._put_back(cell)
        if cell is not self.relieved:
            self.due[cell] = None

    def kill(self, cell: Cell, why: str, cause: str, now: float) -> None:
        """Kill a living cell. `why` is counted, `cause` is for people."""
        self._leave_place(cell, cause, now)
        cell.state = CellState.DYING
        self.dying += 1
        self.meters.kills[why] += 1
        self._shared.actions.append(KillCell(cell.cell, cause))

    def gone(self, cell: Cell, cause: str, now: float) -> None:
        """Forget a cell, living or dying."""
        if cell.state is CellState.DYING:
            self.dying -= 1
        else:
            self._leave_place(cell, cause, now)
        del self.cells[cell.cell], self._shared.cells[cell.cell]

    def _leave_place(self, cell: Cell, cause: str, now: float) -> None:
        self._take_off(cell)
        self.called.pop(cell, None)
        self.starting -= cell.state is CellState.STARTING
        for run in list(cell.at_hand.values()):
            self._stop(cell, run, now)
        cell.restocking = 0
        self._timers.cancel(cell.timer)
        self._timers.cancel((AGE, cell.cell))
        self.full -= len(cell.sessions) == self.sessions_per_cell
        self.sessions -= len(cell.sessions)
        for session in cell.sessions.values():
            session.cell, session.lost = None, cause or "its cell is gone"
        cell.sessions, cell.waited_for = {}, {}
        self.due.pop(cell, None)
        if self.probe is cell:
            self.probe = None
        if self.relieved is cell:
            self.relieved = None

    # --- how many cells --------------------------------------------------------------------------
    def fill(self, now: float) -> None:
        """Start the cells that are wanted and allowed, or see to it that it is done in time."""
        free = self.general.count + self.openers.count
        if self.is_leaving and not free:
            self._wind_down(now)
            return
        single_use, slots = self.defined.single_use, self.defined.slots
        busy = self.busy - (self.running_in_sessions if single_use else 0)
        wanted = busy - (-free // slots) + self.defined.spares
        if self.openers.count and not single_use:
            wanted += self.full
        self.target = min(max(self.target, wanted), self.living_max)
        if self.relieved is None and self.due and not self._shared.draining:
            self.relieved = next(iter(self.due))
            del self.due[self.relieved]
        allowed = self.target + (self.relieved is not None)
        kept = self.kept
        while self.living - kept < allowed and len(self.cells) - kept < self.processes_max:
            if self.breaker.careful:
                if self.probe is not None:
                    return
                if not self.breaker.may_start(now):
                    self._timers.set((RESTART, self.defined.pool), self.breaker.retry_at)
                    return
            self._spawn(now)

    def _wind_down(self, now: float) -> None:
        for cell in list(self.cells.values()):
            if cell.state not in {CellState.BUSY, CellState.DYING} and not cell.waited_for:
                self.kill(cell, "drained", "drained", now)

    def _spawn(self, now: float) -> None:
        shared = self._shared
        shared.cells_made += 1
        number = shared.cells_made
        cell = Cell(number, self, now, self.breaker.failures, (CELL, number))
        self.cells[number] = shared.cells[number] = cell
        self.starting += 1
        if self.breaker.careful:
            self.probe = cell
            self.breaker.started()
        self._timers.set(cell.timer, now + self.policy.start_s)
        self.meters.counts["spawned"] += 1
        shared.actions.append(SpawnCell(number, self.defined.pool))

    def failed(self, cell: Cell, cause: str, now: float) -> bool:
        """Count a cell that died by itself with no run; return True if that opened the breaker.

        Cells that die at one blow (their zygote's end, a bad image) are one failure: what was
        started before the last failure is no news.
        """
        if cell.attempt < self.breaker.failures:
            return False
        return self.breaker.fail(now, cause)

    @property
    def refusing(self) -> bool:
        """True while runs that need a new place are refused."""
        return self.breaker.state is not BreakerState.CLOSED

    # --- replacing and letting go ----------------------------------------------------------------
    def grow_old(self, cell: Cell, why: str) -> None:
        """Mark a living cell as one to be replaced."""
        if cell.due or cell.state in {CellState.STARTING, CellState.DYING}:
            return
        self._take_off(cell)
        cell.due = why
        self._put_back(cell)
        # A cell of one slot is queued when it is ready again; one of several may never be idle.
        if cell.state is CellState.IDLE or self.defined.slots > 1:
            self._queue_if_free(cell)

    def _look_over(self, cell: Cell) -> None:
        """Queue a cell for replacement if it is due and keeps no session."""
        grown_bytes = cell.heap_bytes - cell.heap_first_bytes
        if cell.due:
            self._queue_if_free(cell)
        elif cell.runs >= self.policy.runs_max:
            self.grow_old(cell, "runs")
        elif grown_bytes > self._heap_growth_bytes_max and not cell.sessions:
            self.grow_old(cell, "heap")

    @property
    def _heap_growth_bytes_max(self) -> int:
        return self.policy.heap_growth_bytes_max * self.defined.slots

    def _queue_if_free(self, cell: Cell) -> None:
        if not cell.sessions and cell is not self.relieved:
            self.due[cell] = None

    def relieve(self, now: float) -> None:
        """Let the cell go whose replacement is ready, once it has no run at hand."""
        cell = self.relieved
        if cell is None or self.living - self.kept - self.starting <= self.target:
            return
        if cell.at_hand:
            if not cell.retired and self.defined.slots > 1:
                self.retire(cell, cell.due)
        elif not (cell.sessions or cell.retired):  # the core sees to one that is retired
            self.kill(cell, cell.due, f"replaced: {cell.due}", now)

    def _expect_shrink(self, now: float) -> None:
        key = (SHRINK, self.defined.pool)
        if self.target > self.floor and self._timers.wanted(key) is None:
            longest = self.shelf.longest()
            if longest is not None:
                self._timers.set(key, longest.idle_since + self.policy.idle_s)

    def shrink(self, now: float) -> None:
        """Let cells go that have been idle for long."""
        while self.target > self.floor and (cell := self.shelf.longest()) is not None:
            if cell.idle_since + self.policy.idle_s > now:
                break
            self.target -= 1
            if self.living > self.target:
                self.kill(cell, "idle", "idle", now)
        self._expect_shrink(now)
