"""The decision core of the supervisor: which run runs where, when it must end, what is restarted.

    shell --Event--> handle(event, now) --Action, in order--> shell
    shell --time---> advance(now)       --Action, in order--> shell, again at wake_at()

Rule 1: no clock, no file, no socket, no await; `now` is monotonic seconds and never goes back.
Rule 2: each run has exactly one ending (see `executor.pool.actions`), and `executor.pool.book`
gives it.
Rule 3: a run that a cell was given is never given to another.
Rule 4: after doubt, discard: a cell that answers what it was not asked is killed and counts as
crashed.
"""

from __future__ import annotations

from typing import assert_never

from executor.pool import invariants, snapshot
from executor.pool.actions import Action, Closed, InterruptRun, Reason, RefuseRun
from executor.pool.blame import Blame
from executor.pool.book import Book
from executor.pool.deaths import Deaths
from executor.pool.events import (
    CellGone,
    CellReady,
    DrainAsked,
    Event,
    MemorySeen,
    PoolDefined,
    PoolDropped,
    RunCancelled,
    RunEnded,
    RunSubmitted,
    SessionEnded,
)
from executor.pool.parts import Cell, CellState, Run
from executor.pool.policy import Policy
from executor.pool.pool import Pool
from executor.pool.quarantine import Quarantine
from executor.pool.shared import AGE, CELL, DRAIN, QUEUE, RESTART, RUN, SHRINK, Shared
from executor.restart import Jitter, no_jitter
from protocol.messages import Verdict


class PoolCore:
    """All pools of one supervisor.

    Args:
        policy: every number it decides by.
        jitter: 0 up to 1, for the waits between restarts; see `executor.restart.system_jitter`.
    """

    def __init__(self, policy: Policy | None = None, jitter: Jitter = no_jitter) -> None:
        self._shared = Shared(policy or Policy(), jitter)
        self._pools: dict[int, Pool] = {}
        self._book = Book(self._shared)
        self._quarantine = Quarantine(self._shared)
        self._blame = Blame(self._shared, self._book, self._quarantine, self._pools)
        self._deaths = Deaths(self._shared, self._book, self._blame)
        self._drain_at = 0.0
        self._drained = False
        self._closed = False

    # --- the face --------------------------------------------------------------------------------
    def handle(self, event: Event, now: float) -> list[Action]:
        """Apply one event and return what to do about it, in order."""
        match event:
            case RunSubmitted():
                self._submitted(event, now)
            case RunEnded():
                self._answered(event, now)
            case CellReady():
                self._ready(event, now)
            case CellGone():
                if (pool := self._deaths.gone(event, now)) is not None:
                    self._forget_dropped(pool)
            case RunCancelled():
                self._cancelled(event, now)
            case MemorySeen():
                self._deaths.memory_seen(event, now)
            case SessionEnded():
                self._session_ended(event, now)
            case PoolDefined():
                self._defined(event, now)
            case PoolDropped():
                self._dropped(event, now)
            case DrainAsked():
                self._drain_asked(event, now)
            case _:
                assert_never(event)
        return self._taken(now)

    def advance(self, now: float) -> list[Action]:
        """Let time pass up to `now` and return what is due, in order."""
        timers = self._shared.timers
        while (key := timers.pop_due(now)) is not None:
            kind, of = key
            if isinstance(of, str):
                self._quarantine.passed(of)
            else:
                self._due(kind, of, now)
        return self._taken(now)

    def wake_at(self) -> float | None:
        """Return when `advance` must be called next, None if only an event can change anything."""
        return self._shared.timers.wake_at()

    def runs_of(self, cell: int) -> tuple[int, ...]:
        """Return the runs that the cell has at hand and that anybody waits for."""
        found = self._shared.cells.get(cell)
        return tuple(found.at_hand) if found is not None else ()

    def knows(self, run_id: int) -> bool:
        """Return whether the run was submitted and has not ended."""
        return run_id in self._book.runs

    def lives(self, run_id: int, now: float) -> bool:
        """Return whether the run waits, or goes on in a living cell before it must be killed."""
        return self._book.lives(run_id, now)

    def load(self) -> snapshot.Load:
        """Return how busy the pools are, at little cost."""
        return snapshot.load(self._pools.values())

    def statistics(self, now: float) -> dict[str, object]:
        """Return a snapshot that JSON can carry; `executor.statistics` reads it."""
        return snapshot.take(self._pools.values(), self._quarantine, self._shared, now)

    def check(self) -> None:
        """Assert the invariants. For tests: it reads everything."""
        invariants.check(self._shared, self._pools, self._book)

    # --- runs ------------------------------------------------------------------------------------
    def _submitted(self, event: RunSubmitted, now: float) -> None:
        run_id, number, tenant, priority, wall_s, queue_s, session = event
        assert run_id not in self._book.runs, f"run {run_id} is submitted twice"
        pool = self._pools.get(number)
        if pool is None:
            detail = f"there is no pool {number}"
            self._shared.actions.append(RefuseRun(run_id, "breaker_open", detail))
            return
        pool.meters.counts["submitted"] += 1
        run = Run(run_id, pool, tenant, priority, wall_s, queue_s, None, now)
        reason, detail = self._admit(run, session, now)
        if reason is not None:
            self._book.turn_away(run, reason, detail)
            return
        self._book.runs[run_id] = run
        if pool.offer(run, now):
            if pool.living - pool.kept < pool.living_max:
                pool.fill(now)
        elif pool.queued_count < pool.defined.queue_max:
            pool.wait(run, now)
            pool.fill(now)
        else:
            detail = f"{pool.queued_count} runs wait, which is the limit"
            self._book.turn_away(run, "queue_full", detail)

    def _admit(self, run: Run, session: int, now: float) -> tuple[Reason | None, str]:
        """Return why the run is refused at the door, None if it is not; find its session."""
        if run.pool.is_leaving:
            return "draining", "its pool was dropped" if run.pool.is_dropped else ""
        if self._quarantine.active and (detail := self._quarantine.detail(run.tenant, now)):
            return "breaker_open", detail
        if session:
            return self._book.join(run, session)
        if run.pool.refusing:
            return "breaker_open", run.pool.breaker.cause
        return None, ""

    def _answered(self, event: RunEnded, now: float) -> None:
        cell = self._shared.cells.get(event.cell)
        if cell is None or cell.state is CellState.DYING:
            return
        run = cell.at_hand.get(event.run_id)
        if run is None:
            cause = "the cell answered a run that it was not given"
            self._deaths.break_(cell, "crash", cause, now)
            return
        pool = cell.pool
        self._book.answered(run)
        pool.answered(cell, run, now)
        if run.session is not None:
            self._book.drop_if_ended(run.session, now)
        self._deaths.let_go(cell, now)
        pool.place(now)
        if pool.is_leaving or pool.is_short:
            pool.fill(now)

    def _cancelled(self, event: RunCancelled, now: float) -> None:
        run = self._book.runs.get(event.run_id)
        if run is None:
            return
        cell = run.cell
        if cell is None:
            self._book.refuse(run, "cancelled", "")
            self._wind_down(run.pool, now)
            return
        grace_s = self._shared.policy.cancel_grace_s + run.pool.shared_grace_s
        run.kill_at = min(run.kill_at, now + grace_s)
        self._shared.timers.set((RUN, run.run_id), run.kill_at)
        if run.interrupted is None:
            self._interrupt(cell, run, Verdict.CANCELLED)

    def _interrupt(self, cell: Cell, run: Run, verdict: Verdict) -> None:
        run.interrupted = verdict
        self._shared.actions.append(InterruptRun(cell.cell, run.run_id, verdict))

    # --- cells -----------------------------------------------------------------------------------
    def _defined(self, event: PoolDefined, now: float) -> None:
        assert event.pool not in self._pools, f"pool {event.pool} is defined twice"
        pool = self._pools[event.pool] = Pool(self._shared, event, now)
        pool.fill(now)

    def _dropped(self, event: PoolDropped, now: float) -> None:
        pool = self._pools.get(event.pool)
        if pool is None:
            return
        pool.is_dropped = True
        for run in [run for runs in pool.queued.values() for run in runs.values()]:
            self._book.refuse(run, "draining", "its pool was dropped")
        pool.fill(now)
        self._forget_dropped(pool)

    def _forget_dropped(self, pool: Pool) -> None:
        """Forget a pool that was dropped, after the last of its cells is gone."""
        if pool.is_dropped and not pool.cells:
            number = pool.defined.pool
            self._pools.pop(number, None)
            self._shared.timers.cancel((RESTART, number))
            self._shared.timers.cancel((SHRINK, number))

    def _ready(self, event: CellReady, now: float) -> None:
        cell = self._shared.cells.get(event.cell)
        if cell is None or cell.state is CellState.DYING:
            return
        pool = cell.pool
        cell.stock = event.stock
        cell.heap_bytes = event.heap_bytes
        if event.spent:
            self._spent(cell, now)
            return
        started = cell.state is CellState.STARTING
        if started:
            cell.heap_first_bytes = event.heap_bytes
        elif not cell.restocking:
            if cell.at_hand and pool.defined.slots == 1:
                cause = "the cell said ready in the middle of a run"
                self._deaths.break_(cell, "crash", cause, now)
            return  # else only its report has changed
        was_careful = pool.breaker.careful
        pool.ready(cell, now)
        pool.place(now)
        if (started and was_careful) or pool.is_leaving or pool.due:
            pool.fill(now)

    def _spent(self, cell: Cell, now: float) -> None:
        pool = cell.pool
        if not cell.runs and not cell.at_hand:
            # Let go as one that has served, such cells would be started without a pause.
            self._deaths.break_(cell, "not_ready", "the cell was spent before its first run", now)
            return
        if cell.restocking:
            pool.ready(cell, now)
        if cell.state is not CellState.DYING:
            pool.retire(cell, "spent")
            self._deaths.let_go(cell, now)
        self._deaths.refill(pool, now)

    def _session_ended(self, event: SessionEnded, now: float) -> None:
        session = self._book.sessions.get(event.session)
        if session is not None:
            cell = session.cell
            self._book.end(event.session, now)
            if cell is not None:
                self._deaths.let_go(cell, now)
            self._deaths.refill(session.pool, now)

    # --- time ------------------------------------------------------------------------------------
    def _due(self, kind: int, number: int, now: float) -> None:
        match kind:
            case _ if kind == RUN:
                self._run_due(self._book.runs[number], now)
            case _ if kind == CELL:
                self._cell_due(self._shared.cells[number], now)
            case _ if kind == QUEUE:
                run = self._book.runs[number]
                self._book.refuse(run, "queue_timeout", f"waited for {run.queue_s:g} s")
                self._wind_down(run.pool, now)
            case _ if kind == RESTART:
                self._pools[number].fill(now)
            case _ if kind == SHRINK:
                self._pools[number].shrink(now)
            case _ if kind == AGE:
                cell = self._shared.cells[number]
                cell.pool.grow_old(cell, "age")
                cell.pool.fill(now)
            case _ if kind == DRAIN:
                self._drain_due(now)
            case _:
                raise AssertionError(f"no such timer: {kind}")

    def _cell_due(self, cell: Cell, now: float) -> None:
        policy = self._shared.policy
        limit_s = policy.start_s if cell.state is CellState.STARTING else policy.restock_s
        self._deaths.break_(cell, "not_ready", f"the cell was not ready within {limit_s:g} s", now)

    def _run_due(self, run: Run, now: float) -> None:
        cell = run.cell
        assert cell is not None, "a run without a cell has no deadline there"
        if now >= run.kill_at:
            verdict = run.interrupted or Verdict.TIMEOUT
            if verdict is Verdict.TIMEOUT:
                cause = f"killed: it ran past its {run.wall_s:g} s"
            else:
                cause = "killed: it was cancelled and did not end"
            self._deaths.kill(cell, verdict.value, verdict, cause, now, culprit=run)
            self._deaths.refill(cell.pool, now)
        else:
            self._interrupt(cell, run, Verdict.TIMEOUT)
            self._shared.timers.set((RUN, run.run_id), run.kill_at)

    def _wind_down(self, pool: Pool, now: float) -> None:
        """A pool that leaves lets go of its cells once nothing waits for them."""
        if pool.is_leaving:
            pool.fill(now)

    # --- the end ---------------------------------------------------------------------------------
    def _drain_asked(self, event: DrainAsked, now: float) -> None:
        shared = self._shared
        at = now + event.within_s
        if shared.draining and at >= self._drain_at:
            return
        shared.draining = True
        if not self._drained:
            self._drain_at = at
            shared.timers.set((DRAIN, 0), at)
        for pool in self._pools.values():
            pool.fill(now)

    def _drain_due(self, now: float) -> None:
        if self._drained:
            for cell in list(self._shared.cells.values()):
                # Killed, and never reaped: nobody waits for it any more.
                cell.pool.gone(cell, "", now)
            return
        self._drained = True
        for run in reversed(list(self._book.runs.values())):
            if run.cell is None:
                self._book.refuse(run, "draining", "the supervisor was closed")
        for cell in list(self._shared.cells.values()):
            if cell.state is not CellState.DYING:
                cause = "killed: the supervisor was closed"
                self._deaths.kill(cell, "drained", Verdict.CANCELLED, cause, now)
        self._shared.timers.set((DRAIN, 0), now + self._shared.policy.close_s)

    def _taken(self, now: float) -> list[Action]:
        shared = self._shared
        if shared.draining and not (shared.cells or self._book.runs or self._closed):
            self._closed = True
            shared.timers.clear()
            shared.actions.append(Closed())
        actions = shared.actions
        shared.actions = []
        return actions
