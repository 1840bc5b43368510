"""Runs and sessions that have not ended, and the endings of runs.

Rule 1: a run is in the book from its submission to its ending. Whoever takes it out gives its
ending, so there is exactly one.
Rule 2: a session is in the book from its first run until the host ends it, also when it is lost:
a later run of it must not find a fresh sandbox in its place.
"""

from __future__ import annotations

from executor.pool.actions import DropSession, LoseRun, Reason, RefuseRun
from executor.pool.parts import Cell, CellState, Run, Session
from executor.pool.shared import Shared
from protocol.messages import Verdict


class Book:
    """Every run and session of every pool."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self.runs: dict[int, Run] = {}
        self.sessions: dict[int, Session] = {}

    def lives(self, run_id: int, now: float) -> bool:
        """Return whether the run waits, or goes on in a living cell before it must be killed."""
        run = self.runs.get(run_id)
        if run is None:
            return False
        cell = run.cell
        return cell is None or (cell.state is CellState.BUSY and now < run.kill_at)

    # --- the endings of runs ---------------------------------------------------------------------
    def answered(self, run: Run) -> None:
        """End a run whose cell's own answer was passed on."""
        del self.runs[run.run_id]
        run.pool.meters.counts["ended"] += 1

    def lose(self, run: Run, verdict: Verdict, cause: str, now: float) -> None:
        """End a run that a cell had."""
        del self.runs[run.run_id]
        run.pool.meters.lost[verdict.value] += 1
        self._shared.actions.append(LoseRun(run.run_id, verdict, cause, now - run.started_at))

    def refuse(self, run: Run, reason: Reason, detail: str) -> None:
        """End a run that waits."""
        run.pool.leave(run)
        self.turn_away(run, reason, detail)

    def turn_away(self, run: Run, reason: Reason, detail: str) -> None:
        """End a run that is in no queue."""
        self.runs.pop(run.run_id, None)
        run.pool.meters.refused[reason] += 1
        self._shared.actions.append(RefuseRun(run.run_id, reason, detail))
        session = run.session
        if session is not None and not (session.cell or session.lost or session.queued):
            # None of its runs was ever started: as if it had never been.
            del self.sessions[session.session]
            session.pool.sessions -= 1

    def refuse_unplaced(self, runs: list[Run], reason: Reason, detail: str) -> None:
        """End waiting runs, and with a run that would open a session those that wait for it."""
        for run in runs:
            session = run.session
            if session is None or session.cell is not None:
                self.refuse(run, reason, detail)
            else:
                for waiting in reversed(list(session.queued.values())):
                    self.refuse(waiting, reason, detail)

    # --- sessions --------------------------------------------------------------------------------
    def join(self, run: Run, number: int) -> tuple[Reason | None, str]:
        """Give the run its session, a new one if need be; return why it cannot have it."""
        pool, session = run.pool, self.sessions.get(number)
        if session is not None:
            if session.lost or session.ending:
                return "session_lost", session.lost or "the session was ended"
            assert session.pool is pool, f"session {number} belongs to another pool"
        if pool.refusing and (session is None or session.cell is None):
            return "breaker_open", pool.breaker.cause
        if session is None:
            if pool.sessions >= pool.living_max * self._shared.policy.sessions_per_cell:
                return "queue_full", "no cell has room for another session"
            if len(self.sessions) >= self._shared.policy.sessions_max:
                return "queue_full", "too many sessions that were not ended"
            session = self.sessions[number] = Session(number, pool)
            pool.sessions += 1
        run.session = session
        return None, ""

    def lose_sessions(self, cell: Cell, cause: str) -> None:
        """End what waits for the cell's sessions, before the cell leaves its place."""
        for session in cell.sessions.values():
            for run in list(session.queued.values()):
                self.refuse(run, "session_lost", cause)
            if session.ending:
                del self.sessions[session.session]

    def end(self, number: int, now: float) -> None:
        """The host no longer wants the session: drop it, at once or after its run at hand."""
        session = self.sessions.get(number)
        if session is None:
            return
        cell = session.cell
        for run in reversed(list(session.queued.values())):
            self.refuse(run, "cancelled", "the session was ended")
        if session.lost:
            del self.sessions[number]
        elif cell is not None:
            session.ending = True
            self.drop_if_ended(session, now)

    def drop_if_ended(self, session: Session, now: float) -> None:
        """Drop a session that the host has ended, if no run of it is at hand."""
        cell = session.cell
        if not session.ending or cell is None or session.run is not None:
            return
        assert cell.state is not CellState.DYING, "a dying cell keeps no session"
        self._shared.actions.append(DropSession(cell.cell, session.session))
        session.pool.drop(session, now)
        del self.sessions[session.session]
