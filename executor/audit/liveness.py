"""Liveness under attack: heartbeats and deadlines that come in time while guests do their worst.

Two guests attack at once, a third cell serves short runs. Counted are

    heartbeats   the supervisor's loop answers a question within `BEAT_LATE_S`
    deadlines    a run that never ends by itself is ended within `BEAT_LATE_S` of its deadline

Rule: late is late by the host's clock; how late does not matter, how often does.
"""

from __future__ import annotations

import contextlib
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
ATTACK_S: Final = 1.2
_DEADLINE_S: Final = 0.1
#: What a cell's own kill takes, beside being late: see `executor.pool.policy`.
_KILL_S: Final = 0.15
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
