"""Courtesy: the supervisor is scheduled before cells, and cells are the first to go without memory.

No wall: a cell that ignores its niceness gains time, not access.
"""

from __future__ import annotations

import contextlib
import os
import time

OOM_SCORE_ADJUSTMENT = 500
_TRIES, _RETRY_S = 5, 0.03


def lower(nice: int) -> None:
    """Raise our niceness to `nice`, 0 to 19; never lowers it."""
    if nice > os.getpriority(os.PRIO_PROCESS, 0):
        os.setpriority(os.PRIO_PROCESS, 0, nice)


def yield_together(nice: int) -> None:
    """Give this session less processor time than others get, as niceness counts inside one alone.

    Left as it is where the kernel does not share by session, or /proc is read-only.
    """
    for _ in range(_TRIES):
        try:
            with open("/proc/self/autogroup", "w") as knob:
                knob.write(str(nice))
        except BlockingIOError:
            time.sleep(
                _RETRY_S
            )  # the kernel lets ordinary users do this ten times a second, in all
        except OSError:
            return
        else:
            return


def go_first_without_memory() -> None:
    """Make this process and those it forks the first to be killed when the machine is full.

    Left as it is where /proc is read-only: this is a courtesy.
    """
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as knob:
        knob.write(str(OOM_SCORE_ADJUSTMENT))
