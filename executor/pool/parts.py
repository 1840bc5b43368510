"""What the pool keeps for each run, cell and session. Data alone; the core and its pools decide."""

from __future__ import annotations

import enum
from collections import OrderedDict
from typing import TYPE_CHECKING

from executor.pool.timers import Key
from protocol.messages import Verdict
from protocol.structs import field, mutable

if TYPE_CHECKING:
    from executor.pool.pool import Pool
    from executor.pool.queue import Lane


class CellState(enum.Enum):
    """Where a cell is in its life. It leaves DYING, as every other state, when it is gone."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"  # has a run at hand; one of several slots may take another
    RESTOCKING = "restocking"  # has answered its runs and not yet said ready after each
    DYING = "dying"  # killed by us, not yet reaped


@mutable
class Run:
    """A run from its submission to its ending."""

    run_id: int
    pool: Pool
    tenant: str
    priority: int
    wall_s: float
    queue_s: float
    session: Session | None
    submitted_at: float
    #: Where it waits; None while it runs, or waits for its session to find a cell.
    lane: Lane | None = None
    #: The cell that has it; None while it waits.
    cell: Cell | None = None
    started_at: float = 0.0
    #: When it is killed, and the verdict it was asked to end with.
    kill_at: float = 0.0
    interrupted: Verdict | None = None


@mutable
class Session:
    """A session from its first run until the host ends it.

    opening  `cell` is None: its oldest queued run waits for a cell with room
    kept     `cell` has its sandbox, and runs its runs one after another
    lost     the cell is gone; only the fact is kept, for the host's next run
    """

    session: int
    pool: Pool
    cell: Cell | None = None
    #: Why it was lost; "" if it was not.
    lost: str = ""
    #: The host ended it while a run of it was at hand: dropped after that run.
    ending: bool = False
    #: Its run at hand.
    run: Run | None = None
    queued: OrderedDict[int, Run] = field(default_factory=OrderedDict)
    #: Its queued runs in their order once it is kept; made with the first of them.
    lane: Lane | None = None


@mutable
class Cell:
    """A cell from its spawning until it is reaped."""

    cell: int
    pool: Pool
    spawned_at: float
    #: Failures in a row before it was spawned: its own failure is news only to as many.
    attempt: int
    timer: Key
    state: CellState = CellState.STARTING
    at_hand: dict[int, Run] = field(default_factory=dict)
    #: Slots whose run it has answered, and that it has not given back.
    restocking: int = 0
    #: Whose run it had last; None if it has had none.
    tenant: str | None = None
    sessions: dict[int, Session] = field(default_factory=dict)
    #: Of those, the ones with queued runs.
    waited_for: dict[Session, None] = field(default_factory=dict)
    #: Why it is to be replaced; "" if it is not.
    due: str = ""
    #: It takes no more runs, and goes when it has none at hand.
    retired: bool = False
    #: It is on its pool's shelf.
    shelved: bool = False
    runs: int = 0
    stock: int = 0
    idle_since: float = 0.0
    heap_first_bytes: int = -1
    heap_bytes: int = 0
    rss_first_bytes: int = -1
    rss_bytes: int = 0

    @property
    def taken(self) -> int:
        """Slots that a run has, or had until the cell says ready."""
        return len(self.at_hand) + self.restocking


#: A cell with stock left rests this long after a run before it makes more; see `sandboxes.cell`.
REST_S = 0.001
#: A cell that answered a run this long ago has filled up its stock: 1 to 2 ms for each sandbox.
REFILL_S = 0.012


class Shelf:
    """The cells of a pool that may take a run of anybody, so that the best one is at hand.

    Those that keep and run the least come first. Last in, first out, among equals: caches stay
    warm, and what is not needed stays idle long enough to be let go. But a cell that has answered
    makes new sandboxes, after a short rest or at once if it has none, and while it does the one
    idle for longest is better.
    """

    __slots__ = ("_due", "_rows", "_sessions_max", "count")

    def __init__(self, sessions_max: int, slots: int = 1) -> None:
        #: By what each cell has: its sessions and its taken slots.
        self._rows: list[dict[Cell, None]] = [{} for _ in range(sessions_max + slots)]
        self._due: dict[Cell, None] = {}
        self._sessions_max = sessions_max
        self.count = 0

    def put(self, cell: Cell) -> None:
        """Add a cell."""
        self._row(cell)[cell] = None
        cell.shelved = True
        self.count += 1

    def take(self, cell: Cell) -> None:
        """Remove it. Before what it has or `due` changes, for they say where it stands."""
        del self._row(cell)[cell]
        cell.shelved = False
        self.count -= 1

    def any(self, now: float) -> Cell | None:
        """Return the cell for a run of no session: it has little, and stays if possible."""
        for row in self._rows:
            if row:
                newest = next(reversed(row))
                idle_s = now - newest.idle_since
                rests = newest.stock > 0 and idle_s < REST_S
                if rests or newest.runs == 0 or idle_s >= REFILL_S:
                    return newest
                return next(iter(row))
        return next(reversed(self._due), None)

    def roomy(self) -> Cell | None:
        """Return the cell for a new session, None if no cell here has room."""
        most = self._sessions_max
        for row in self._rows[:most]:
            if row:
                return next(reversed(row))
        if len(self._rows) > most + 1:  # beyond, a cell has room if some of what it has are runs
            for row in self._rows[most:]:
                for cell in row:
                    if len(cell.sessions) < most:
                        return cell
        return None

    def longest(self) -> Cell | None:
        """Return the cell that has been idle, and without sessions, for longest."""
        return next(iter(self._rows[0]), None)

    def __contains__(self, cell: Cell) -> bool:
        return cell.shelved and cell in self._row(cell)

    def _row(self, cell: Cell) -> dict[Cell, None]:
        return self._due if cell.due else self._rows[len(cell.sessions) + cell.taken]
