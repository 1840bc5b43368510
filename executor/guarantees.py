"""What is promised of every run, by name, and whether it is held here. Looked at, never assumed.

`sandboxes.guarantees` says what a sandbox kind behind a jail promises on the surveyed machine;
where the supervisor's loop runs decides about liveness. The survey tries every wall in a process
of its own; it is taken once, when somebody asks.

Rule: what is asked for and missing is refused before anything is started.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from executor.errors import Misuse, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from executor.isolate import IsolateKind
    from executor.kinds import Reuse
    from protocol.fields import Kind
    from sandboxes.guarantees import Guarantee, Strength
    from sandboxes.jail.survey import Survey

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
    "protocol",
    "secrets",
)
_LIVENESS = {
    "interpreter": "deadlines are kept by an interpreter of its own, whatever the host's one does",
    "process": "deadlines are kept by a process of its own, whatever the host's one does",
}
_NO_LIVENESS = (
    "with isolate='inline' deadlines are kept by a thread that shares the host's interpreter and "
    "is late while the host holds it; use isolate='interpreter' or 'process'"
)


def isolate_from(isolate: str) -> IsolateKind:
    """Return where the loop is to run.

    Raises:
        Misuse: there is no such isolate.
    """
    if isolate not in ("interpreter", "process", "inline"):
        problem = f'must be "interpreter", "process" or "inline", not {isolate!r}'
        raise Misuse("isolate", problem)
    return cast("IsolateKind", isolate)


def jail_from(jail: str | None) -> Strength:
    """Return the jail to use: what is asked for, else the strongest that the platform has.

    Raises:
        Misuse: there is no such jail.
    """
    if jail is None:
        return "full" if sys.platform == "linux" else "none"
    if jail not in ("full", "light", "none"):
        raise Misuse("jail", f'must be "full", "light" or "none", not {jail!r}')
    return cast("Strength", jail)


def of_supervisor(
    isolate: str, jail: Strength, *, kind: Kind = "wasm", reuse: Reuse | None = None
) -> tuple[Guarantee, ...]:
    """Return the guarantees of a supervisor's cells on this machine, in the order of `NAMES`.

    Args:
        isolate: where the supervisor's loop runs.
        jail: the kernel walls round each cell.
        kind: of sandbox.
        reuse: who has a cell; see `executor.kinds.sharing`.

    Raises:
        Misuse: there is no such kind.
    """
    from executor.kinds import kind_from, sharing
    from sandboxes.guarantees import Guarantee, guarantees, refusal

    survey = _survey()
    is_shared = not sharing(kind_from(kind), reuse, 1).single_use
    listed = guarantees(survey, kind, jail, is_shared=is_shared)
    found = {guarantee.name: guarantee for guarantee in listed}
    found["liveness"] = _liveness(isolate, found["liveness"])
    if (objection := refusal(survey, kind, jail)) is not None:
        reason = f"no cell is made here: {objection.wall}: {objection.reason}; {objection.remedy}"
        found = {
            name: Guarantee(name, False, reason, (), (objection, *guarantee.missing))
            for name, guarantee in found.items()
        }
    return tuple(found[name] for name in NAMES)  # type: ignore[index]  # NAMES are all of its names


def require(wanted: Iterable[str], given: Callable[[], tuple[Guarantee, ...]]) -> None:
    """Refuse to go on without guarantees that a caller asks for; looks only if one is.

    Raises:
        Misuse: there is no guarantee of that name.
        Unavailable: one is not held.
    """
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    for name in names:
        if name not in NAMES:
            raise Misuse("require", f"no guarantee is named {name!r}; there are {', '.join(NAMES)}")
    if not names:
        return
    by_name: dict[str, Guarantee] = {guarantee.name: guarantee for guarantee in given()}
    for name in names:
        if not by_name[name].held:
            raise Unavailable(name, by_name[name].reason)


@functools.cache
def _survey() -> Survey:
    from sandboxes.jail.survey import look

    return look()


def _liveness(isolate: str, of_cells: Guarantee) -> Guarantee:
    from sandboxes.guarantees import Guarantee

    if not of_cells.held:
        return of_cells
    if isolate not in _LIVENESS:
        return Guarantee("liveness", False, _NO_LIVENESS)
    walls = (isolate, *(wall for wall in of_cells.walls if wall != "wasm"))
    return Guarantee("liveness", True, _LIVENESS[isolate], walls, of_cells.missing)
