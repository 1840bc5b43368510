"""The pools of one supervisor: one for plain runs, others only where a run needs other cells.

A cell is of one kind. Its engine either counts fuel or does not, and its process has one cap on
memory. A jailed cell sees the directories and runs the programs that it was given before its jail
closed, and no other; a cell that native guests use again serves one tenant. So a run goes to the
pool that has what it needs; a pool is defined when the first run needs it.

Rule 1: at most `SPECIAL_MAX` pools are known beside the plain one. The one not used for longest is
        dropped for another, unless a run or a session holds it; where all are held, we refuse.
Rule 2: what a reader thread calls (`give_back`) waits for nobody who sends or compiles.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final, NamedTuple

from executor.checks import count_of, usable_cpus
from executor.errors import Refused
from executor.kinds import Choice, NativeImage, sharing
from protocol.messages import DefinePool, DropPool, Mount

if TYPE_CHECKING:
    from collections.abc import Callable

    from executor.client import Client
    from executor.options import Plan
    from protocol.fields import Interrupt, Kind
    from protocol.limits import Limits
    from sandboxes.wasm.image import Compiled


#: Pools beside the plain one: each is up to `cells` processes, and a zygote where it has a program.
SPECIAL_MAX: Final = 64
PLAIN: Final = 1
CELLS_MAX: Final = 1_024
QUEUE_MAX_MAX: Final = 1_000_000
SESSIONS_PER_CELL: Final = 32
#: Each takes 4 mappings of a process, which has 65,530 by the kernel's default.
SESSIONS_PER_CELL_MAX: Final = 16_000
#: Warmed sandboxes in each cell, at 1 MB each: so many runs of a burst are quick.
STOCK: Final = 8
#: The same for interpreters, at 5 MB each.
NATIVE_STOCK: Final = 3


class Sizes(NamedTuple):
    """How large each pool is: runs at once, spares, stock, the queue; how guests are ended."""

    cells: int
    spares: int
    stock: int
    queue_max: int
    native_stock: int = NATIVE_STOCK
    interrupt: Interrupt = "epoch"
    sessions_per_cell: int = SESSIONS_PER_CELL

    @classmethod
    def of(
        cls,
        cells: int | None,
        stock: int | None,
        queue_max: int,
        *,
        sessions_per_cell: int = SESSIONS_PER_CELL,
        interrupt: Interrupt = "epoch",
        is_one_shot: bool,
    ) -> Sizes:
        """Return checked sizes; None for what is usual.

        Args:
            cells: runs at the same time; None for one on each usable CPU.
            stock: sandboxes in each cell.
            queue_max: runs that may wait.
            sessions_per_cell: sessions that one cell keeps.
            interrupt: how guests are ended at their deadline.
            is_one_shot: for a command that runs once: nothing is kept ready for more.

        Raises:
            Misuse: one is out of its range.
        """
        cells = min(usable_cpus(), CELLS_MAX) if cells is None else cells
        usual, usual_native = (1, 1) if is_one_shot else (STOCK, NATIVE_STOCK)
        return cls(
            cells=count_of(cells, "cells", 1, CELLS_MAX),
            spares=0 if is_one_shot else 1,
            stock=count_of(usual if stock is None else stock, "stock", 1, CELLS_MAX),
            native_stock=usual_native if stock is None else stock,
            queue_max=count_of(queue_max, "queue_max", 0, QUEUE_MAX_MAX),
            interrupt=interrupt,
            sessions_per_cell=count_of(
                sessions_per_cell, "sessions_per_cell", 1, SESSIONS_PER_CELL_MAX
            ),
        )


class Needs(NamedTuple):
    """What a run needs of the cell it goes to. Runs with equal needs share a pool."""

    fuel: bool
    memory_bytes: int
    files_bytes: int = 0
    mounts: tuple[Mount, ...] = ()
    program: str = ""
    kind: Kind = "wasm"
    #: Whose runs alone it serves; None for everybody's.
    tenant: str | None = None


class Pools:
    """Numbers the pools and defines them. Thread-safe."""

    def __init__(
        self,
        client: Client,
        *,
        compiled: Callable[[bool], Compiled],
        sizes: Sizes,
        limits: Limits,
        is_jailed: bool,
        choice: Choice = Choice(),  # noqa: B008 - frozen
        native: Callable[[], NativeImage] = NativeImage,
    ) -> None:
        """Define the pool for plain runs with `limits`, the supervisor's own.

        Args:
            client: where to define them.
            compiled: returns the image, compiled so that fuel is counted or not; may take seconds.
            sizes: of each pool.
            limits: of the runs to expect.
            is_jailed: cells have kernel walls, so what they need has to be given ahead.
            choice: the kind of those runs, their tenant, and who may use a cell again.
            native: returns what native guests find.

        Raises:
            ImageError: the image cannot be made.
        """
        self._client = client
        self._compiled = compiled
        self._sizes = sizes
        self._is_jailed = is_jailed
        self._choice = choice
        self._native = native
        self._memory_bytes = int(limits.memory_bytes)
        self._files_bytes = int(limits.files_bytes)
        #: Held while pools are defined and dropped; never by whoever holds the next one.
        self._lock = threading.Lock()
        self._defined: dict[int, DefinePool] = {}
        self._next = PLAIN
        #: Guards what follows, for moments.
        self._uses_lock = threading.Lock()
        self._numbers: dict[Needs, int] = {}
        self._needs: dict[int, Needs] = {}
        #: Who holds each special pool, the one not used for longest first.
        self._holders: dict[int, set[object]] = {}
        self._take(self._plain_needs(choice.kind, choice.tenant, limits), self)

    def take(self, plan: Plan, holder: object) -> int:
        """Return the pool whose cells can serve a run; it is not dropped before `give_back`.

        Raises:
            ImageError: it needs an image that cannot be made.
            Refused: too many pools are held.
        """
        if plan.pool:  # its session's
            with self._uses_lock:
                self._hold(plan.pool, holder)
            return plan.pool
        return self._take(self._needs_of(plan), holder)

    def for_others(self) -> tuple[int, int, int, int]:
        """Return the pools for runs of other machines: plain, with fuel, with files, with both.

        They are never dropped. Limits of such runs are at most the supervisor's own.

        Raises:
            ImageError: an image cannot be made.
        """
        plain = Needs(False, self._memory_bytes)
        files_bytes = max(1, self._files_bytes) if self._is_jailed else 0
        files = plain._replace(files_bytes=files_bytes)
        fuel, both = plain._replace(fuel=True), files._replace(fuel=True)
        return (
            self._take(plain, self),
            self._take(fuel, self),
            self._take(files, self),
            self._take(both, self),
        )

    def give_back(self, number: int, holder: object) -> None:
        """Let go of a pool. Any thread; idempotent; does not block."""
        if number != PLAIN:
            with self._uses_lock:
                if (holders := self._holders.pop(number, None)) is not None:
                    holders.discard(holder)
                    self._holders[number] = holders  # as the last one used

    def _needs_of(self, plan: Plan) -> Needs:
        limits = plan.limits
        needs = self._plain_needs(plan.kind, plan.tenant, limits)
        if self._is_jailed and (plan.writes_files or plan.mounts or plan.program != "python"):
            files_bytes = _at_least(int(limits.files_bytes), self._files_bytes)
            needs = needs._replace(
                files_bytes=max(1, files_bytes) if plan.writes_files else 0,
                mounts=plan.mounts,
                program=os.fsdecode(bytes(plan.source)) if plan.program == "module" else "",
            )
        return needs

    def _plain_needs(self, kind: Kind, tenant: str, limits: Limits) -> Needs:
        is_shared = not sharing(kind, self._choice.reuse, self._sizes.cells).by_tenant
        return Needs(
            limits.fuel is not None,
            _at_least(int(limits.memory_bytes), self._memory_bytes),
            kind=kind,
            tenant=None if is_shared else tenant,
        )

    @property
    def queue_max(self) -> int:
        """How many runs may wait in each pool."""
        return self._sizes.queue_max

    def renew(self, attach: Callable[[], None]) -> None:
        """Define every pool anew, under its old number, on the pipe that `attach` attaches.

        Raises:
            SupervisorLost: it has ended again.
        """
        with self._lock:  # so that no pool is defined twice on one pipe
            attach()
            for define in self._defined.values():
                self._client.send(define)

    def serves(self, number: int, tenant: str) -> bool:
        """Return whether the cells of a session's pool may have a run of a tenant."""
        return self._needs[number].tenant in (None, tenant)

    def fits(self, number: int, limits: Limits) -> bool:
        """Return whether the cells of a session's pool can hold one more run of it to `limits`."""
        needs = self._needs[number]
        return (
            needs.fuel == (limits.fuel is not None)
            and int(limits.memory_bytes) <= needs.memory_bytes
            and not 0 < needs.files_bytes < int(limits.files_bytes)
        )

    def _take(self, needs: Needs, holder: object) -> int:
        number = self._take_known(needs, holder)
        if number is not None:
            return number
        image: Compiled | NativeImage  # got without a lock: it may take seconds
        image = self._compiled(needs.fuel) if needs.kind == "wasm" else self._native()
        with self._lock:
            number = self._take_known(needs, holder)
            if number is None:
                self._make_room()
                number, self._next = self._next, self._next + 1
                define = self._defined[number] = self._definition(number, needs, image)
                # Where the pipe has just ended, `renew` defines it on the next.
                self._client.send_quietly(define)
                with self._uses_lock:
                    self._needs[number] = needs
                    self._numbers[needs] = number
                    if number != PLAIN:
                        self._holders[number] = {holder}
        return number

    def _take_known(self, needs: Needs, holder: object) -> int | None:
        if self._numbers.get(needs) == PLAIN:
            return PLAIN
        with self._uses_lock:
            number = self._numbers.get(needs)
            if number is not None:
                self._hold(number, holder)
            return number

    def _hold(self, number: int, holder: object) -> None:
        if (holders := self._holders.pop(number, None)) is not None:
            holders.add(holder)
            self._holders[number] = holders  # as the last one used

    def _make_room(self) -> None:
        """Drop a pool if another one would be too many.

        Raises:
            Refused: all of them are held.
        """
        with self._uses_lock:
            if len(self._holders) < SPECIAL_MAX:
                return
            number = next((n for n, holders in self._holders.items() if not holders), None)
            if number is None:
                detail = f"runs and sessions at hand hold all {SPECIAL_MAX} pools"
                raise Refused("pools_full", detail)
            del self._holders[number]
            del self._numbers[self._needs.pop(number)]
        del self._defined[number]
        self._client.send_quietly(DropPool(number))
        self._client.pool_failures.pop(number, None)

    def _definition(self, number: int, needs: Needs, image: Compiled | NativeImage) -> DefinePool:
        sizes, is_plain = self._sizes, number == PLAIN
        given = sharing(needs.kind, self._choice.reuse, sizes.cells)
        native = image if isinstance(image, NativeImage) else NativeImage()
        return DefinePool(
            pool=number,
            kind=needs.kind,
            image_path="" if isinstance(image, NativeImage) else image.path,
            image_sha256="" if isinstance(image, NativeImage) else image.sha256,
            cells_max=-(-sizes.cells // given.slots),
            # A second cell beside one of several slots would part runs that share memory.
            spares=sizes.spares if is_plain and given.slots == 1 else 0,
            stock=sizes.stock if needs.kind == "wasm" else sizes.native_stock,
            queue_max=sizes.queue_max,
            memory_bytes=needs.memory_bytes,
            fuel=needs.fuel,
            on_demand=not is_plain,
            mounts=needs.mounts,
            files_bytes=needs.files_bytes,
            programs=(needs.program,) if needs.program else (),
            libraries=native.libraries,
            preload=native.preload,
            single_use=given.single_use,
            slots=given.slots,
            interrupt=sizes.interrupt,
        )


def _at_least(wanted_bytes: int, usual_bytes: int) -> int:
    """Return a pool's cap for a run: the supervisor's own, or the next power of two above."""
    return usual_bytes if wanted_bytes <= usual_bytes else 1 << (wanted_bytes - 1).bit_length()
