"""A shell with virtual time around a pool core, which holds every action to what was promised.

It keeps its own account of runs, cells and sessions, built from events and actions alone, and
asserts on each action that it is one a shell can obey and a host can rely on. After each step it
also asks the core for its own invariants.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from executor.pool import (
    Action,
    BreakerOpened,
    CellGone,
    CellReady,
    Closed,
    DrainAsked,
    DropSession,
    Event,
    InterruptRun,
    KillCell,
    LoseRun,
    Policy,
    PoolCore,
    PoolDefined,
    PoolDropped,
    RefuseRun,
    RunEnded,
    RunSubmitted,
    SessionEnded,
    SpawnCell,
    StartRun,
)
from executor.restart import BackoffPolicy
from protocol.messages import Verdict

#: No chance in the waits, so that a test can say when something happens.
STEADY = Policy(backoff=BackoffPolicy(jitter=0.0))


@dataclass
class Known:
    """What the outside knows of a run."""

    asked: RunSubmitted
    at: float
    cell: int = 0
    started_at: float = -1.0
    ending: Action | RunEnded | None = None
    #: Runs of each tenant that were started while this one waited, at its priority or below.
    passed_by: Counter[str] = field(default_factory=Counter)
    #: The only run of its tenant, from its submission to its start.
    single: bool = False


@dataclass
class Process:
    """What the outside knows of a cell."""

    pool: int
    slots: int = 1
    single_use: bool = False
    state: str = "starting"
    #: Its runs at hand, lost ones not among them.
    runs: set[int] = field(default_factory=set)
    #: Slots whose run it has answered without having said ready since.
    restocking: int = 0
    served: int = 0
    spent: bool = False
    sessions: set[int] = field(default_factory=set)
    #: Of those, what the host ended while a run of it was at hand.
    ended: set[int] = field(default_factory=set)

    @property
    def run(self) -> int:
        """The run of a cell of one slot, 0 for none."""
        (run,) = self.runs or {0}
        return run

    def rest(self) -> None:
        """Name the state of a living cell by what it has."""
        if self.state not in {"starting", "dying"}:
            self.state = "busy" if self.runs else "restocking" if self.restocking else "idle"


class World:
    """Events go through `do`, time through `until`; both return the actions."""

    def __init__(self, policy: Policy = STEADY) -> None:
        self.policy = policy
        self.core = PoolCore(policy)
        self.now = 1_000.0
        self.pools: dict[int, PoolDefined] = {}
        self.dropped: set[int] = set()
        self.runs: dict[int, Known] = {}
        self.open: dict[int, Known] = {}
        self._by_tenant: defaultdict[str, dict[int, Known]] = defaultdict(dict)
        self.cells: dict[int, Process] = {}
        self.lost_sessions: set[int] = set()
        self._closed = False
        self.draining_until: float | None = None
        self._next_run = 0

    # --- shorthand -------------------------------------------------------------------------------
    def pool(
        self,
        cells: int = 1,
        *,
        spares: int = 0,
        queue: int = 100,
        ready: bool = True,
        pool: int = 1,
        single_use: bool = False,
        slots: int = 1,
        rss_bytes_max: int = 1 << 40,
    ) -> list[Action]:
        actions = self.do(
            PoolDefined(
                pool, cells, spares, queue, rss_bytes_max, single_use=single_use, slots=slots
            )
        )
        if ready:
            self.all_ready()
        return actions

    def submit(
        self,
        tenant: str = "",
        *,
        priority: int = 0,
        session: int = 0,
        wall_s: float = 10.0,
        queue_s: float = 1_000.0,
        pool: int = 1,
    ) -> int:
        run = self.next_run()
        self.do(RunSubmitted(run, pool, tenant, priority, wall_s, queue_s, session))
        return run

    def next_run(self) -> int:
        self._next_run += 1
        return self._next_run

    def all_ready(self) -> None:
        for cell in self.in_state("starting"):
            self.do(CellReady(cell, 1, 0))
        for cell in self.restocking():
            while self.cells[cell].restocking:
                self.do(CellReady(cell, 1, 0))

    def closed(self) -> bool:
        return self._closed

    def in_state(self, *states: str) -> list[int]:
        return [number for number, cell in self.cells.items() if cell.state in states]

    def restocking(self) -> list[int]:
        """Return the cells that owe a word that they are ready."""
        return [number for number, cell in self.cells.items() if cell.restocking]

    def cell_of(self, run: int) -> int:
        return self.runs[run].cell

    def end(self, run: int, *, ready: bool = True) -> list[Action]:
        """Let the run's cell answer it and, if asked, be ready again."""
        cell = self.cell_of(run)
        actions = self.do(RunEnded(cell, run))
        if ready and self.cells[cell].restocking:
            actions += self.do(CellReady(cell, 1, 0))
        return actions

    def crash(self, cell: int, cause: str = "it died") -> list[Action]:
        return self.do(CellGone(cell, cause, by_us=False))

    def ending_of(self, run: int) -> str:
        """Return "waiting", "running", "ended", a loss's verdict or a refusal's reason."""
        known = self.runs[run]
        match known.ending:
            case None:
                return "running" if known.started_at >= 0 else "waiting"
            case RefuseRun():
                return known.ending.reason
            case LoseRun():
                return known.ending.verdict.value
            case _:
                return "ended"

    def statistics(self) -> Any:
        """Return the statistics of the only pool."""
        pools: Any = self.core.statistics(self.now)["pools"]
        (pool,) = pools
        return pool

    # --- stepping --------------------------------------------------------------------------------
    def do(self, event: Event) -> list[Action]:
        """Give the core an event and obey it."""
        if isinstance(event, PoolDefined):
            self.pools[event.pool] = event
        if isinstance(event, PoolDropped):
            self.dropped |= {event.pool} & self.pools.keys()
        if isinstance(event, RunSubmitted):
            known = Known(event, self.now)
            others = self._by_tenant[event.tenant]
            known.single = not others
            if len(others) == 1:
                (other,) = others.values()
                other.single &= other.started_at >= 0
            others[event.run_id] = known
            self.runs[event.run_id] = self.open[event.run_id] = known
        if isinstance(event, DrainAsked):
            until = self.now + event.within_s
            self.draining_until = min(self.draining_until or until, until)
        self._before(event)
        actions = self.core.handle(event, self.now)
        self._obey(actions)
        return actions

    def until(self, then: float) -> list[Action]:
        """Let time pass up to `then`, waking the core exactly when it wants to be woken."""
        actions: list[Action] = []
        while (at := self.core.wake_at()) is not None and at <= then:
            self.now = max(self.now, at)
            done = self.core.advance(self.now)
            self._obey(done)
            actions += done
        self.now = max(self.now, then)
        return actions

    def after(self, seconds: float) -> list[Action]:
        return self.until(self.now + seconds)

    # --- the outside's own account ---------------------------------------------------------------
    def _before(self, event: Event) -> None:
        match event:
            case CellReady(number) if number in self.cells:
                cell = self.cells[number]
                if cell.state == "starting" and not event.spent:
                    cell.state = "idle"
                elif cell.restocking:
                    cell.restocking -= 1
                cell.spent |= event.spent and cell.state not in {"starting", "dying"}
                cell.rest()
            case RunEnded(number, run) if number in self.cells:
                cell = self.cells[number]
                if run in cell.runs:
                    self._end(run, event)
                    cell.runs.remove(run)
                    cell.restocking += 1
                    cell.served += 1
                    cell.rest()
            case CellGone(number) if number in self.cells:
                cell = self.cells.pop(number)
                self.lost_sessions |= cell.sessions - cell.ended
            case SessionEnded(session):
                self.lost_sessions.discard(session)
                for holder in self.cells.values():
                    holder.ended |= {session} & holder.sessions
            case _:
                pass

    def _end(self, run: int, ending: Action | RunEnded) -> None:
        known = self.open.pop(run)
        del self._by_tenant[known.asked.tenant][run]
        assert known.ending is None
        known.ending = ending

    def _obey(self, actions: list[Action]) -> None:
        for action in actions:
            assert not self._closed or isinstance(action, RefuseRun), f"{action} after the end"
            match action:
                case SpawnCell(cell, pool):
                    assert cell not in self.cells
                    assert pool not in self.dropped, "a cell for a pool that nobody wants"
                    defined = self.pools[pool]
                    self.cells[cell] = Process(pool, defined.slots, defined.single_use)
                case StartRun():
                    self._started(action)
                case InterruptRun(cell, run, verdict):
                    assert run in self.cells[cell].runs
                    assert verdict in {Verdict.CANCELLED, Verdict.TIMEOUT}
                case KillCell(cell, cause):
                    assert self.cells[cell].state != "dying"
                    assert cause
                    self.cells[cell].state = "dying"
                    self.cells[cell].restocking = 0
                    self.lost_sessions |= self.cells[cell].sessions - self.cells[cell].ended
                    self.cells[cell].sessions.clear()
                case LoseRun(run, _, _, ran_s):
                    known = self.open[run]
                    assert known.started_at >= 0, "lost without having begun"
                    assert ran_s == self.now - known.started_at
                    if known.cell in self.cells:
                        assert self.cells[known.cell].state == "dying", "lost, and its cell lives"
                        self.cells[known.cell].runs.remove(run)
                    self._end(run, action)
                case RefuseRun(run):
                    assert self.open[run].started_at < 0, "refused after it began"
                    self._end(run, action)
                case DropSession(number, session):
                    cell_of = self.cells[number]
                    assert cell_of.state != "dying"
                    cell_of.sessions.remove(session)
                    cell_of.ended.remove(session)
                    assert all(self.runs[run].asked.session != session for run in cell_of.runs)
                case BreakerOpened(pool, cause):
                    assert pool in self.pools
                    assert cause
                case Closed():
                    assert not self.open
                    self._closed = True
        self._check()

    def _started(self, action: StartRun) -> None:
        cell, known = self.cells[action.cell], self.open[action.run_id]
        asked = known.asked
        assert cell.state in {"idle", "busy", "restocking"}, "a run was started on no ready cell"
        taken = len(cell.runs) + cell.restocking
        assert taken < cell.slots, "a run was started on a cell that had not said ready"
        assert not cell.spent, "a run was started on a spent cell"
        assert cell.pool == asked.pool
        assert asked.pool not in self.dropped, "a run was started in a pool that was dropped"
        assert known.started_at < 0, "started twice"
        assert action.queued_s == self.now - known.at
        if asked.session:
            assert asked.session not in self.lost_sessions, "a lost session found a fresh sandbox"
            holders = [n for n, c in self.cells.items() if asked.session in c.sessions]
            assert holders in ([], [action.cell]), "a session moved to another cell"
            assert all(self.runs[run].asked.session != asked.session for run in cell.runs)
            if cell.single_use:
                assert asked.session in cell.sessions or not cell.served, "used by two"
            cell.sessions.add(asked.session)
        elif cell.single_use:
            assert not cell.served, "a used cell was used again"
            assert not cell.sessions, "a run was started beside a session"
        cell.state = "busy"
        cell.runs.add(action.run_id)
        known.cell, known.started_at = action.cell, self.now
        for other in self.open.values():
            if other.started_at < 0 and other.asked.pool == asked.pool:
                assert (
                    asked.session or other.asked.session or (other.asked.priority <= asked.priority)
                ), "a run of lower priority went first"
                if other.asked.priority >= asked.priority and not cell.single_use:
                    other.passed_by[asked.tenant] += 1
        if known.single and not asked.session:
            del known.passed_by[asked.tenant]
            assert all(n <= 1 for n in known.passed_by.values()), f"unfair: {known.passed_by}"

    def _check_dropped(self, queued: Counter[int]) -> None:
        pools: Any = self.core.statistics(self.now)["pools"]
        known = {pool["pool"] for pool in pools}
        for number in self.dropped:
            states = {cell.state for cell in self.cells.values() if cell.pool == number}
            assert not queued[number], "a run waits for a pool that was dropped"
            assert states <= {"busy", "dying"}, "a dropped pool keeps a cell"
            assert (number in known) == bool(states), "it is forgotten too soon or too late"

    def _check(self) -> None:
        self.core.check()
        queued = Counter(k.asked.pool for k in self.open.values() if k.started_at < 0)
        if self.dropped and not self._closed:
            self._check_dropped(queued)
        for number, pool in self.pools.items():
            cells = [c for c in self.cells.values() if c.pool == number]
            assert queued[number] <= pool.queue_max
            assert sum(len(c.runs) for c in cells) <= pool.cells_max * pool.slots
            kept = sum(c.single_use and c.state != "dying" and bool(c.sessions) for c in cells)
            living = sum(c.state != "dying" for c in cells) - kept
            assert living <= pool.cells_max + pool.spares + 1
        for number, cell in self.cells.items():
            assert set(self.core.runs_of(number)) == cell.runs
            assert (cell.state == "busy") == bool(cell.runs)
            assert len(cell.sessions) <= (1 if cell.single_use else self.policy.sessions_per_cell)
            if cell.single_use and cell.served and cell.state != "dying":
                assert cell.sessions, "a used cell lives on"
            assert not cell.spent or cell.runs or cell.state == "dying", "a spent cell lives on"
        for run, known in self.open.items():
            assert self.core.knows(run)
            if known.started_at >= 0:
                over = known.started_at + known.asked.wall_s + self.policy.kill_grace_s
                if self.pools[known.asked.pool].slots > 1:
                    over += self.policy.shared_grace_s
                assert self.now <= over or (self.core.wake_at() or 0) <= self.now, "over its time"
            else:
                over = known.at + known.asked.queue_s
                assert self.now <= over or (self.core.wake_at() or 0) <= self.now, "waits too long"
        if self.draining_until is not None and not self._closed:
            wake = self.core.wake_at()
            assert wake is not None, "a drain that nobody would finish"
