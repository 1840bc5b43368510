"""How late the loop woke up: a histogram of fixed size, so that asking costs nothing."""

from __future__ import annotations

from bisect import bisect_left

#: Upper bounds in seconds; the last bucket holds what was later still.
BOUNDS_S = (
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0,
)  # fmt: skip


class Lateness:
    """Counts how much later than planned each timed wake-up came."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self._max_s = 0.0

    def note(self, late_s: float) -> None:
        """Count one wake-up, `late_s` seconds after the time it was planned for."""
        late_s = max(0.0, late_s)
        self._counts[bisect_left(BOUNDS_S, late_s)] += 1
        self._max_s = max(self._max_s, late_s)

    def quantile(self, share: float) -> float:
        """Return a bound in seconds that `share` of the wake-ups did not exceed."""
        wanted = share * sum(self._counts)
        seen = 0
        for bound_s, count in zip(BOUNDS_S, self._counts, strict=False):
            seen += count
            if seen >= wanted:
                return min(bound_s, self._max_s)
        return self._max_s

    def snapshot(self) -> dict[str, float]:
        """Return count, and p50, p99 and max in seconds."""
        return {
            "count": sum(self._counts),
            "p50_s": self.quantile(0.5),
            "p99_s": self.quantile(0.99),
            "max_s": self._max_s,
        }
