"""Walls left out by configuration: how an audit shows that it would notice.

Two sorts. `Limit` names what we enforce ourselves; leaving one out raises a limit, keeps a sandbox,
or shares an interpreter. `Wall` names what the kernel enforces; leaving one out makes cells in a
jail without it.

Rule: nothing but an audit gets at this, and no configuration of a host's can ask for it.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from executor.api import Supervisor
from executor.audit.attack import Attack, Hole, Limit
from executor.errors import Misuse
from sandboxes.jail.steps import Wall

if TYPE_CHECKING:
    from executor.isolate import Connection

type AnyWall = Limit | Wall

MIB: Final = 1 << 20
#: What a run may use, where an attack does not say otherwise.
USUAL: Final[Mapping[str, Any]] = {
    "wall_s": 5.0,
    "memory_bytes": 96 * MIB,
    "stdout_bytes": 256 << 10,
    "stderr_bytes": 256 << 10,
    "value_bytes": MIB,
    "host_calls": 5_000,
    "files_bytes": 4 * MIB,
}
#: What a limit is raised to where it is left out: more than any attack goes for.
_RAISED: Final[Mapping[Limit, Mapping[str, Any]]] = {
    Limit.DEADLINE: {"wall_s": 60.0},
    Limit.FUEL: {"fuel": 2**50},
    Limit.MEMORY: {"memory_bytes": 512 * MIB},
    Limit.STREAMS: {"stdout_bytes": 256 * MIB, "stderr_bytes": 256 * MIB},
    Limit.VALUE: {"value_bytes": 512 * MIB},
    Limit.FILES: {"files_bytes": 256 * MIB},
    Limit.CALLS: {"host_calls": 1_000_000},
}


def parse(name: str) -> AnyWall:
    """Return the wall of a name.

    Raises:
        Misuse: there is none.
    """
    for sort in (Limit, Wall):
        if name in list(sort):
            return sort(name)
    known = ", ".join([*Limit, *Wall])
    raise Misuse("without", f"there is no wall {name!r}; there are {known}")


def limits_without(attack: Attack, without: Iterable[AnyWall]) -> dict[str, Any]:
    """Return the limits of an attack's run where some are left out."""
    limits = {**USUAL, **attack.limits}
    for wall in without:
        if isinstance(wall, Limit):
            limits |= _RAISED.get(wall, {})
    return limits


def kernel_walls(without: Iterable[AnyWall]) -> frozenset[Wall]:
    """Return the walls of the kernel among these."""
    return frozenset(wall for wall in without if isinstance(wall, Wall))


def hole_without(attack: Attack, without: Iterable[AnyWall]) -> Hole | None:
    """Return what a host hands out by mistake where it is to be left out that nothing is given."""
    return attack.hole if Limit.NOTHING_GIVEN in set(without) else None


class AuditedSupervisor(Supervisor):
    """A supervisor that can be made with walls of the kernel left out, or with cells that lie."""

    def __init__(
        self, *, without: Iterable[Wall] = (), lies: tuple[str, ...] = (), **settings: Any
    ) -> None:
        """Take the settings of any supervisor.

        Args:
            without: walls left out of the jail of its cells.
            lies: what cells say of each run instead of running it; see `executor.audit.lies`.
            settings: as for `Supervisor`.
        """
        super().__init__(**settings)
        self._without = tuple(wall.value for wall in without)
        self._lies = lies

    def _starter(self) -> Callable[[str | None], Connection]:
        from executor import isolate

        if lies := self._lies:
            return lambda spool_path: _lying_loop(lies, spool_path)
        kind, jail, without = self._isolate, self._jail, self._without
        sessions = self._sizes.sessions_per_cell
        return lambda spool_path: isolate.start(
            kind, jail=jail, spool_path=spool_path, sessions_per_cell=sessions, without=without
        )


def _lying_loop(lies: tuple[str, ...], spool_path: str | None) -> Connection:
    """Start a real loop whose cells are liars."""
    from executor.audit.liars import LiarSpawner
    from executor.isolate import Connection
    from executor.loop.spool import make_spool
    from executor.loop.supervisor_loop import SupervisorLoop
    from executor.pool import PoolCore

    ours, theirs = socket.socketpair()
    path = make_spool() if spool_path is None else spool_path
    loop = SupervisorLoop(theirs, PoolCore(), LiarSpawner(lies), spool_path=path)
    thread = threading.Thread(target=loop.run, name="cellblock-audit-loop", daemon=True)
    thread.start()

    def wait(timeout_s: float) -> bool:
        thread.join(timeout_s)
        return not thread.is_alive()

    return Connection(ours, path, wait)
