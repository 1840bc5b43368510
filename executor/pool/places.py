"""Who runs where in one pool: the queue, the shelf, the sessions and the runs at hand.

    running  runs at hand, at most cells_max times the slots of a cell
    open     a cell with a free slot that may take a run of anybody; the shelf holds these
    kept     a session that has its cell: its runs go there alone, one after another

Rule 1: after each event no waiting run could be placed. So a new run that finds a cell may take
it without looking at the queue.
Rule 2: a cell of single use is open until its first run; after that it takes the runs of one
session, or goes.
"""

from __future__ import annotations

from executor.pool.actions import StartRun
from executor.pool.events import PoolDefined
from executor.pool.meters import Meters, Utilisation
from executor.pool.parts import Cell, CellState, Run, Session, Shelf
from executor.pool.queue import Lane, Turns
from executor.pool.shared import QUEUE, RUN, Shared


class Places:
    """Queue and places of one pool."""

    def __init__(self, shared: Shared, defined: PoolDefined, now: float) -> None:
        assert defined.slots == 1 or not defined.single_use, "a cell of single use has one slot"
        self._shared = shared
        self.policy = shared.policy
        self._timers = shared.timers
        self.defined = defined
        self.places_max = defined.cells_max * defined.slots
        self.running = 0
        #: Cells with a run at hand; and of the runs at hand, those of sessions.
        self.busy = 0
        self.running_in_sessions = 0
        self.sessions_per_cell = 1 if defined.single_use else self.policy.sessions_per_cell
        #: See `Policy`.
        self.shared_grace_s = self.policy.shared_grace_s if defined.slots > 1 else 0.0
        self.shelf = Shelf(self.sessions_per_cell, defined.slots)
        #: Cells with a free slot that their sessions' runs wait for.
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
        self.meters = Meters(Utilisation(self.places_max, now))

    # --- cells with a free slot ------------------------------------------------------------------
    def _has_slot(self, cell: Cell) -> bool:
        serves = cell.state not in {CellState.STARTING, CellState.DYING}
        return serves and not cell.retired and cell.taken < self.defined.slots

    def is_open(self, cell: Cell) -> bool:
        """Return whether the cell may take a run of anybody now."""
        if self.defined.single_use and cell.runs:
            return False
        return self._has_slot(cell)

    def _take_off(self, cell: Cell) -> None:
        """Take the cell off the shelf, before what it has changes."""
        if cell.shelved:
            self.shelf.take(cell)

    def _put_back(self, cell: Cell) -> None:
        """Put the cell where it belongs, after what it has changed."""
        if not cell.shelved and self.is_open(cell):
            self.shelf.put(cell)
        if cell.waited_for and self._has_slot(cell):
            self.called[cell] = None
        else:
            self.called.pop(cell, None)

    # --- runs ------------------------------------------------------------------------------------
    def offer(self, run: Run, now: float) -> bool:
        """Start the run if a cell is there for it; return whether it was. See rule 1."""
        if self.running >= self.places_max:
            return False
        session = run.session
        if session is None:
            cell = self.shelf.any(now)
        elif session.cell is None:
            cell = self.shelf.roomy()
        else:
            free = session.run is None and self._has_slot(session.cell)
            cell = session.cell if free else None
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
            self._push_own(session, session.cell, run)
            self._put_back(session.cell)
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
            self._unless_waited_for(session, session.cell)
            self._put_back(session.cell)
        elif lane is not None and session.queued:
            self._push(self.openers, next(iter(session.queued.values())))

    def place(self, now: float) -> None:
        """Start waiting runs while there is a cell for one."""
        while self.running < self.places_max and (self.shelf.count or self.called):
            lane, cell = self._next()
            if lane is None:
                return
            if cell is None:
                cell = self.shelf.any(now)
                assert cell is not None, "the shelf counts a cell that it has not"
            run = lane.pop()
            run.lane = None
            self._left(run)
            if (session := run.session) is not None:
                del session.queued[run.run_id]
                if session.cell is not None:
                    self._unless_waited_for(session, cell)
            self._start(cell, run, now)

    def _next(self) -> tuple[Lane | None, Cell | None]:
        """Return the lane whose first run is next, and its cell unless any will do."""
        best, lane, cell = None, None, None
        if self.shelf.count and self.general.count:
            best, lane = self.general.first(), self.general
        if self.openers.count and (roomy := self.shelf.roomy()) is not None:
            first = self.openers.first()
            if best is None or (first is not None and first < best):
                best, lane, cell = first, self.openers, roomy
        for called in self.called:
            for session in called.waited_for:
                if session.run is not None:
                    continue
                assert session.lane is not None, "a session without a lane is waited for"
                first = session.lane.first()
                if best is None or (first is not None and first < best):
                    best, lane, cell = first, session.lane, called
        return lane, cell

    def _start(self, cell: Cell, run: Run, now: float) -> None:
        self._take_off(cell)
        cell.state = CellState.BUSY
        cell.at_hand[run.run_id] = run
        cell.tenant = run.tenant
        self.busy += len(cell.at_hand) == 1
        self.running += 1
        self.meters.utilisation.set(self.running, now)
        run.cell = cell
        run.started_at = now
        run.interrupted = None
        run.kill_at = now + run.wall_s + self.policy.kill_grace_s + self.shared_grace_s
        self._timers.set((RUN, run.run_id), now + run.wall_s + self.policy.soft_grace_s)
        queued_s = now - run.submitted_at
        self.meters.queued.add(queued_s)
        self._shared.actions.append(StartRun(cell.cell, run.run_id, queued_s))
        if (session := run.session) is not None:
            session.run = run
            self.running_in_sessions += 1
            if session.cell is None:
                self._keep(session, cell)
        self._put_back(cell)

    def _stop(self, cell: Cell, run: Run, now: float) -> None:
        """Take the run from its cell. The caller sees to where the cell belongs then."""
        del cell.at_hand[run.run_id]
        self.busy -= not cell.at_hand
        self.running -= 1
        self.meters.run.add(now - run.started_at)
        self.meters.utilisation.set(self.running, now)
        self._timers.cancel((RUN, run.run_id))
        run.cell = None
        if run.session is not None:
            run.session.run = None
            self.running_in_sessions -= 1

    def _push(self, lane: Lane, run: Run) -> None:
        run.lane = lane
        lane.push(run)

    def _push_own(self, session: Session, cell: Cell, run: Run) -> None:
        if session.lane is None:
            session.lane = Lane(self.turns)
        self._push(session.lane, run)
        cell.waited_for[session] = None

    @staticmethod
    def _unless_waited_for(session: Session, cell: Cell) -> None:
        if not session.queued:
            cell.waited_for.pop(session, None)

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
        self.full += len(cell.sessions) == self.sessions_per_cell
        for run in session.queued.values():
            self._push_own(session, cell, run)

    def _unkeep(self, session: Session, cell: Cell) -> None:
        self._take_off(cell)
        self.full -= len(cell.sessions) == self.sessions_per_cell
        del cell.sessions[session.session]
        session.cell = None
        self.sessions -= 1
        self._put_back(cell)
