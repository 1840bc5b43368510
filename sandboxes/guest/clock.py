"""Sleep in short pieces, and processor time that counts from the start of the run.

A deadline interrupts computing, not waiting: a guest that sleeps a minute in one call would only
be ended by the kill of its cell. So `time.sleep` waits in pieces. A guest can get round this and
gains nothing but the harder end.
"""

from __future__ import annotations

import select
import time
from typing import Any, Final

from sandboxes.guest import streams

#: Longest single wait. Shorter ones cost more calls; a wait of 5 ms is kept to within a tenth.
PIECE_S: Final = 0.005
_sleep = time.sleep
_select_before = select.select
_monotonic = time.monotonic
_perf_counter_ns = time.perf_counter_ns

_reads_clock = True
_began_ns = 0


def sleep(seconds: float, /) -> None:
    """Suspend execution for a number of seconds, which may have a fraction."""
    streams.flush_all()
    try:
        is_long = bool(seconds > PIECE_S)
    except TypeError:
        is_long = False  # the original has the right words for it
    if not is_long:
        _sleep(seconds)
        return
    if not _reads_clock:
        for _ in range(int(seconds / PIECE_S)):
            _sleep(PIECE_S)
        _sleep(seconds % PIECE_S)
        return
    until = _monotonic() + seconds
    while (left := until - _monotonic()) > 0:
        _sleep(min(left, PIECE_S))


def _select(rlist: Any, wlist: Any, xlist: Any, timeout: float | None = None, /) -> Any:
    """`select.select`; waiting for time alone is sleep."""
    if timeout is not None and not (rlist or wlist or xlist):
        sleep(max(0.0, timeout))
        return [], [], []
    return _select_before(rlist, wlist, xlist, timeout)


def process_time_ns() -> int:
    """Nanoseconds since the run began: a guest has one thread and is not told when it waits."""
    return _perf_counter_ns() - _began_ns


def process_time() -> float:
    """Seconds since the run began."""
    return process_time_ns() / 1e9


def begin(*, reads_clock: bool) -> None:
    """Start a run. Without `reads_clock`, nothing of ours looks at the time on its own account."""
    global _reads_clock, _began_ns
    _reads_clock = reads_clock
    _began_ns = _perf_counter_ns() if reads_clock else 0


def install() -> None:
    """Take the place of the functions of `time`."""
    time.sleep = sleep  # type: ignore[assignment]  # that of the library takes more
    select.select = _select
    time.process_time = process_time
    time.process_time_ns = process_time_ns
    time.thread_time = process_time
    time.thread_time_ns = process_time_ns
