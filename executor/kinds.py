"""The kinds of sandbox, as a host chooses them: what each can be asked for, who shares its cells.

    wasm          any code: each run has an instance of its own, whatever tenant it is of
    process       native Python: each run has a process of its own, or each tenant one
    interpreter   native Python: runs of one tenant side by side in one process

Rule 1: cells that may hold what a native guest left behind never serve another tenant.
Rule 2: what a kind cannot enforce is refused before anything is sent, with the fix.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from executor.errors import Misuse
from protocol.structs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from executor.options import Plan
    from protocol.fields import Kind
    from protocol.limits import Limits
    from protocol.messages import Mount
    from sandboxes.guarantees import Guarantee, Strength

type Reuse = Literal["run", "tenant"]

KINDS: Final[tuple[Kind, ...]] = ("wasm", "process", "interpreter")
REUSES: Final[tuple[Reuse, ...]] = ("run", "tenant")
#: As many as `DefinePool.slots` may be.
SLOTS_MAX: Final = 64


class Sharing(NamedTuple):
    """Who has a cell.

    Args:
        by_tenant: runs of one tenant alone.
        single_use: one run, or one session.
        slots: runs side by side.
    """

    by_tenant: bool
    single_use: bool
    slots: int


@frozen
class Choice:
    """What a supervisor's runs are in, where they do not say otherwise.

    Args:
        kind: of sandbox.
        reuse: see `sharing`.
        tenant: on whose behalf.
    """

    kind: Kind = "wasm"
    reuse: Reuse | None = None
    tenant: str = ""


@frozen
class NativeImage:
    """What native guests find.

    Args:
        libraries: directories that their modules come from.
        preload: modules that are imported before the first guest.
    """

    libraries: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()


def kind_from(given: object) -> Kind:
    """Return a kind of sandbox.

    Raises:
        Misuse: there is no such kind.
    """
    if given not in KINDS:
        raise Misuse("kind", f"must be {_listed(KINDS)}, not {given!r}")
    return given


def reuse_from(given: object) -> Reuse | None:
    """Return who may have a cell; None for what is usual for its kind.

    Raises:
        Misuse: there is no such choice.
    """
    if given is not None and given not in REUSES:
        raise Misuse("reuse", f"must be {_listed(REUSES)}, not {given!r}")
    return given


def sharing(kind: Kind, reuse: Reuse | None, cells: int) -> Sharing:
    """Return who has the cells of a kind.

    Args:
        kind: of sandbox.
        reuse: "run" for a cell to each run, "tenant" for cells to each tenant; None for what is
            usual: Wasm cells serve all, processes one run, interpreters one tenant.
        cells: runs at the same time.
    """
    if reuse == "run" or (kind == "process" and reuse is None):
        return Sharing(by_tenant=False, single_use=True, slots=1)
    slots = min(cells, SLOTS_MAX) if kind == "interpreter" else 1
    by_tenant = reuse == "tenant" or kind == "interpreter"
    return Sharing(by_tenant=by_tenant, single_use=False, slots=slots)


class Kinds:
    """Says which runs a supervisor may start. Thread-safe."""

    def __init__(
        self,
        choice: Choice,
        jail: Strength,
        is_jail_asked: bool,
        require: Iterable[str],
        guarantees: Callable[[Kind], tuple[Guarantee, ...]],
    ) -> None:
        """Check the supervisor's own kind.

        Args:
            choice: the supervisor's.
            jail: the walls round each cell.
            is_jail_asked: the jail was asked for by name.
            require: guarantees without which nothing must run.
            guarantees: returns what is held for a kind.

        Raises:
            Misuse: there is no such kind, or it cannot be had so.
            Unavailable: something required is not held.
        """
        kind_from(choice.kind)
        reuse_from(choice.reuse)
        self._jail = jail
        self._is_jail_asked = is_jail_asked
        self._require = (require,) if isinstance(require, str) else tuple(require)
        self._guarantees = guarantees
        self._admitted: set[Kind] = set()
        self._admit_kind(choice.kind)

    def admit(self, plan: Plan) -> None:
        """Refuse a run that its kind cannot carry out, or may not here.

        Raises:
            Misuse, Unavailable: as above.
        """
        kind = plan.kind
        if kind not in self._admitted:
            self._admit_kind(kind)
        if kind != "wasm" and plan.mounts:
            check_mounts(self._jail, plan.mounts)

    def _admit_kind(self, kind: Kind) -> None:
        from executor import guarantees

        if kind != "wasm" and self._jail == "none" and not self._is_jail_asked:
            problem = f"no kernel wall stands round a {kind} cell on this platform; "
            raise Misuse("kind", f"{problem}use kind='wasm', or ask for jail='none' by name")
        guarantees.require(self._require, lambda: self._guarantees(kind))
        self._admitted.add(kind)


def check_limits(kind: Kind, limits: Limits) -> None:
    """Refuse limits that a kind cannot enforce.

    Raises:
        Misuse: there is one.
    """
    if kind != "wasm" and limits.fuel is not None:
        problem = "fuel counts Wasm instructions, which a native guest has none of; "
        raise Misuse("limits['fuel']", f"{problem}bound it by wall_s, or use kind='wasm'")


def check_plan(plan: Plan) -> None:
    """Refuse what the plan's kind of sandbox cannot do.

    Raises:
        Misuse: there is something.
    """
    check_limits(plan.kind, plan.limits)
    if plan.kind != "wasm" and plan.program == "module":
        raise Misuse("module", "a .wasm program needs kind='wasm'")


def check_mounts(jail: Strength, mounts: Sequence[Mount]) -> None:
    """Refuse mounts that native cells of a jail cannot be given.

    Raises:
        Misuse: there is one.
    """
    if jail == "full":
        return
    for mount in mounts:
        if mount.host_path != mount.guest_path:
            problem = f"with jail={jail!r} a native guest sees a directory under its own path; "
            fix = f"write {mount.host_path}:{mount.host_path}, or use jail='full'"
            raise Misuse(f"mounts[{mount.host_path[:80]!r}]", problem + fix)


def _listed(words: Sequence[str]) -> str:
    quoted = [f'"{word}"' for word in words]
    return f"{', '.join(quoted[:-1])} or {quoted[-1]}"
