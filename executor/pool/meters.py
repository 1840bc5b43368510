"""What is measured of a pool: counts, histograms with fixed buckets, and utilisation."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter

from protocol.structs import field, mutable

#: Upper ends of the buckets in seconds: 1, 2, 5 a decade from 50 us to 1,000 s. One more bucket
#: holds what is longer.
BUCKETS_S = (
    0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05,
    0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0,
)  # fmt: skip

#: How far back utilisation looks: the weight of a moment falls to 1/e in this time.
UTILISATION_S = 10.0


class Histogram:
    """Durations counted in the buckets of `BUCKETS_S`."""

    __slots__ = ("_counts", "_max_s", "_sum_s")

    def __init__(self) -> None:
        self._counts = [0] * (len(BUCKETS_S) + 1)
        self._sum_s = 0.0
        self._max_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(BUCKETS_S, seconds)] += 1
        self._sum_s += seconds
        self._max_s = max(self._max_s, seconds)

    def snapshot(self) -> dict[str, object]:
        """Return the counts as `executor.statistics.Histogram` reads them."""
        return {"counts": list(self._counts), "sum_s": self._sum_s, "max_s": self._max_s}


class Utilisation:
    """The share of a pool's cells that run guests, averaged with an exponential window."""

    __slots__ = ("_average", "_places", "_running", "_since", "busy_s")

    def __init__(self, places: int, now: float) -> None:
        self._places = places
        self._running = 0
        self._since = now
        self._average = 0.0
        #: Cell-seconds spent on runs.
        self.busy_s = 0.0

    def set(self, running: int, now: float) -> None:
        """Record how many cells run guests from now on."""
        self._average, self.busy_s = self._at(now)
        self._since = now
        self._running = running

    def snapshot(self, now: float) -> tuple[float, float]:
        """Return the average share from 0 to 1, and the cell-seconds so far."""
        return self._at(now)

    def _at(self, now: float) -> tuple[float, float]:
        passed_s = max(0.0, now - self._since)
        keep = math.exp(-passed_s / UTILISATION_S)
        share = self._running / self._places
        return self._average * keep + share * (1 - keep), self.busy_s + self._running * passed_s


@mutable
class Meters:
    """Everything that is measured of one pool."""

    utilisation: Utilisation
    #: From submission to the start on a cell.
    queued: Histogram = field(default_factory=Histogram)
    #: From the spawning of a cell to its first ready message.
    cell_start: Histogram = field(default_factory=Histogram)
    #: From the start of a run to its ending.
    run: Histogram = field(default_factory=Histogram)
    #: By what was counted, see `executor.statistics.PoolStatistics`.
    counts: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    crashes: Counter[str] = field(default_factory=Counter)
