"""When something that died is started again: for cells, zygote, isolate and link alike.

    failure 1        restart at once
    failure 2        after `wait_s`
    failure 3, ...   after twice the last wait, up to `wait_max_s`; always with jitter
    success          (the ready message) back to the beginning

A `Breaker` watches over it: too many failures in a row, or too many restarts in a window, open
it. While open nothing is restarted; after a wait one probe is tried (half-open). A success
closes it.

Rule: no clock and no randomness of its own. Callers pass monotonic seconds as `now`, and a
`jitter` that returns a float from 0 up to 1.

Source: the shape of systemd's and Inngest Connect's restarts; intensity and period as in
Erlang/OTP's `supervisor`.
"""

from __future__ import annotations

import enum
import os
from collections import deque
from collections.abc import Callable

from protocol.structs import frozen

type Jitter = Callable[[], float]


def system_jitter() -> float:
    """Return a float from 0 up to 1 from the kernel; `random` costs 5 ms to import."""
    return int.from_bytes(os.urandom(4)) / 2**32


def no_jitter() -> float:
    """Return 0: waits are exactly as the policy says."""
    return 0.0


@frozen
class BackoffPolicy:
    """The waits between restarts that fail.

    Args:
        wait_s: the wait before the second restart.
        wait_max_s: no wait is longer.
        jitter: 0 to 1, the share of a wait that chance may take away.

    Raises:
        ValueError: a number is out of its range.
    """

    wait_s: float = 0.1
    wait_max_s: float = 30.0
    jitter: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if not 0 < self.wait_s <= self.wait_max_s < float("inf"):
            raise ValueError(f"need 0 < wait_s <= wait_max_s: {self.wait_s}, {self.wait_max_s}")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter must be 0 to 1: {self.jitter}")


class Backoff:
    """How long to wait before the next restart."""

    def __init__(self, policy: BackoffPolicy, jitter: Jitter = no_jitter) -> None:
        self._policy = policy
        self._jitter = jitter
        #: Failures since the last success.
        self.failures = 0
        #: No restart before this moment.
        self.retry_at = float("-inf")

    def fail(self, now: float) -> float:
        """Count a failure; return the seconds to wait before the next restart."""
        self.failures += 1
        wait_s = 0.0
        if self.failures > 1:
            # Not 2**failures: that overflows a float after a week of failures.
            doublings = min(self.failures - 2, 64)
            wait_s = min(self._policy.wait_s * 2.0**doublings, self._policy.wait_max_s)
            wait_s *= 1 - self._policy.jitter * self._jitter()
        self.retry_at = now + wait_s
        return wait_s

    def succeed(self) -> None:
        """Forget all failures."""
        self.failures = 0
        self.retry_at = float("-inf")


class RestartBudget:
    """At most `restarts_max` restarts within any window of `period_s`."""

    def __init__(self, *, restarts_max: int, period_s: float) -> None:
        if restarts_max < 0 or period_s <= 0:
            raise ValueError(f"need restarts_max >= 0, period_s > 0: {restarts_max}, {period_s}")
        self._period_s = period_s
        self._restarts_max = restarts_max
        self._restarted_at: deque[float] = deque(maxlen=restarts_max + 1)

    def spend(self, now: float) -> bool:
        """Record one restart; return False if it is one too many."""
        while self._restarted_at and now - self._restarted_at[0] > self._period_s:
            self._restarted_at.popleft()
        self._restarted_at.append(now)
        return len(self._restarted_at) <= self._restarts_max

    def clear(self) -> None:
        """Forget all restarts."""
        self._restarted_at.clear()


@frozen
class BreakerPolicy:
    """When restarting stops, and for how long.

    Args:
        failures_max: failures in a row that are borne; the next opens the breaker.
        restarts_max: restarts within `period_s` that are borne, successful or not.
        period_s: see `restarts_max`.
        open_s: how long it stays open before the first probe; doubled after each failed probe.
        open_max_s: no wait for a probe is longer.

    Raises:
        ValueError: a number is out of its range.
    """

    failures_max: int = 4
    restarts_max: int = 30
    period_s: float = 10.0
    open_s: float = 2.0
    open_max_s: float = 60.0

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if self.failures_max < 0 or self.restarts_max < 0:
            raise ValueError(f"negative: {self.failures_max}, {self.restarts_max}")
        if not 0 < self.open_s <= self.open_max_s < float("inf") or self.period_s <= 0:
            raise ValueError(f"need 0 < open_s <= open_max_s and period_s > 0: {self}")


class BreakerState(enum.Enum):
    """Whether restarts are tried."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Backoff, and the limits at which it gives up.

    `started` is told of every start, `fail` of every one that did not work or did not last,
    `succeed` of every one that became ready.
    """

    def __init__(
        self, backoff: BackoffPolicy, policy: BreakerPolicy, jitter: Jitter = no_jitter
    ) -> None:
        self._policy = policy
        self._backoff = Backoff(backoff, jitter)
        self._budget = RestartBudget(restarts_max=policy.restarts_max, period_s=policy.period_s)
        self._openings = 0
        self._open_until = float("-inf")
        self.state = BreakerState.CLOSED
        self.cause = ""
        #: No restart before this moment.
        self.retry_at = float("-inf")

    @property
    def failures(self) -> int:
        """Failures since the last success."""
        return self._backoff.failures

    @property
    def careful(self) -> bool:
        """True if one start at a time is enough until one has worked."""
        return self._backoff.failures > 0

    def may_start(self, now: float) -> bool:
        """Return whether a start may be tried now."""
        return now >= self.retry_at

    def started(self) -> None:
        """Record that a start is tried."""
        if self.state is BreakerState.OPEN:
            self.state = BreakerState.HALF_OPEN

    def fail(self, now: float, cause: str) -> bool:
        """Count a failure; return True if it opened the breaker."""
        self._backoff.fail(now)
        self.retry_at = self._backoff.retry_at
        within_budget = self._budget.spend(now)
        if self.state is BreakerState.OPEN:
            self.retry_at = self._open_until
            return False
        if (
            self.state is BreakerState.CLOSED
            and within_budget
            and self._backoff.failures <= self._policy.failures_max
        ):
            return False
        wait_s = min(self._policy.open_s * 2.0 ** min(self._openings, 64), self._policy.open_max_s)
        self._openings += 1
        self.state = BreakerState.OPEN
        self.cause = cause
        self._open_until = self.retry_at = now + wait_s
        return True

    def succeed(self) -> None:
        """Close it, and forget all failures in a row; the window of restarts goes on."""
        if self.state is not BreakerState.CLOSED:
            self._budget.clear()
        self._backoff.succeed()
        self._openings = 0
        self.state = BreakerState.CLOSED
        self.cause = ""
        self.retry_at = float("-inf")
