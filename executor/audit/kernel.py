"""The jail's probes as attacks: from a cell that the guest owns, on each wall by itself.

    control    with all walls of the probe down it must bite
    jail       in the whole jail it must not
    alone      with one of its walls up and the others down it must not: each wall counts

Rule: what could hit others is only ever run inside a process namespace, so nothing is left out of
      a jail without one.
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Literal

from executor.audit.attack import Entry
from executor.audit.judges import Finding
from sandboxes.jail.probes.arena import Arena, Outcome
from sandboxes.jail.probes.cells import ArenaBroken, Walls
from sandboxes.jail.probes.probe import Probe, catalogue
from sandboxes.jail.steps import NEEDS_USER_NAMESPACE, Wall

if TYPE_CHECKING:
    from collections.abc import Callable

#: Walls that others stand on: where one is left out, so are these.
_CARRIES: Final = {
    Wall.NO_NEW_PRIVILEGES: frozenset({Wall.LANDLOCK, Wall.SECCOMP}),
    Wall.USERS: NEEDS_USER_NAMESPACE,
}
_SAID_CHARS_MAX: Final = 200


def with_dependents(walls: Iterable[Wall]) -> frozenset[Wall]:
    """Return walls and those that cannot stand without them."""
    every = frozenset(walls)
    for wall in tuple(every):
        every |= _CARRIES.get(wall, frozenset())
    return every


type Told = Callable[[Entry, Finding | None, Finding | None, str], None]


def run_probes(
    entries: Iterable[Entry],
    told: Told,
    *,
    strength: Literal["full", "light"],
    without: frozenset[Wall],
    arenas: int,
) -> list[threading.Thread]:
    """Start running probes on arenas of their own; join the threads to wait for the last.

    Args:
        entries: adopted probes.
        told: called with each entry, what was found in its control and here (None where it could
            not be run), and why it could not be.
        strength: of the jail.
        without: walls left out of it, with what stands on them.
        arenas: how many probes at a time.
    """
    waiting: queue.SimpleQueue[Entry] = queue.SimpleQueue()
    count = 0
    for entry in entries:
        waiting.put(entry)
        count += 1

    def work() -> None:
        probes = catalogue()
        with Arena() as arena:
            while True:
                try:
                    entry = waiting.get_nowait()
                except queue.Empty:
                    return
                _run(arena, entry, probes[entry.probe], told, strength, without)

    threads = [
        threading.Thread(target=work, name=f"cellblock-audit-arena-{at}", daemon=True)
        for at in range(min(arenas, count))
    ]
    for thread in threads:
        thread.start()
    return threads


def _run(
    arena: Arena,
    entry: Entry,
    probe: Probe,
    told: Told,
    strength: Literal["full", "light"],
    without: frozenset[Wall],
) -> None:
    if not arena.can_run(probe):
        told(entry, None, None, "only the cells of a host that is root can be attacked so")
        return
    try:
        control = arena.run(probe, Walls(probe.strength, probe.down))
        if probe.optional and not control.bit:
            told(entry, None, None, f"this kernel refuses it by itself{_said(control)}")
            return
        found = Finding(control.bit, f"with its walls down{_said(control)}")
        told(entry, found, _here(arena, probe, strength, without), "")
    except (ArenaBroken, OSError, ValueError) as error:
        told(entry, None, None, f"failed: {type(error).__name__}: {error}"[:_SAID_CHARS_MAX])


def _here(
    arena: Arena, probe: Probe, strength: Literal["full", "light"], without: frozenset[Wall]
) -> Finding:
    whole = arena.run(probe, Walls(strength, without))
    if whole.bit and not (strength == "light" and probe.gap_in_light):
        return Finding(True, f"the {strength} jail did not stop it{_said(whole)}")
    if strength == "light":
        if whole.bit:
            return Finding(False, "a known gap of the light jail, which its guarantees name")
        return Finding(False, f"the light jail stops it{_said(whole)}")
    if Wall.USERS in without:
        return Finding(False, f"stopped without any namespace{_said(whole)}")
    bitten = []
    for wall in probe.walls:
        alone = arena.run(probe, Walls(probe.strength, (probe.down - {wall}) | without))
        if alone.bit:
            bitten.append(wall.value)
    if bitten:
        return Finding(True, f"not stopped by {', '.join(bitten)} alone")
    names = ", ".join(wall.value for wall in probe.walls)
    return Finding(False, f"stopped by the whole jail, and by each alone of: {names}{_said(whole)}")


def _said(outcome: Outcome) -> str:
    """Return how the cell failed or ended; never what it got, which may be a secret."""
    try:
        answer = json.loads(outcome.seen)
    except ValueError:
        return f": its cell {outcome.seen}"[:_SAID_CHARS_MAX]
    error = answer.get("error", "")
    return f": {type_of(error)}" if error else ""


def type_of(error: str) -> str:
    """Return the class of an error, whose text may name paths."""
    return error.partition(":")[0]
