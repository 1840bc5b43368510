"""Memory as the kernel accounts for it: of the processes below this one, and of this one.

Rule: nothing is taken from what a guest or its cell says of itself.
"""

from __future__ import annotations

import ctypes
import gc
import os
import threading
from collections.abc import Callable, Iterator
from typing import Final

_KIB: Final = 1 << 10
_LOOK_S: Final = 0.005


class Scales:
    """Weighs the processes below this one; a guest calls `weigh` while it holds what it took."""

    def __init__(self) -> None:
        self._before = _resident_below()
        self._lock = threading.Lock()
        self.held_bytes = 0

    def weigh(self) -> None:
        """Take note of how much more they hold than at the start."""
        now = _resident_below()
        grown = max((size - self._before.get(pid, 0) for pid, size in now.items()), default=0)
        with self._lock:
            self.held_bytes = max(self.held_bytes, grown)


def grown_while(act: Callable[[], None]) -> int:
    """Return by how many bytes this process grew at its highest while `act` ran.

    Looked at again and again by a thread, as not every kernel lets a process begin the highest size
    that it keeps anew; what `act` has given back by then and was held in between may be missed.
    """
    _give_back()
    before = highest = _own("VmRSS")
    ended = threading.Event()

    def look() -> None:
        nonlocal highest
        while not ended.wait(_LOOK_S):
            highest = max(highest, _own("VmRSS"))

    thread = threading.Thread(target=look, name="cellblock-audit-scales", daemon=True)
    thread.start()
    try:
        act()
        highest = max(highest, _own("VmRSS"))
    finally:
        ended.set()
        thread.join()
    return highest - before


def _give_back() -> None:
    """Have the allocator give back what is free: what is used again would not show as growth."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc alone
    if trim is not None:
        trim(0)


def _own(name: str) -> int:
    return _status(os.getpid()).get(name, 0)


def _resident_below() -> dict[int, int]:
    return {pid: _status(pid).get("VmRSS", 0) for pid in below(os.getpid())}


def below(ancestor: int) -> Iterator[int]:
    """Yield the processes that descend from one."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            parents.setdefault(_parent(int(name)), []).append(int(name))
    waiting = [ancestor]
    while waiting:
        for pid in parents.get(waiting.pop(), ()):
            waiting.append(pid)
            yield pid


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def _status(pid: int) -> dict[str, int]:
    found: dict[str, int] = {}
    try:
        with open(f"/proc/{pid}/status") as file:
            for line in file:
                if line.startswith("VmRSS"):
                    name, _, rest = line.partition(":")
                    found[name] = int(rest.split()[0]) * _KIB
    except OSError:
        pass
    return found
