"""`Supervisor`: the front door. Opens what a run needs, hands over, closes in the right order.

    Supervisor -> options.make_plan -> launch.Launcher -> client.Client -> the supervisor loop
                                       handle, running    <-              <-

Rule: nothing is started by the constructor; `open` does it, called by `with` or by the first run.
"""

from __future__ import annotations

import itertools
import threading
import warnings
from typing import TYPE_CHECKING, Any, Self

from executor import guarantees
from executor.checks import interrupt_from
from executor.errors import Closed
from executor.images import compiled_module, modules_of
from executor.kinds import Choice, Kinds
from executor.options import make_defaults, make_plan
from executor.pools import SESSIONS_PER_CELL, Sizes
from executor.runs import Runs

if TYPE_CHECKING:
    from collections.abc import Buffer, Callable, Iterable, Mapping
    from types import TracebackType

    from executor.isolate import Connection, IsolateKind
    from executor.keeper import Keeper
    from executor.kinds import Reuse
    from executor.launch import Launcher
    from executor.link.keeper import LinkKeeper
    from executor.link.options import NatsLink
    from executor.options import FunctionsGiven, Plan, RunOptions
    from executor.shared import SharedBuffer
    from executor.statistics import Statistics
    from protocol.fields import Interrupt, Kind
    from protocol.limits import Limits
    from protocol.messages import Message
    from sandboxes.guarantees import Guarantee, Strength
    from sandboxes.wasm.image import Image

#: How long `close` lets runs at hand go on before they are killed, where it is not told.
CLOSE_WITHIN_S = 5.0
STATISTICS_WAIT_S = 10.0


class Supervisor(Runs):
    """Runs untrusted code in cells that it starts, watches and replaces. Thread-safe.

    ```python
    with Supervisor(limits=Limits(wall_s=2)) as supervisor:
        outcome = supervisor.run("sum(rows)", inputs={"rows": [1, 2, 3]})
        assert outcome.value == 6
    ```

    Args:
        image: what guests find installed; None for plain CPython with its standard library.
        kind: of sandbox for runs that do not say otherwise: "wasm", "process" (native Python, a
            process for each run) or "interpreter" (native Python, runs of one tenant side by side).
        reuse: who has a cell: "run", "tenant", or None for what is usual for its kind.
        limits: of each run that does not say otherwise: a `Limits` or a dict of its fields.
        cells: runs at the same time; None for one on each usable CPU.
        functions: host functions of every run, by name or as a list.
        isolate: where deadlines are kept: "interpreter" (an interpreter of its own in this
            process, which goes on while the host is busy), "process", or "inline" (a thread, the
            quickest to start).
        queue_max: runs that may wait; one more is refused.
        require: names of guarantees without which nothing must run; see `guarantees`.
        tenant: on whose behalf runs are that do not say otherwise.
        stock: warmed sandboxes that each cell keeps.
        jail: kernel walls: "full", "light" (no user namespaces), "none"; None for full on Linux.
        link: a `NatsLink` to take runs of other machines' callers, too; `limits` are then the most
            that such a run may ask for.
        sessions_per_cell: sessions that each cell keeps, at 0.6 MB and more each.
        interrupt: how a guest is ended at its deadline: "epoch" stops it and keeps its cell, "kill"
            ends the cell with its sessions, 0.15 s later; guests run an eighth faster so.

    Raises:
        Misuse: an argument can never work.
        Unavailable: a required guarantee is not held on this machine.
    """

    link_keeper: LinkKeeper | None = None  # for our own modules, too

    def __init__(
        self,
        image: Image | None = None,
        *,
        kind: Kind = "wasm",
        reuse: Reuse | None = None,
        limits: Limits | Mapping[str, Any] | None = None,
        cells: int | None = None,
        functions: FunctionsGiven | None = None,
        isolate: IsolateKind = "interpreter",
        queue_max: int = 1_000,
        require: Iterable[str] = (),
        tenant: str = "",
        stock: int | None = None,
        jail: Strength | None = None,
        link: NatsLink | None = None,
        sessions_per_cell: int = SESSIONS_PER_CELL,
        interrupt: Interrupt = "epoch",
    ) -> None:
        self._isolate, self._jail = guarantees.isolate_from(isolate), guarantees.jail_from(jail)
        self._choice = Choice(kind, reuse, tenant)
        self._kinds = Kinds(self._choice, self._jail, jail is not None, require, self.guarantees)
        self._sizes = Sizes.of(
            cells,
            stock,
            queue_max,
            sessions_per_cell=sessions_per_cell,
            interrupt=interrupt_from(interrupt, kind),
            is_one_shot=isolate == "inline",
        )
        self._image = image
        self.link_keeper = None if link is None else link.keeper()
        self._defaults = make_defaults(limits, functions, tenant, kind)
        self._lock = threading.Lock()
        self._sessions = itertools.count(1)
        self._keeper: Keeper | None = None
        self._is_closed = False

    # --- life ------------------------------------------------------------------------------------
    def open(self) -> Self:
        """Start the supervisor loop and its first cells. Idempotent; the first run does it too.

        The first time on a machine the image is built and compiled, which takes some seconds.

        Raises:
            ImageFailed: the image cannot be built or loaded.
            Closed: the supervisor was closed.
        """
        with self._lock:
            if self._is_closed:
                raise Closed("supervisor")
            if self._keeper is None:
                self._keeper = self._open()
        return self

    def close(self, *, within_s: float = CLOSE_WITHIN_S) -> None:
        """Take no more runs, let those at hand go on for `within_s`, then kill them. Idempotent.

        Args:
            within_s: seconds; 0 kills at once. Every run gets its outcome either way.
        """
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            keeper, link = self._keeper, self.link_keeper
        if link is not None:
            link.close(max(0.0, within_s))
        if keeper is not None:
            keeper.close(max(0.0, within_s))

    async def aclose(self, *, within_s: float = CLOSE_WITHIN_S) -> None:
        """Close as `close` does, without blocking the event loop."""
        import asyncio

        await asyncio.to_thread(self.close, within_s=within_s)

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close(within_s=CLOSE_WITHIN_S if error is None else 0.0)

    async def __aenter__(self) -> Self:
        import asyncio

        return await asyncio.to_thread(self.open)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose(within_s=CLOSE_WITHIN_S if error is None else 0.0)

    def __del__(self) -> None:
        if getattr(self, "_keeper", None) is not None and not self._is_closed:
            warnings.warn(f"{self!r} was never closed", ResourceWarning, source=self, stacklevel=2)

    def share(self, data: Buffer) -> SharedBuffer:
        """Write bytes once that many runs are to read as inputs, without a copy for each.

        Args:
            data: bytes, or what has the buffer protocol and lies in one piece, such as an array.

        Raises:
            Misuse: it is no such thing, or empty.
            Refused: there is no room for it.
        """
        from executor.shared import share

        return share(self._kept().spool, data)

    # --- knowledge -------------------------------------------------------------------------------
    def statistics(self) -> Statistics:
        """Return a snapshot of cells, queue, restarts and lateness.

        Raises:
            SupervisorLost: the loop does not answer.
        """
        import dataclasses

        from executor.statistics import Statistics

        keeper = self._kept()
        snapshot = Statistics.from_json(keeper.statistics(STATISTICS_WAIT_S))
        link = None if self.link_keeper is None else self.link_keeper.statistics()
        return dataclasses.replace(snapshot, isolate_restarts=keeper.restarts, link=link)

    def guarantees(self, kind: Kind | None = None) -> tuple[Guarantee, ...]:
        """Return each named guarantee of a kind's runs, whether it is held here, and why.

        Args:
            kind: of sandbox; None for the supervisor's.
        """
        kind, reuse = kind or self._choice.kind, self._choice.reuse
        return guarantees.of_supervisor(self._isolate, self._jail, kind=kind, reuse=reuse)

    # --- for our own modules ---------------------------------------------------------------------
    def launcher(self) -> Launcher:
        """Return what starts runs, opening the supervisor if need be."""
        return self._kept().launcher

    def _kept(self) -> Keeper:
        if self._keeper is None or self._is_closed:
            self.open()
        assert self._keeper is not None
        return self._keeper

    def plan(self, code: str | None, options: RunOptions) -> Plan:
        """Return a checked run; raises `Misuse`, or `Unavailable` for what is required."""
        plan = make_plan(code, options, self._defaults)
        self._kinds.admit(plan)
        if plan.program == "module":
            is_epoch = self._sizes.interrupt == "epoch"
            plan.source = compiled_module(options["module"], plan.limits, epoch=is_epoch)
        return plan

    def next_session(self) -> int:
        """Return the number of a new session."""
        return next(self._sessions)

    def tell(self, message: Message) -> None:
        """Send a message that asks for no answer; dropped where nothing listens any more."""
        if self._keeper is not None:
            self._keeper.client.send_quietly(message)

    @property
    def image_modules(self) -> tuple[str, ...]:
        """Modules that every guest has beside the standard library."""
        return modules_of(self._image)

    @property
    def in_flight(self) -> int:
        """How many runs of one batch to have at hand: every cell busy, and the next ones queued."""
        return min(self._sizes.cells * 3, self._sizes.cells + self._sizes.queue_max)

    def _open(self) -> Keeper:
        from executor.opening import open_keeper

        return open_keeper(
            self._image,
            self._choice,
            sizes=self._sizes,
            start=self._starter(),
            is_one_shot=self._isolate == "inline",
            jail=self._jail,
            defaults=self._defaults,
            link=self.link_keeper,
        )

    def _starter(self) -> Callable[[str | None], Connection]:
        """Return what starts a loop on a spool folder; audits leave a wall out, or have cells lie.

        It does not refer to this object, which may be dropped while its threads go on.
        """
        from executor import isolate

        kind, jail, link = self._isolate, self._jail, self.link_keeper
        sessions = self._sizes.sessions_per_cell
        return lambda spool_path: isolate.start(
            kind,
            jail=jail,
            spool_path=spool_path,
            door=link.new_door() if link else None,
            sessions_per_cell=sessions,
        )

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "open" if self._keeper else "not open"
        kind = self._choice.kind
        return f"<Supervisor, {kind}, {self._sizes.cells} cells, {self._isolate}, {state}>"
