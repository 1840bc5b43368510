"""The decision core of the supervisor, pure and synchronous. Start reading at `core`.

events     what the shell tells it            actions    what it tells the shell
core       runs, deadlines, cancel, drain     pool       life and number of cells
places     queue, sessions, who runs where    deaths     ends of cells, and what their runs are told
queue      whose run is next                  blame, quarantine: who crashed a cell
timers     when it must be woken              policy     every number it decides by
parts      run, cell, session, idle shelf     meters, snapshot, invariants
"""

from executor.pool.actions import (
    Action,
    BreakerOpened,
    Closed,
    DropSession,
    InterruptRun,
    KillCell,
    LoseRun,
    RefuseRun,
    SpawnCell,
    StartRun,
)
from executor.pool.core import PoolCore
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
from executor.pool.policy import Policy

__all__ = [
    "Action",
    "BreakerOpened",
    "CellGone",
    "CellReady",
    "Closed",
    "DrainAsked",
    "DropSession",
    "Event",
    "InterruptRun",
    "KillCell",
    "LoseRun",
    "MemorySeen",
    "Policy",
    "PoolCore",
    "PoolDefined",
    "PoolDropped",
    "RefuseRun",
    "RunCancelled",
    "RunEnded",
    "RunSubmitted",
    "SessionEnded",
    "SpawnCell",
    "StartRun",
]
