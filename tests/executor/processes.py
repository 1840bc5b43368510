"""What this test process has started, read from /proc; nothing else is ever looked at or ended."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path


def descendants(pid: int | None = None) -> list[int]:
    """Return the living processes below `pid`, or below this one."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue  # it ended meanwhile
        if state != "Z":
            parents.setdefault(int(parent), []).append(int(entry.name))
    below, found = [os.getpid() if pid is None else pid], []
    while below:
        children = parents.get(below.pop(), [])
        found += children
        below += children
    return sorted(found)


def command(pid: int) -> str:
    """Return the command line of a process, "" if it is gone."""
    try:
        return (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
    except OSError:
        return ""


def is_loop(pid: int) -> bool:
    """Return whether a process is the supervisor loop of `isolate="process"`."""
    return "executor.loop.main" in command(pid)


def kill(pid: int) -> None:
    """Kill a process. Harmless if it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def wait_gone(pids: list[int], patience_s: float) -> list[int]:
    """Wait until these processes are no more; return those that are."""
    deadline = time.monotonic() + patience_s
    left = pids
    while left and time.monotonic() < deadline:
        left = [pid for pid in left if _is_alive(pid)]
        time.sleep(0.002)
    return left


def _is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
