"""What is promised of every run, by name, and whether it is held here. Computed, never assumed.

A guarantee is held if every wall it needs stands on this machine with the sandbox kind at hand. One
that is not held says why, and how to get it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from executor.errors import Misuse, Unavailable
from protocol.structs import frozen

NAMES = (
    "state",
    "files",
    "network",
    "processes",
    "memory",
    "cpu",
    "wall_time",
    "output",
    "crash",
    "liveness",
)


@frozen
class Guarantee:
    """One promise.

    Args:
        name: one of state, files, network, processes, memory, cpu, wall_time, output, crash,
            liveness.
        held: True if it holds for every run.
        reason: what holds it, or what is missing and how to get it.
        walls: the independent protections behind it; one bug breaks a single wall.
    """

    name: str
    held: bool
    reason: str
    walls: tuple[str, ...] = ()


def of_wasm(*, isolate: str) -> tuple[Guarantee, ...]:
    """Return the guarantees of Wasm sandboxes in cells on this machine, in the order of `NAMES`.

    Args:
        isolate: where the supervisor's loop runs.
    """
    wasm, cell = ("wasm",), ("wasm", "cell process")
    can_kill = hasattr(os, "pidfd_open") and sys.platform == "linux"
    kill = "" if can_kill else "; without pidfds (Linux) its cell cannot be killed safely"
    held = {
        "state": ("every run has a fresh sandbox, unless it is part of a session", wasm),
        "files": ("a guest reaches mounted directories and its own files, nothing else", wasm),
        "network": ("a guest is given no sockets", wasm),
        "processes": ("a guest has no system call that starts or signals a process", wasm),
        "memory": ("the sandbox refuses to grow beyond limits.memory_bytes", wasm),
        "output": ("streams, logs and values are cut or refused at their limits", cell),
    }
    guarantees = {name: Guarantee(name, True, *rest) for name, rest in held.items()}
    for name, what in (
        ("cpu", "guest code is ended at limits.wall_s, and at limits.fuel where it is given"),
        ("wall_time", "a run is ended at limits.wall_s, softly and then by killing its cell"),
        ("crash", "a sandbox that aborts takes its cell with it, and no other run"),
    ):
        guarantees[name] = Guarantee(name, can_kill, what + kill, cell if can_kill else wasm)
    guarantees["liveness"] = _liveness(isolate)
    return tuple(guarantees[name] for name in NAMES)


def _liveness(isolate: str) -> Guarantee:
    match isolate:
        case "interpreter":
            what = "deadlines are kept by an interpreter of its own, whatever the host's one does"
            return Guarantee("liveness", True, what, ("interpreter",))
        case "process":
            what = "deadlines are kept by a process of its own, whatever the host's one does"
            return Guarantee("liveness", True, what, ("process",))
    what = (
        "with isolate='inline' deadlines are kept by a thread that shares the host's interpreter "
        "and is late while the host holds it; use isolate='interpreter' or 'process'"
    )
    return Guarantee("liveness", False, what)


def require(wanted: Iterable[str], given: Iterable[Guarantee]) -> None:
    """Refuse to go on without guarantees that a caller asks for.

    Raises:
        Misuse: there is no guarantee of that name.
        Unavailable: one is not held.
    """
    by_name = {guarantee.name: guarantee for guarantee in given}
    wanted = [wanted] if isinstance(wanted, str) else wanted
    for name in wanted:
        guarantee = by_name.get(name)
        if guarantee is None:
            raise Misuse("require", f"no guarantee is named {name!r}; there are {', '.join(NAMES)}")
        if not guarantee.held:
            raise Unavailable(name, guarantee.reason)
