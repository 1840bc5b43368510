"""How much memory each cell holds by the kernel's account, looked at from outside.

The walls come first: the guest's store has a limit, and a jailed cell has RLIMIT_DATA. This is what
is left when both have a hole, or the cell has no jail: a look at /proc about once a second while
runs are at hand. Where there is no /proc, nothing is seen.

Rule: nothing here decides; what a size means is the pool core's to say.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from executor.pool import MemorySeen
from sandboxes.cell_plan import CELL_MEMORY_BYTES

#: One look costs 20 us for each cell.
PERIOD_S = 1.0
#: What a cell may hold beside its guests' memory: the data that its jail grants it, and room for
#: what wasmtime and the interpreter make of it.
HEADROOM_BYTES = CELL_MEMORY_BYTES + (256 << 20)
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Beat:
    """A moment that comes again `period_s` after the last, while it is wanted.

    One that was planned comes, also if it is no longer wanted: runs shorter than the period would
    put it off for ever.
    """

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._at: float | None = None

    def plan(self, now: float, *, is_wanted: bool) -> float | None:
        """Return the next moment; None if there is none and none is wanted."""
        if is_wanted and self._at is None:
            self._at = now + self._period_s
        return self._at

    def take(self, now: float) -> float | None:
        """Return the moment that has come, once; None if it is still to come."""
        at = self._at
        if at is None or now < at:
            return None
        self._at = None
        return at


def look(cells: Iterable[tuple[int, int]]) -> Iterator[MemorySeen]:
    """Yield what each living cell holds.

    Args:
        cells: the number of each, and its process as our own process namespace knows it, or 0.
    """
    for number, pid in cells:
        rss_bytes = resident_bytes(pid)
        if rss_bytes:
            yield MemorySeen(number, rss_bytes)


def resident_bytes(pid: int) -> int:
    """Return the private memory of a process, 0 if it is gone or cannot be told.

    Pages of files do not count: the image is there once, and each kept sandbox maps it again.
    """
    try:
        fd = os.open(f"/proc/{pid}/statm", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        fields = os.read(fd, 256).split()
    except OSError:
        return 0
    finally:
        os.close(fd)
    return (int(fields[1]) - int(fields[2])) * _PAGE_BYTES if len(fields) > 2 else 0
