"""Liveness under attack: heartbeats and deadlines that come in time while guests do their worst.

`run_watched`: two guests attack at once, a third cell serves short runs. Counted are

    heartbeats   the supervisor's loop answers a question within `BEAT_LATE_S`
    deadlines    a run that never ends by itself is ended within `BEAT_LATE_S` of its deadline

`run_held`: the host holds its own interpreter in one long call. Counted is

    deadlines    a run that never ends makes room for the next one while the host is held

Rule: late is late by the host's clock; how late does not matter, how often does.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import time
from typing import TYPE_CHECKING, Any, Final

from executor.audit.attack import Attack
from executor.audit.judges import BEAT_LATE_S, Seen

if TYPE_CHECKING:
    from executor.api import Supervisor
    from executor.handle import RunHandle

ATTACKERS: Final = 2
#: One for each attacker, one for the runs whose deadlines are watched.
CELLS: Final = 3
ATTACK_S: Final = 0.9
_DEADLINE_S: Final = 0.1
#: What a cell's own kill takes, beside being late: see `executor.pool.policy`.
_KILL_S: Final = 0.15
#: How often the host holds its interpreter.
_HOLDS: Final = 2
_PATIENCE_S: Final = 20.0
_ENDLESS: Final = "while True: pass"


def run_watched(supervisor: Supervisor, attack: Attack, options: dict[str, Any]) -> Seen:
    """Attack a supervisor with `CELLS` cells and count what is missed meanwhile."""
    for _ in range(CELLS):
        supervisor.run("0")
    options["limits"]["wall_s"] = ATTACK_S
    handles = [supervisor.start(attack.guest, **options) for _ in range(ATTACKERS)]
    beats = missed = 0
    until = time.monotonic() + ATTACK_S
    while time.monotonic() < until:
        for lateness_s in (_heartbeat(supervisor), _deadline(supervisor)):
            beats += 1
            missed += lateness_s > BEAT_LATE_S
    verdicts = {_ended(handle) for handle in handles}
    return Seen(verdict=" and ".join(sorted(verdicts)), beats=beats, missed=missed)


def run_held(supervisor: Supervisor, attack: Attack, options: dict[str, Any], seen: str) -> Seen:
    """Hold the host's interpreter and count the deadlines that are missed meanwhile.

    Args:
        supervisor: a supervisor.
        attack: its guest makes the file `seen`, and is run behind others that never end.
        options: of its run.
        seen: the file, as the host knows it.
    """
    mounts = {"mounts": options["mounts"]}
    for _ in range(CELLS):
        supervisor.run("0", **mounts)
    missed = 0
    for _ in range(_HOLDS):
        short = {**mounts, "limits": {"wall_s": _DEADLINE_S}}
        endless = [supervisor.start(_ENDLESS, **short) for _ in range(CELLS)]
        then = supervisor.start(attack.guest, **options)
        _hold_interpreter(_DEADLINE_S + _KILL_S + BEAT_LATE_S)
        released = time.time()
        for handle in (*endless, then):
            handle.result(_PATIENCE_S)
        missed += os.stat(seen).st_mtime > released
        os.unlink(seen)
    return Seen(verdict="ok", beats=_HOLDS, missed=missed)


def _hold_interpreter(seconds: float) -> None:
    """Keep every other thread of this interpreter from running."""
    library = ctypes.PyDLL(None)  # unlike CDLL, this keeps the lock during a call
    library.usleep(round(seconds * 1e6))


def _heartbeat(supervisor: Supervisor) -> float:
    """Return how many seconds the loop takes to answer."""
    began = time.monotonic()
    supervisor.statistics()
    return time.monotonic() - began


def _deadline(supervisor: Supervisor) -> float:
    """Return how much later than its deadline a run ended."""
    handle = supervisor.start(_ENDLESS, limits={"wall_s": _DEADLINE_S})
    began = time.monotonic()
    outcome = handle.result(_PATIENCE_S)
    waited_s = time.monotonic() - began - outcome.timings.queued_s
    return waited_s - _DEADLINE_S - _KILL_S


def _ended(handle: RunHandle) -> str:
    with contextlib.suppress(TimeoutError):
        return handle.result(_PATIENCE_S).verdict.value
    handle.cancel()
    return "cancelled late"
