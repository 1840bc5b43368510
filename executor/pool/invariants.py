"""What is true of the pools after every event. `check` asserts it all; tests call it."""

from __future__ import annotations

from collections import Counter

from executor.pool.book import Book
from executor.pool.parts import Cell, CellState, Session
from executor.pool.pool import Pool
from executor.pool.shared import AGE, CELL, QUEUE, RUN, Shared


def check(shared: Shared, pools: dict[int, Pool], book: Book) -> None:
    """Assert every invariant."""
    shared.timers.check()
    assert not shared.actions, "an action was left behind"
    assert shared.cells == {n: c for p in pools.values() for n, c in p.cells.items()}
    waiting = {r: run for p in pools.values() for q in p.queued.values() for r, run in q.items()}
    at_hand = {n: run for c in shared.cells.values() for n, run in c.at_hand.items()}
    assert not waiting.keys() & at_hand.keys(), "a run waits and runs"
    assert waiting | at_hand == book.runs, "a run is nowhere, or was ended and is still here"
    for pool in pools.values():
        _check_pool(pool, shared)
    for cell in shared.cells.values():
        _check_cell(cell, shared)
    for session in book.sessions.values():
        _check_session(session)
    known = Counter(s.pool for s in book.sessions.values() if not s.lost)
    assert all(known[p] == p.sessions for p in pools.values()), "sessions are miscounted"
    for run in waiting.values():
        assert run.cell is None, "a waiting run has a cell"
        assert shared.timers.wanted((QUEUE, run.run_id)) is not None, "a run would wait for ever"
        assert run.session is None or run.run_id in run.session.queued, "its session misses it"


def _check_pool(pool: Pool, shared: Shared) -> None:
    states = Counter(cell.state for cell in pool.cells.values())
    running = [run for cell in pool.cells.values() for run in cell.at_hand.values()]
    assert pool.running == len(running) <= pool.places_max, "too many run"
    assert pool.busy == states[CellState.BUSY], "busy cells are miscounted"
    in_sessions = sum(run.session is not None for run in running)
    assert pool.running_in_sessions == in_sessions, "runs of sessions are miscounted"
    assert pool.dying == states[CellState.DYING], "dying cells are miscounted"
    assert pool.starting == states[CellState.STARTING], "starting cells are miscounted"
    assert pool.shelf.count == sum(map(pool.is_open, pool.cells.values())), "miscounted shelf"
    full = sum(len(cell.sessions) == pool.sessions_per_cell for cell in pool.cells.values())
    assert pool.full == full, "cells full of sessions are miscounted"
    extra, living = pool.relieved is not None, pool.living - pool.kept
    assert living <= pool.living_max + 1, "more cells than allowed"
    assert extra or living <= pool.living_max or not pool.starting, "a cell too many"
    # A kept cell that dies is one more of the dead, of which nobody knew when it was started.
    beside = pool.living_max * pool.policy.sessions_per_cell if pool.defined.single_use else 0
    assert len(pool.cells) <= pool.processes_max + beside, "dead cells pile up"
    assert pool.floor <= pool.target <= pool.living_max, "the target is out of range"
    assert pool.queued_count == sum(map(len, pool.queued.values())), "the queue is miscounted"
    assert all(pool.queued.values()), "a tenant without runs is kept"
    assert pool.queued_count <= pool.defined.queue_max, "the queue is over its limit"
    kept = [s for c in pool.cells.values() for s in c.sessions]
    assert len(kept) == len(set(kept)), "a session is kept twice"
    if pool.running < pool.places_max:
        assert not (pool.general.count and pool.shelf.count), "a run waits although a cell is idle"
        assert not (pool.openers.count and pool.shelf.roomy()), "a session waits for no reason"
        called = [session for cell in pool.called for session in cell.waited_for]
        assert all(session.run for session in called), "a session's run waits for no reason"
    free = pool.general.count + pool.openers.count
    coming = pool.starting or pool.running or states[CellState.RESTOCKING] or pool.dying
    restarting = pool.breaker.careful
    stuck = free and not (coming or restarting or pool.openers.count == free)
    assert not stuck, "runs wait for cells that nobody starts"
    assert not (pool.refusing and free), "runs wait although the breaker is open"


def _check_cell(cell: Cell, shared: Shared) -> None:
    assert bool(cell.at_hand) == (cell.state is CellState.BUSY), "busy means to have a run"
    idle = not (cell.at_hand or cell.restocking)
    settled = {CellState.STARTING, CellState.DYING, CellState.IDLE}
    assert idle == (cell.state in settled), "a cell that idles and does not"
    assert cell.taken <= cell.pool.defined.slots, "more runs than slots"
    for run_id, run in cell.at_hand.items():
        assert run.cell is cell, "a run and its cell disagree"
        assert shared.timers.wanted((RUN, run_id)) is not None, "a run without a deadline"
    wanted = shared.timers.wanted((CELL, cell.cell)) is not None
    timed = cell.restocking > 0 or cell.state is CellState.STARTING
    assert wanted == timed, f"a {cell.state.value} cell with or without deadline"
    aging = cell.state not in {CellState.STARTING, CellState.DYING}
    assert aging or shared.timers.wanted((AGE, cell.cell)) is None, "a dying cell ages"
    assert (cell in cell.pool.shelf) == cell.pool.is_open(cell), "the shelf is wrong"
    free = aging and not cell.retired and cell.taken < cell.pool.defined.slots
    called = free and bool(cell.waited_for)
    assert (cell in cell.pool.called) == called, "called means waited for, with a free slot"
    assert len(cell.sessions) <= cell.pool.sessions_per_cell, "too many sessions"
    assert not cell.retired or cell.at_hand or cell.state is CellState.DYING, "it should be gone"
    used = cell.pool.defined.single_use and cell.runs and not cell.sessions
    assert not used or cell.state is CellState.DYING, "a used cell lives on"
    for session in cell.sessions.values():
        assert session.cell is cell, "a session and its cell disagree"
        assert (session in cell.waited_for) == bool(session.queued), "waited for is wrong"
        at_hand = [run for run in cell.at_hand.values() if run.session is session]
        assert at_hand == ([session.run] if session.run else []), "a session of two runs"


def _check_session(session: Session) -> None:
    if session.lost:
        assert session.cell is None, "a lost session holds on to a cell"
        assert not session.queued, "a lost session holds on to runs"
    elif session.cell is None:
        assert session.queued, "an opening session without runs"
        head, *others = session.queued.values()
        assert head.lane is session.pool.openers, "the head does not wait for a cell"
        assert all(run.lane is None for run in others), "others wait beside the head"
    else:
        assert session.session in session.cell.sessions, "its cell misses the session"
        assert all(run.lane is session.lane for run in session.queued.values())
