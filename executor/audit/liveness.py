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
#: How often the host holds its interpreter, and for how long at most: the deadline, the kill, the
#: start of another cell, `BEAT_LATE_S`.
_HOLDS: Final = 2
_HOLD_S: Final = 2.0
#: Source: linux/inotify.h, poll(2).
_IN_CREATE: Final = 0x100
_POLLIN: Final = 1
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
        with _Directory(os.path.dirname(seen)) as directory:
            endless = [supervisor.start(_ENDLESS, **short) for _ in range(CELLS)]
            then = supervisor.start(attack.guest, **options)
            missed += not directory.hold_interpreter_until_a_file_appears(_HOLD_S)
        for handle in (*endless, then):
            handle.result(_PATIENCE_S)
        os.unlink(seen)
    return Seen(verdict="ok", beats=_HOLDS, missed=missed)


class _PollFd(ctypes.Structure):
    _fields_ = [  # type: ignore[mutable-override]  # as ctypes wants it
        ("fd", ctypes.c_int),
        ("events", ctypes.c_short),
        ("revents", ctypes.c_short),
    ]


class _Directory:
    """A directory, and the kernel's word for whether something new is in it."""

    def __init__(self, path: str) -> None:
        self._libc = ctypes.PyDLL(None)  # unlike CDLL, this keeps the lock during a call
        self._fd = self._libc.inotify_init()
        self._libc.inotify_add_watch(self._fd, os.fsencode(path), _IN_CREATE)

    def __enter__(self) -> _Directory:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def hold_interpreter_until_a_file_appears(self, within_s: float) -> bool:
        """Return whether one did; no other thread of this interpreter runs before that."""
        waited = ctypes.byref(_PollFd(self._fd, _POLLIN))
        return bool(self._libc.poll(waited, 1, round(within_s * 1e3)))


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
