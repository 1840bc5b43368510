"""Starts, kills and reaps the processes of cells. Decides nothing.

A cell gets one socket as descriptor 3, /dev/null as 0 to 2, an empty environment and nothing else:
descriptors of ours are close-on-exec, and `posix_spawn` opens the four it is to have.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from dataclasses import dataclass
from typing import Protocol

from executor.loop.launch import launch, take_ahead


@dataclass(frozen=True, slots=True)
class Spawned:
    """A started cell: its process and our end of its socket."""

    pid: int
    pidfd: int
    sock: socket.socket


class Spawner(Protocol):
    """Where cells come from."""

    def spawn(self) -> Spawned:
        """Start a cell.

        Raises:
            OSError: it cannot be started now.
        """
        ...

    def close(self) -> None:
        """Let go of what starting cells needed. The cells are the loop's to end."""


class DirectSpawner:
    """Starts each cell as a new Python process."""

    def __init__(self, *, python: str, library_path: str) -> None:
        """`library_path` is the folder that holds the wasmtime package."""
        self._python = python
        self._library_path = library_path

    def spawn(self) -> Spawned:
        """Start a cell, or take the one that was launched ahead of time.

        Raises:
            OSError: the system refuses another process or descriptor.
        """
        pid, fd = take_ahead() or launch(self._python, self._library_path)
        return Spawned(pid, os.pidfd_open(pid), socket.socket(fileno=fd))

    def close(self) -> None:
        """Nothing is kept between two cells."""


def kill(spawned: Spawned) -> None:
    """Kill a cell at once. Harmless if it is dead."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(spawned.pidfd, signal.SIGKILL)


def reap(spawned: Spawned) -> str:
    """Collect a dead cell and say how it ended, in words for people."""
    try:
        status = os.waitid(os.P_PIDFD, spawned.pidfd, os.WEXITED)
    except ChildProcessError:
        return "gone"
    if status is None:
        return "gone"
    if status.si_code == os.CLD_EXITED:
        return f"exited with status {status.si_status}"
    try:
        name = signal.Signals(status.si_status).name
    except ValueError:
        name = str(status.si_status)
    return f"killed by {name}"
