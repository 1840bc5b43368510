"""What the isolate promises: the supervisor goes on while the host cannot.

The host holds its interpreter's lock in one call into the C library, which returns at once when a
file appears in a directory, and else after a wait.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

from executor import Supervisor
from executor.isolate import IsolateKind

_IN_CREATE = 0x100
#: Only a supervisor that stands still takes all of it.
PATIENCE_MS = 30_000


class _PollFd(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short)]  # type: ignore[mutable-override]  # as ctypes wants it


class Directory:
    """A directory and the kernel's word for whether something new is in it."""

    def __init__(self, path: Path) -> None:
        self._libc = ctypes.PyDLL(None)  # unlike CDLL, this keeps the lock during a call
        self._fd = self._libc.inotify_init()
        assert self._libc.inotify_add_watch(self._fd, os.fsencode(path), _IN_CREATE) > 0

    def hold_interpreter_until_a_file_appears(self, wait_ms: int) -> bool:
        """Return whether one did; no other thread of this interpreter runs before that."""
        return bool(self._libc.poll(ctypes.byref(_PollFd(self._fd, 1)), 1, wait_ms))

    def close(self) -> None:
        os.close(self._fd)


def next_run_begins(path: Path, isolate: IsolateKind, wait_ms: int) -> bool:
    """Return whether a run that waits behind another begins while the host holds its interpreter.

    The first run never ends by itself: its deadline has to be kept meanwhile, too.
    """
    mounts = [f"{path}:/out"]
    watched = Directory(path)
    with Supervisor(cells=1, isolate=isolate) as supervisor:
        supervisor.run("", mounts=mounts)  # the pool of its cells is there
        first = supervisor.start("while True: pass", mounts=mounts, limits={"wall_s": 0.5})
        then = supervisor.start("open('/out/seen', 'w').close()", mounts=mounts)
        began = watched.hold_interpreter_until_a_file_appears(wait_ms)
        assert first.result().verdict == "timeout"
        assert then.result().verdict == "ok"
    watched.close()
    return began


@pytest.mark.parametrize("isolate", ["interpreter", "process"])
def test_runs_end_and_begin_while_the_host_holds_its_interpreter(
    isolate: IsolateKind, tmp_path: Path
) -> None:
    assert next_run_begins(tmp_path, isolate, PATIENCE_MS)


def test_the_host_does_hold_up_a_loop_that_shares_its_interpreter(tmp_path: Path) -> None:
    assert not next_run_begins(tmp_path, "inline", 2_000)
