"""When a supervisor's loop is started again, and what becomes of the runs that it leaves behind.

    up        a loop serves
    down      it ended; the next is started at `retry_at`
    starting  the next is being started and has not answered yet
    closed    the supervisor is closed: nothing is started any more

    a run that no cell had begun     waits, and is submitted again to the next loop
    a run that was placed on a cell  is lost: its guest may have run
    while the breaker is open        runs are refused, those that wait included

Rule: no clock and no thread here; `now` is monotonic seconds. `executor.keeper` carries it out.
"""

from __future__ import annotations

import enum
from typing import assert_never

from executor.restart import (
    BackoffPolicy,
    Breaker,
    BreakerPolicy,
    BreakerState,
    Jitter,
    no_jitter,
)

#: A run that was sent to this many loops which all ended before they placed it goes to no other: it
#: may be what ends them.
LOOPS_PER_RUN_MAX = 3


class State(enum.Enum):
    """Whether there is a loop."""

    UP = "up"
    DOWN = "down"
    STARTING = "starting"
    CLOSED = "closed"


class Fate(enum.Enum):
    """What becomes of a run whose loop ended."""

    WAITS = "waits"
    #: Its guest may have run: an outcome with the verdict `crashed`.
    LOST = "lost"
    #: Its guest has not run: an error that says so.
    REFUSED = "refused"


class Lifeline:
    """The life of one supervisor's loops. Begins up."""

    def __init__(
        self,
        backoff: BackoffPolicy | None = None,
        breaker: BreakerPolicy | None = None,
        jitter: Jitter = no_jitter,
    ) -> None:
        self._breaker = Breaker(backoff or BackoffPolicy(), breaker or BreakerPolicy(), jitter)
        self.state = State.UP
        #: Loops that became ready in the place of one that ended.
        self.restarts = 0
        #: Why the last one ended, or could not be started.
        self.cause = ""

    @property
    def holds(self) -> bool:
        """True if runs wait for a loop, or have one; False if they are refused."""
        match self.state:
            case State.UP:
                return True
            case State.DOWN | State.STARTING:
                return self._breaker.state is BreakerState.CLOSED
            case State.CLOSED:
                return False
            case _:
                assert_never(self.state)

    def fate(self, *, placed: bool, loops: int) -> Fate:
        """Return what becomes of a run whose loop has just ended.

        Args:
            placed: a cell was given the run.
            loops: how many loops it was sent to.
        """
        if placed:
            return Fate.LOST
        waits = loops < LOOPS_PER_RUN_MAX and self.holds
        return Fate.WAITS if waits else Fate.REFUSED

    def wake_at(self) -> float | None:
        """Return when the next loop is to be started; None if none is wanted now."""
        return self._breaker.retry_at if self.state is State.DOWN else None

    def lost(self, cause: str, now: float) -> None:
        """Note that the loop ended, or that the one being started did not become ready."""
        if self.state in {State.UP, State.STARTING}:
            self.state = State.DOWN
            self.cause = cause
            self._breaker.fail(now, cause)

    def starting(self, now: float) -> bool:
        """Note that the next loop is being started; return False if it is not due."""
        if self.state is not State.DOWN or not self._breaker.may_start(now):
            return False
        self.state = State.STARTING
        self._breaker.started()
        return True

    def ready(self) -> None:
        """Note that the loop being started has answered."""
        if self.state is State.STARTING:
            self.state = State.UP
            self.restarts += 1
            self._breaker.succeed()

    def close(self) -> None:
        """Note that no loop is wanted any more. Final."""
        self.state = State.CLOSED
