"""At most one moment for each key, and which comes next. Reads no clock.

Setting a later moment and cancelling cost no heap operation: a heap entry that is out of date is
dropped or moved when it comes to the top, and the heap is rebuilt before such entries outnumber
the live ones by far. So a deadline of a week that is cancelled at once does not stay for a week.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace

type Key = tuple[int, int] | tuple[int, str]

#: Entries that may be out of date beside those that are not, before the heap is rebuilt.
STALE_MAX = 64


class Timers:
    """Wake-up calls by key."""

    __slots__ = ("_armed", "_heap", "_wanted")

    def __init__(self) -> None:
        self._wanted: dict[Key, float] = {}
        #: The entry in the heap that speaks for a key: never later than what is wanted.
        self._armed: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []

    def __len__(self) -> int:
        return len(self._wanted)

    def set(self, key: Key, at: float) -> None:
        """Call `key` at `at`, and no longer when it was wanted before."""
        self._wanted[key] = at
        armed = self._armed.get(key)
        if armed is None or at < armed:
            self._armed[key] = at
            heappush(self._heap, (at, key))
            if len(self._heap) > 2 * len(self._wanted) + STALE_MAX:
                self._rebuild()

    def cancel(self, key: Key) -> None:
        """Do not call `key`. Harmless where it is not wanted."""
        self._wanted.pop(key, None)

    def wake_at(self) -> float | None:
        """Return the earliest moment wanted, None if there is none."""
        heap = self._heap
        while heap:
            at, key = heap[0]
            if self._armed.get(key) != at:
                heappop(heap)  # an earlier entry for this key was made after it
                continue
            wanted = self._wanted.get(key)
            if wanted is None:
                heappop(heap)
                del self._armed[key]
            elif wanted > at:
                self._armed[key] = wanted
                heapreplace(heap, (wanted, key))
            else:
                return at
        return None

    def pop_due(self, now: float) -> Key | None:
        """Remove and return the earliest key that is due, None if none is."""
        at = self.wake_at()
        if at is None or at > now:
            return None
        _, key = heappop(self._heap)
        del self._armed[key], self._wanted[key]
        return key

    def wanted(self, key: Key) -> float | None:
        """Return when `key` is to be called, None if it is not."""
        return self._wanted.get(key)

    def clear(self) -> None:
        """Call nobody any more."""
        self._wanted, self._armed, self._heap = {}, {}, []

    def check(self) -> None:
        """Assert the invariants."""
        assert set(self._wanted) <= set(self._armed), "a wanted key has no entry in the heap"
        entries = set(self._heap)
        for key, at in self._armed.items():
            assert (at, key) in entries, f"the entry that speaks for {key} is not in the heap"
            assert key not in self._wanted or at <= self._wanted[key], f"{key} would come late"

    def _rebuild(self) -> None:
        self._armed = dict(self._wanted)
        self._heap = [(at, key) for key, at in self._wanted.items()]
        heapify(self._heap)
