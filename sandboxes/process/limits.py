"""What the kernel counts for a native guest: its memory, and processor time as a last resort.

Memory is the private writable memory of the process beyond what it had before its first guest, so
that what an image preloads counts against nobody. The cap is RLIMIT_DATA: at it, allocations fail,
and Python raises MemoryError. What that does not count, a jailed cell cannot map.

Rule: a hard limit never rises. The last run of a process takes its own for good; where more may
      follow, the pool's stays, and a hostile guest may go from its run's limit up to that.
"""

from __future__ import annotations

import resource
import struct
import time
from typing import Final

from sandboxes.jail import kernel
from sandboxes.meters import Meters

#: Beyond a run's wall time on every core: nobody gets here whom the supervisor can still kill.
CPU_SLACK_S: Final = 2
_PAIR: Final = struct.Struct("QQ")


class ProcessLimits:
    """Caps of this process. Made once it has all that guests are to find."""

    __slots__ = ("_base_bytes", "_cores", "_meters")

    def __init__(self, meters: Meters, memory_bytes: int, *, cores: int) -> None:
        """Measure what is there, and allow `memory_bytes` beyond it.

        Raises:
            OSError: the kernel refuses.
        """
        self._meters = meters
        self._cores = cores
        self._base_bytes = meters.data_bytes()
        self._cap(resource.RLIMIT_DATA, self._base_bytes + memory_bytes, is_hard=True)

    def begin(self, memory_bytes: int, wall_s: float, *, is_last: bool) -> None:
        """Cap a run."""
        most_s = time.process_time() + wall_s * self._cores
        self._cap(resource.RLIMIT_CPU, int(most_s) + CPU_SLACK_S, is_hard=is_last)
        self._cap(resource.RLIMIT_DATA, self._base_bytes + memory_bytes, is_hard=is_last)

    def held_bytes(self) -> int:
        """Return what guests hold, in private memory."""
        return max(0, self._meters.data_bytes() - self._base_bytes)

    @staticmethod
    def peak_bytes() -> int:
        """Return the most that this process had in memory, the interpreter and the image too."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10

    @staticmethod
    def _cap(number: int, value: int, *, is_hard: bool) -> None:
        _, hard = resource.getrlimit(number)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        # By its own name, as the C library would make the call that changes any process's limits.
        unlimited = (1 << 64) - 1
        kept = unlimited if hard == resource.RLIM_INFINITY else hard
        kernel.call("setrlimit", number, _PAIR.pack(value, value if is_hard else kept))
