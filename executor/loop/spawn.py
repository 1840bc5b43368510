"""Where cells come from, and how they end. Decides nothing.

    DirectSpawner    each cell is a new Python process, without kernel walls
    ZygoteSpawner    each cell is forked warm from a zygote into its jail (`executor.loop.zygotes`)

A cell gets one socket as descriptor 3, /dev/null as 0 to 2, an empty environment and nothing else.
A spawner answers later and by callbacks, so that the loop never waits for a process to start.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
from typing import Protocol

from executor.loop.launch import launch, take_ahead
from protocol.messages import DefinePool
from protocol.structs import frozen, mutable


@frozen
class Spawned:
    """A started cell: its process and our end of its socket."""

    pid: int
    pidfd: int
    sock: socket.socket
    #: A folder of the cell's own for files, as the cell sees it; "" if it may use the spool's.
    scratch_path: str = ""


@mutable
class Starting:
    """A cell that was asked for and is not there yet."""

    pool: DefinePool
    spool_path: str
    killed_for: str = ""


@frozen
class Death:
    """How a cell ended, in words for people; `blameless` if that was not the cell's doing."""

    cause: str
    blameless: bool = False


class SpawnOwner(Protocol):
    """Whom a spawner answers."""

    def cell_spawned(self, number: int, spawned: Spawned) -> None:
        """The cell's process runs; the descriptors are the owner's now."""

    def cell_not_spawned(self, number: int, death: Death) -> None:
        """The request came to nothing."""

    def death_known(self, number: int) -> None:
        """`death_of` can tell now."""


class Spawner(Protocol):
    """Starts cells for one loop."""

    def attach(self, selector: selectors.BaseSelector, owner: SpawnOwner) -> None:
        """Begin: called once, before anything else."""

    def spawn(self, number: int, pool: DefinePool, spool_path: str) -> None:
        """Start a cell; answered by `cell_spawned` or `cell_not_spawned`, perhaps at once."""

    def death_of(self, number: int, spawned: Spawned) -> Death | None:
        """Say how a dead cell ended, once it can be told; its process is reaped then."""
        ...

    def wake_at(self) -> float | None:
        """Return when `advance` next has something to do, in monotonic seconds."""
        ...

    def advance(self, now: float) -> None:
        """Do what is due."""

    def close(self) -> None:
        """Let go of what starting cells needed. Living cells may end with it."""


class DirectSpawner:
    """Starts each cell as a new Python process of ours."""

    def __init__(self, *, python: str, library_path: str) -> None:
        """`library_path` is the folder that holds the wasmtime package."""
        self._python = python
        self._library_path = library_path
        self._owner: SpawnOwner | None = None

    def attach(self, selector: selectors.BaseSelector, owner: SpawnOwner) -> None:
        """Take note of the owner; a new process needs no selector."""
        del selector
        self._owner = owner

    def spawn(self, number: int, pool: DefinePool, spool_path: str) -> None:
        """Start a cell, or take the one that was launched ahead of time."""
        del spool_path  # a cell without a jail needs no preparation but for its kind
        assert self._owner is not None
        try:
            ahead = take_ahead() if pool.kind == "wasm" else None
            pid, fd = ahead or launch(self._python, self._library_path, pool.kind)
            spawned = Spawned(pid, os.pidfd_open(pid), socket.socket(fileno=fd))
        except OSError as error:
            self._owner.cell_not_spawned(number, Death(f"cannot be started: {error.strerror}"))
            return
        self._owner.cell_spawned(number, spawned)

    def death_of(self, number: int, spawned: Spawned) -> Death | None:
        """Reap the process and say how it ended."""
        del number
        return Death(_reap(spawned))

    def wake_at(self) -> float | None:
        """Nothing is ever due."""
        return None

    def advance(self, now: float) -> None:
        """Nothing is ever due."""

    def close(self) -> None:
        """Nothing is kept between two cells."""


def kill(spawned: Spawned) -> None:
    """Kill a cell at once. Harmless if it is dead."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(spawned.pidfd, signal.SIGKILL)


def describe_exit(code: int) -> str:
    """Say in words what a return code means: a status, or minus the number of a signal."""
    if code >= 0:
        return f"exited with status {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _reap(spawned: Spawned) -> str:
    try:
        status = os.waitid(os.P_PIDFD, spawned.pidfd, os.WEXITED)
    except ChildProcessError:
        status = None
    if status is None:
        return "ended"
    exited = status.si_code == os.CLD_EXITED
    return describe_exit(status.si_status if exited else -status.si_status)
