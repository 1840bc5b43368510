"""What the shell tells the pool. Times travel beside an event, never in it.

Named tuples, not dataclasses: these classes are defined on the command line's start-up path and
made for every run; a named tuple is five times cheaper to define and more than twice as cheap to
make. They compare by their fields alone, so a test compares their `repr`.
"""

from __future__ import annotations

from typing import NamedTuple

#: 1 TiB, the largest size the protocol carries: no cell comes near it.
BYTES_MAX = 1 << 40


class PoolDefined(NamedTuple):
    """The host wants a pool. Its cells are started at once.

    `cells_max` cells run guests at the same time; `spares` more are kept ready to take the place
    of one that dies. `queue_max` runs may wait. A cell above `rss_bytes_max` is killed. The cells
    of a pool `on_demand` are started when runs wait for them, and all of them let go when idle.
    A cell has `slots` runs at hand at most. One of `single_use` serves one run, or the runs of one
    session, and is then killed.
    """

    pool: int
    cells_max: int
    spares: int
    queue_max: int
    rss_bytes_max: int = BYTES_MAX
    on_demand: bool = False
    single_use: bool = False
    slots: int = 1


class PoolDropped(NamedTuple):
    """The host no longer wants the pool: take nothing new for it, and forget it without its cells.

    Runs that wait for it are refused. Its number is never given to another.
    """

    pool: int


class RunSubmitted(NamedTuple):
    """The host wants a run. `session` is 0 for a run that keeps no state."""

    run_id: int
    pool: int
    tenant: str
    priority: int
    wall_s: float
    queue_s: float
    session: int = 0


class RunCancelled(NamedTuple):
    """The host no longer wants the run, wherever it is. Harmless once it has ended."""

    run_id: int


class CellReady(NamedTuple):
    """The cell said that it waits for a run: for the first time, or once more after each answer.

    `spent`: it must serve nothing more.
    """

    cell: int
    stock: int
    heap_bytes: int
    spent: bool = False


class RunEnded(NamedTuple):
    """The cell answered the run, and the shell has passed the answer on to the host."""

    cell: int
    run_id: int


class CellGone(NamedTuple):
    """The cell's process is no more, or will be at once: its pipe is closed.

    `by_us` is true where the shell killed it for a reason that is not the cell's fault. A cell
    that broke the protocol is one that crashed. `blamed` names the tenant to hold that against; it
    is None for the one whose run the cell had last.
    """

    cell: int
    cause: str
    by_us: bool
    blamed: str | None = None


class SessionEnded(NamedTuple):
    """The host no longer wants the session."""

    session: int


class DrainAsked(NamedTuple):
    """The host leaves: take nothing new, finish what is there within `within_s`, then close."""

    within_s: float


class MemorySeen(NamedTuple):
    """The kernel's account of a cell's resident memory."""

    cell: int
    rss_bytes: int


type Event = (
    PoolDefined
    | PoolDropped
    | RunSubmitted
    | RunCancelled
    | CellReady
    | RunEnded
    | CellGone
    | SessionEnded
    | DrainAsked
    | MemorySeen
)
