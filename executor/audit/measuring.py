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
#: Written to /proc/self/clear_refs, it begins the highest resident size anew.
_RESET_PEAK: Final = "5"


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
    """Return by how many bytes this process grew at its highest while `act` ran."""
    _give_back()
    before = _own("VmRSS")
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write(_RESET_PEAK)
    except OSError:  # then the peak is that of all our life: what it grows by is still ours
        before = _own("VmHWM")
    act()
    return max(0, _own("VmHWM") - before)


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
                if line.startswith(("VmRSS", "VmHWM")):
                    name, _, rest = line.partition(":")
                    found[name] = int(rest.split()[0]) * _KIB
    except OSError:
        pass
    return found
