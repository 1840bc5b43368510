"""Wakes a thread after a while, unless it is called off: for runs too short to be watched.

A run of a millisecond would spend a tenth of it on waking the thread that watches it and on
sharing the interpreter with it. So that thread waits for an alarm instead, and a run that ends
sooner calls it off: two system calls.

Rule: the descriptor exists before the jail, which allows setting it and reading it alone.
"""

from __future__ import annotations

import os
import time


def open_alarm() -> int:
    """Return the descriptor of a new alarm that is off."""
    return os.timerfd_create(time.CLOCK_MONOTONIC, flags=os.TFD_CLOEXEC)


class Alarm:
    """One alarm. One thread sets it, another waits for it."""

    __slots__ = ("_after_s", "_fd")

    def __init__(self, fd: int, *, after_s: float) -> None:
        """Take over the descriptor that `open_alarm` gave."""
        self._fd = fd
        self._after_s = after_s

    def set(self) -> None:
        """Let it go off after its time."""
        os.timerfd_settime(self._fd, initial=self._after_s)

    def ring(self) -> None:
        """Let it go off now."""
        os.timerfd_settime_ns(self._fd, initial=1)

    def call_off(self) -> None:
        """Have it not go off, if it has not yet."""
        os.timerfd_settime(self._fd, initial=0)

    def wait(self) -> None:
        """Wait until it goes off."""
        os.read(self._fd, 8)
