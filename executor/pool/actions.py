"""What the pool tells the shell to do, in this order. The failure of an action is an event.

Rule 1: each run gets exactly one ending: the cell's own answer, passed on by the shell before its
`RunEnded`, or one `LoseRun` or `RefuseRun`.
Rule 2: after `LoseRun` the shell passes on nothing more of that run; `PoolCore.run_of` says
whether a cell still has it.

Named tuples for the reason given in `executor.pool.events`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from protocol.messages import Verdict

type Reason = Literal[
    "queue_full", "queue_timeout", "draining", "breaker_open", "session_lost", "cancelled"
]


class SpawnCell(NamedTuple):
    """Start a cell; answer with `CellReady` or `CellGone`."""

    cell: int
    pool: int


class StartRun(NamedTuple):
    """Send the run to the cell; answer with `RunEnded` or `CellGone`."""

    cell: int
    run_id: int
    queued_s: float


class InterruptRun(NamedTuple):
    """Ask the cell to end the run softly, with this verdict."""

    cell: int
    run_id: int
    verdict: Verdict


class KillCell(NamedTuple):
    """Kill the cell, do not wait for it; answer with `CellGone` once it is reaped."""

    cell: int
    cause: str


class LoseRun(NamedTuple):
    """Tell the host that the run ended without an answer of its cell. It may have had effects."""

    run_id: int
    verdict: Verdict
    cause: str
    ran_s: float = 0.0


class RefuseRun(NamedTuple):
    """Tell the host that the run never began."""

    run_id: int
    reason: Reason
    detail: str


class DropSession(NamedTuple):
    """Tell the cell to drop the sandbox it keeps for the session."""

    cell: int
    session: int


class BreakerOpened(NamedTuple):
    """Tell the host that the pool's cells cannot be started; its runs are refused until one can."""

    pool: int
    cause: str


class Closed(NamedTuple):
    """The drain is over: no run and, as far as anyone can tell, no cell is left. Comes once."""


type Action = (
    SpawnCell
    | StartRun
    | InterruptRun
    | KillCell
    | LoseRun
    | RefuseRun
    | DropSession
    | BreakerOpened
    | Closed
)
