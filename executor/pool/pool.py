"""One pool: which cell serves which run, and how many cells there are.

    living  = starting + idle + busy + restocking, at most cells_max + spares (and one more while
              a cell that is to be replaced waits for its replacement)
    running = busy, at most cells_max

Rule 1: after each event no waiting run could be placed. So a new run that finds a cell may take
it without looking at the queue.
Rule 2: how many cells are wanted (`target`) rises with what is asked and falls by idleness alone.
Rule 3: the core owns runs and their endings; what is decided here is about places.
"""

from __future__ import annotations

from executor.pool.actions import KillCell, SpawnCell, StartRun
from executor.pool.events import PoolDefined
from executor.pool.meters import Meters, Utilisation
from executor.pool.parts import Cell, CellState, Run, Session, Shelf
from executor.pool.queue import Lane, Turns
from executor.pool.shared import AGE, CELL, QUEUE, RESTART, SHRINK, Shared
from executor.restart import Breaker, BreakerState


class Pool:
    """Cells and queue of one pool."""

    def __init__(self, shared: Shared, defined: PoolDefined, now: float) -> None:
        self._shared = shared
        self.policy = shared.policy
        self._timers = shared.timers
        self.defined = defined
        self.is_dropped = False  # by the host: forgotten once its cells are gone
        self.cells: dict[int, Cell] = {}
        self.dying = 0
        self.starting = 0
        self.running = 0
        self.shelf = Shelf(self.policy.sessions_per_cell)
        #: Idle cells that their sessions' runs wait for, all places for running being taken.
        self.called: dict[Cell, None] = {}
        self.turns = Turns()
        self.general = Lane(self.turns)
        self.openers = Lane(self.turns)
        #: Waiting runs, by tenant and id; those of sessions included.
        self.queued: dict[str, dict[int, Run]] = {}
        self.queued_count = 0
        self.sessions = 0
        #: Cells that keep as many sessions as they may.
        self.full = 0
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
        self.meters = Meters(Utilisation(defined.cells_max, now))

    @property
    def living(self) -> int:
        """Cells that are not dying."""
        return len(self.cells) - self.dying

    @property
    def is_leaving(self) -> bool:
        """True if it takes no new runs and lets go of its cells."""
        return self.is_dropped or self._shared.draining

    # --- runs ------------------------------------------------------------------------------------
    def offer(self, run: Run, now: float) -> bool:
        """Start the run if a cell is there for it; return whether it was. See rule 1."""
        if self.running >= self.defined.cells_max:
            return False
        session = run.session
        if session is None:
            cell = self.shelf.any(now)
        elif session.cell is not None:
            cell = session.cell if session.cell.state is CellState.IDLE else None
        else:
            cell = self.shelf.roomy()
        if cell is None:
            return False
        self.turns.serve(run.tenant)
        self._start(cell, run, now)
        return True

    def wait(self, run: Run, now: float) -> None:
        """Put the run into its queue."""
        self.queued.setdefault(run.tenant, {})[run.run_id] = run
        self.queued_count += 1
        self._timers.set((QUEUE, run.run_id), now + run.queue_s)
        session = run.session
        if session is None:
            self._push(self.general, run)
            return
        session.queued[run.run_id] = run
        if session.cell is not None:
            self._push_own(session.cell, run)
        elif len(session.queued) == 1:
            self._push(self.openers, run)

    def leave(self, run: Run) -> None:
        """Take the run out of its queue; it is refused."""
        self._left(run)
        lane = run.lane
        if lane is not None:
            lane.remove(run)
            run.lane = None
        session = run.session
        if session is None:
            return
        del session.queued[run.run_id]
        if session.cell is not None:
            if not session.cell.lane or not session.cell.lane.count:
                self.called.pop(session.cell, None)
        elif lane is not None and session.queued:
            self._push(self.openers, next(iter(session.queued.values())))

    def place(self, now: float) -> None:
        """Start waiting runs while there is a cell for one."""
        while self.running < self.defined.cells_max and self.shelf.count:
            best, lane, cell = None, None, None
            if self.general.count:
                best, lane = self.general.first(), self.general
            if self.openers.count and (roomy := self.shelf.roomy()) is not None:
                first = self.openers.first()
                if best is None or (first is not None and first < best):
                    best, lane, cell = first, self.openers, roomy
            for called in self.called:
                assert called.lane is not None, "a cell without a lane is called"
                first = called.lane.first()
                if best is None or (first is not None and first < best):
                    best, lane, cell = first, called.lane, called
            if lane is None:
                return
            if cell is None:
                cell = self.shelf.any(now)
                assert cell is not None, "the shelf counts a cell that it has not"
            run = lane.pop()
            run.lane = None
            self._left(run)
            if run.session is not None:
                del run.session.queued[run.run_id]
            self._start(cell, run, now)

    def _start(self, cell: Cell, run: Run, now: float) -> None:
        self.shelf.take(cell)
        self.called.pop(cell, None)
        cell.state = CellState.BUSY
        cell.run = run
        cell.tenant = run.tenant
        cell.interrupted = None
        cell.kill_at = now + run.wall_s + self.policy.kill_grace_s
        run.cell = cell
        run.started_at = now
        self.running += 1
        self.meters.utilisation.set(self.running, now)
        queued_s = now - run.submitted_at
        self.meters.queued.add(queued_s)
        self._timers.set(cell.timer, now + run.wall_s + self.policy.soft_grace_s)
        self._shared.actions.append(StartRun(cell.cell, run.run_id, queued_s))
        session = run.session
        if session is not None and session.cell is None:
            self._keep(session, cell)

    def _push(self, lane: Lane, run: Run) -> None:
        run.lane = lane
        lane.push(run)

    def _push_own(self, cell: Cell, run: Run) -> None:
        if cell.lane is None:
            cell.lane = Lane(self.turns)
        self._push(cell.lane, run)
        if cell.state is CellState.IDLE:
            self.called[cell] = None

    def _left(self, run: Run) -> None:
        runs = self.queued[run.tenant]
        del runs[run.run_id]
        if not runs:
            del self.queued[run.tenant]
        self.queued_count -= 1
        self._timers.cancel((QUEUE, run.run_id))

    # --- sessions --------------------------------------------------------------------------------
    def _keep(self, session: Session, cell: Cell) -> None:
        session.cell = cell
        cell.sessions[session.session] = session
        self.full += len(cell.sessions) == self.policy.sessions_per_cell
        for run in session.queued.values():
            self._push_own(cell, run)

    def drop(self, session: Session, now: float) -> None:
        """Forget that the cell keeps the session."""
        cell = session.cell
        assert cell is not None, "an opening session has nothing to drop"
        idle = cell.state is CellState.IDLE
        if idle:
            self.shelf.take(cell)
        self.full -= len(cell.sessions) == self.policy.sessions_per_cell
        del cell.sessions[session.session]
        session.cell = None
        self.sessions -= 1
        if idle:
            self.shelf.put(cell)
            self._look_over(cell)
            self._expect_shrink(now)

    # --- the life of cells -----------------------------------------------------------------------
    def ready(self, cell: Cell, now: float) -> None:
        """Take a starting or restocking cell as idle."""
        started = cell.state is CellState.STARTING
        self._timers.cancel(cell.timer)
        cell.state = CellState.IDLE
        cell.idle_since = now
        cell.attempt = 0
        self.shelf.put(cell)
        if cell.lane is not None and cell.lane.count:
            self.called[cell] = None
        if started:
            self.starting -= 1
            self.probe = None
            self.breaker.succeed()
            self.meters.cell_start.add(now - cell.spawned_at)
            self._timers.set((AGE, cell.cell), now + self.policy.age_max_s)
        self._look_over(cell)
        self._expect_shrink(now)
        self.relieve(now)

    def answered(self, cell: Cell, now: float) -> None:
        """Take a busy cell as restocking."""
        self._stopped(cell, now)
        cell.state = CellState.RESTOCKING
        cell.runs += 1
        self._timers.set(cell.timer, now + self.policy.restock_s)
        self.relieve(now)

    def _stopped(self, cell: Cell, now: float) -> None:
        run = cell.run
        assert run is not None, "a busy cell has a run"
        self.meters.run.add(now - run.started_at)
        self.running -= 1
        self.meters.utilisation.set(self.running, now)
        cell.run = None
        run.cell = None

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
        match cell.state:
            case CellState.STARTING:
                self.starting -= 1
            case CellState.IDLE:
                self.shelf.take(cell)
                self.called.pop(cell, None)
            case CellState.BUSY:
                self._stopped(cell, now)
            case CellState.RESTOCKING | CellState.DYING:
                pass
        self._timers.cancel(cell.timer)
        self._timers.cancel((AGE, cell.cell))
        self.full -= len(cell.sessions) == self.policy.sessions_per_cell
        self.sessions -= len(cell.sessions)
        for session in cell.sessions.values():
            session.cell, session.lost = None, cause or "its cell is gone"
        cell.sessions = {}
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
        wanted = self.running + free + self.defined.spares
        if self.openers.count:
            wanted += self.full
        self.target = min(max(self.target, wanted), self.living_max)
        if self.relieved is None and self.due and not self._shared.draining:
            self.relieved = next(iter(self.due))
            del self.due[self.relieved]
        allowed = self.target + (self.relieved is not None)
        while self.living < allowed and len(self.cells) < self.processes_max:
            if self.breaker.careful:
                if self.probe is not None:
                    return
                if not self.breaker.may_start(now):
                    self._timers.set((RESTART, self.defined.pool), self.breaker.retry_at)
                    return
            self._spawn(now)

    def _wind_down(self, now: float) -> None:
        for cell in list(self.cells.values()):
            waited_for = cell.lane is not None and cell.lane.count > 0
            if cell.state not in {CellState.BUSY, CellState.DYING} and not waited_for:
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
        idle = cell.state is CellState.IDLE
        if idle:
            self.shelf.take(cell)
        cell.due = why
        if idle:
            self.shelf.put(cell)
            self._look_over(cell)

    def _look_over(self, cell: Cell) -> None:
        """Queue an idle cell for replacement if it is due and keeps no session."""
        if not cell.due:
            grown_bytes = cell.heap_bytes - cell.heap_first_bytes
            if cell.runs >= self.policy.runs_max:
                self.grow_old(cell, "runs")
            elif grown_bytes > self.policy.heap_growth_bytes_max and not cell.sessions:
                self.grow_old(cell, "heap")
            return
        if not cell.sessions and cell is not self.relieved:
            self.due[cell] = None

    def relieve(self, now: float) -> None:
        """Let the cell go whose replacement is ready, if it has no run at hand."""
        cell = self.relieved
        if cell is None or self.living - self.starting <= self.target:
            return
        if cell.state in {CellState.IDLE, CellState.RESTOCKING}:
            assert not cell.sessions, "a cell that keeps sessions is not replaced"
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
