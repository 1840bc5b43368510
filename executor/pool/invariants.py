"""What is true of the pools after every event. `check` asserts it all; tests call it."""

from __future__ import annotations

from collections import Counter

from executor.pool.book import Book
from executor.pool.parts import Cell, CellState, Session
from executor.pool.pool import Pool
from executor.pool.shared import AGE, CELL, QUEUE, Shared


def check(shared: Shared, pools: dict[int, Pool], book: Book) -> None:
    """Assert every invariant."""
    shared.timers.check()
    assert not shared.actions, "an action was left behind"
    assert shared.cells == {n: c for p in pools.values() for n, c in p.cells.items()}
    waiting = {r: run for p in pools.values() for q in p.queued.values() for r, run in q.items()}
    at_hand = {c.run.run_id: c.run for c in shared.cells.values() if c.run is not None}
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
    assert pool.running == states[CellState.BUSY] <= pool.defined.cells_max, "too many run"
    assert pool.dying == states[CellState.DYING], "dying cells are miscounted"
    assert pool.starting == states[CellState.STARTING], "starting cells are miscounted"
    assert pool.shelf.count == states[CellState.IDLE], "idle cells are miscounted"
    extra = pool.relieved is not None
    assert pool.living <= pool.living_max + 1, "more cells than allowed"
    assert extra or pool.living <= pool.living_max or not pool.starting, "a cell too many"
    assert len(pool.cells) <= pool.processes_max, "dead cells pile up"
    assert pool.floor <= pool.target <= pool.living_max, "the target is out of range"
    assert pool.queued_count == sum(map(len, pool.queued.values())), "the queue is miscounted"
    assert all(pool.queued.values()), "a tenant without runs is kept"
    assert pool.queued_count <= pool.defined.queue_max, "the queue is over its limit"
    kept = [s for c in pool.cells.values() for s in c.sessions]
    assert len(kept) == len(set(kept)), "a session is kept twice"
    if pool.running < pool.defined.cells_max and pool.shelf.count:
        assert not pool.general.count, "a run waits although a cell is idle"
        assert not (pool.openers.count and pool.shelf.roomy()), "a session waits for no reason"
        assert not pool.called, "a session's run waits although its cell is idle"
    free = pool.general.count + pool.openers.count
    coming = pool.starting or pool.running or states[CellState.RESTOCKING] or pool.dying
    restarting = pool.breaker.careful
    stuck = free and not (coming or restarting or pool.openers.count == free)
    assert not stuck, "runs wait for cells that nobody starts"
    assert not (pool.refusing and free), "runs wait although the breaker is open"


def _check_cell(cell: Cell, shared: Shared) -> None:
    assert (cell.run is not None) == (cell.state is CellState.BUSY), "busy means to have a run"
    if cell.run is not None:
        assert cell.run.cell is cell, "a run and its cell disagree"
    timed = {CellState.STARTING, CellState.BUSY, CellState.RESTOCKING}
    wanted = shared.timers.wanted((CELL, cell.cell)) is not None
    assert wanted == (cell.state in timed), f"a {cell.state.value} cell with or without deadline"
    aging = cell.state not in {CellState.STARTING, CellState.DYING}
    assert aging or shared.timers.wanted((AGE, cell.cell)) is None, "a dying cell ages"
    assert (cell in cell.pool.shelf) == (cell.state is CellState.IDLE), "the shelf is wrong"
    called = cell.state is CellState.IDLE and cell.lane is not None and cell.lane.count > 0
    assert (cell in cell.pool.called) == called, "called means idle and waited for"
    assert len(cell.sessions) <= cell.pool.policy.sessions_per_cell, "too many sessions"
    for session in cell.sessions.values():
        assert session.cell is cell, "a session and its cell disagree"


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
        assert all(run.lane is session.cell.lane for run in session.queued.values())
