"""`Supervisor`: the front door. Opens what a run needs, hands over, closes in the right order.

    Supervisor -> options.make_plan -> launch.Launcher -> client.Client -> the supervisor loop
                                       handle, running    <-              <-

Rule: nothing is started by the constructor; `open` does it, called by `with` or by the first run.
"""

from __future__ import annotations

import functools
import itertools
import threading
import warnings
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack, cast, overload

from executor import guarantees
from executor.checks import count_of, interrupt_from, usable_cpus
from executor.errors import Closed, translated
from executor.images import compiled_image, compiled_module
from executor.keeper import Keeper
from executor.options import make_defaults, make_plan
from executor.pools import Sizes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
    from types import TracebackType

    from executor.handle import RunHandle
    from executor.isolate import IsolateKind
    from executor.launch import Launcher
    from executor.options import FunctionsGiven, Plan, RunOptions, SessionOptions
    from executor.outcome import Outcome
    from executor.sandboxed import Sandboxed
    from executor.session import Session
    from executor.statistics import Statistics
    from protocol.limits import Limits
    from protocol.messages import Message
    from sandboxes.guarantees import Guarantee, Strength
    from sandboxes.wasm.image import Image

CELLS_MAX = 1_024
QUEUE_MAX_MAX = 1_000_000
#: Each takes 4 mappings of a process, which has 65,530 by the kernel's default.
SESSIONS_PER_CELL_MAX = 16_000
#: Warmed sandboxes in each cell, at 1 MB each: so many runs of a burst are quick.
STOCK = 8
#: How long `close` lets runs at hand go on before they are killed, where it is not told.
CLOSE_WITHIN_S = 5.0
STATISTICS_WAIT_S = 10.0


class Supervisor:
    """Runs untrusted code in cells that it starts, watches and replaces. Thread-safe.

    ```python
    with Supervisor(limits=Limits(wall_s=2)) as supervisor:
        outcome = supervisor.run("sum(rows)", inputs={"rows": [1, 2, 3]})
        assert outcome.value == 6
    ```

    Args:
        image: what guests find installed; None for plain CPython with its standard library.
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
        sessions_per_cell: sessions that each cell keeps, at 0.6 MB and more each.
        interrupt: how a guest is ended at its deadline: "epoch" stops it and keeps its cell, "kill"
            ends the cell with its sessions, 0.15 s later; guests run an eighth faster so.

    Raises:
        Misuse: an argument can never work.
        Unavailable: a required guarantee is not held on this machine.
    """

    def __init__(
        self,
        image: Image | None = None,
        *,
        limits: Limits | Mapping[str, Any] | None = None,
        cells: int | None = None,
        functions: FunctionsGiven | None = None,
        isolate: IsolateKind = "interpreter",
        queue_max: int = 1_000,
        require: Iterable[str] = (),
        tenant: str = "",
        stock: int | None = None,
        jail: Strength | None = None,
        sessions_per_cell: int = 32,
        interrupt: Literal["epoch", "kill"] = "epoch",
    ) -> None:
        self._isolate, self._jail = guarantees.isolate_from(isolate), guarantees.jail_from(jail)
        guarantees.require(require, self.guarantees)
        is_inline = isolate == "inline"
        cells = min(usable_cpus(), CELLS_MAX) if cells is None else cells
        stock = (1 if is_inline else STOCK) if stock is None else stock
        self._sizes = Sizes(
            cells=count_of(cells, "cells", 1, CELLS_MAX),
            spares=0 if is_inline else 1,
            stock=count_of(stock, "stock", 1, CELLS_MAX),
            queue_max=count_of(queue_max, "queue_max", 0, QUEUE_MAX_MAX),
            interrupt=interrupt_from(interrupt),
        )
        self._sessions_per_cell = count_of(
            sessions_per_cell, "sessions_per_cell", 1, SESSIONS_PER_CELL_MAX
        )
        self._image = image
        self._defaults = make_defaults(limits, functions, tenant)
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
            keeper = self._keeper
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

    # --- runs ------------------------------------------------------------------------------------
    def run(self, code: str | None = None, **options: Unpack[RunOptions]) -> Outcome:
        """Run Python code, or a .wasm program, in a fresh sandbox and wait for its outcome.

        Callbacks are called on this thread.

        Args:
            code: Python source; None where `module` is given.
            options: see `RunOptions`.

        Returns:
            How it ended; also where the guest raised, looped or was cut off.

        Raises:
            Misuse: an argument can never work; nothing ran.
            Refused: no cell became free, or the supervisor is closing; nothing ran.
            SupervisorLost: the supervisor's loop cannot be started; nothing ran.
            ImageFailed: the image or the module cannot be loaded.
        """
        return self.launcher().run(self.plan(code, options))

    async def arun(self, code: str | None = None, **options: Unpack[RunOptions]) -> Outcome:
        """Run as `run` does, without blocking the event loop.

        Callbacks and async functions are called on the running loop. Cancelling the await returns
        at once and ends the run.
        """
        return await self.launcher().arun(self.plan(code, options))

    def start(self, code: str | None = None, **options: Unpack[RunOptions]) -> RunHandle:
        """Begin a run as `run` does and return a handle on it.

        Callbacks are called on threads of the supervisor's, one at a time for each run.

        Raises:
            Misuse: an argument can never work; nothing ran.
        """
        return self.launcher().start(self.plan(code, options))

    def session(self, **options: Unpack[SessionOptions]) -> Session:
        """Return a session: runs in it share one sandbox, with its globals, imports and files.

        Args:
            options: what holds for all of its runs; see `SessionOptions`.
        """
        from executor.session import Session

        return Session(self, options)

    def map(
        self,
        code: str,
        inputs: Iterable[Mapping[str, object]],
        /,
        *,
        ordered: bool = True,
        **options: Unpack[RunOptions],
    ) -> Iterator[Outcome]:
        """Run the same code once for each of many inputs, each in a fresh sandbox.

        A bounded number is in flight, so `inputs` may be endless. Leaving the iterator early
        cancels what is in flight.

        Args:
            code: Python source.
            inputs: for each run the names and values that become its globals.
            ordered: True for outcomes in the order of `inputs`, False for as they come.
            options: see `RunOptions`.

        Yields:
            The outcome of each run.
        """
        from executor import batch

        starts = (lambda item=item: self._start_one(code, item, options) for item in inputs)
        return batch.drive(starts, ordered=ordered, in_flight=self.in_flight)

    def amap(
        self,
        code: str,
        inputs: Iterable[Mapping[str, object]],
        /,
        *,
        ordered: bool = True,
        **options: Unpack[RunOptions],
    ) -> AsyncIterator[Outcome]:
        """Run as `map` does, without blocking the event loop."""
        from executor import batch

        starts = (lambda item=item: self._start_one(code, item, options) for item in inputs)
        return batch.adrive(starts, ordered=ordered, in_flight=self.in_flight)

    @overload
    def sandboxed[**P, R](self, function: Callable[P, R], /) -> Sandboxed[P, R]: ...

    @overload
    def sandboxed[**P, R](
        self, /, **options: Unpack[RunOptions]
    ) -> Callable[[Callable[P, R]], Sandboxed[P, R]]: ...

    def sandboxed[**P, R](
        self, function: Callable[P, R] | None = None, /, **options: Unpack[RunOptions]
    ) -> Sandboxed[P, R] | Callable[[Callable[P, R]], Sandboxed[P, R]]:
        """Make a plain function run in a sandbox: its source is shipped, its call is typed.

        ```python
        @supervisor.sandboxed(limits={"wall_s": 1})
        def area(width: float, height: float) -> float:
            return width * height

        area(2.0, 3.0)  # 6.0, computed by a guest
        ```

        Arguments are held to the annotations before anything is sent, the result afterwards. The
        function must stand alone: no closure, no globals; it imports what it needs.

        Args:
            function: the function, where the decorator is used without arguments.
            options: see `RunOptions`; without `inputs`, `result`, `mode` and `module`.

        Raises:
            Misuse: the function cannot be shipped; the text says what to change.
        """
        from executor.sandboxed import Sandboxed

        if function is not None:
            return Sandboxed(self, function, options)
        return lambda function: Sandboxed(self, function, options)

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
        return dataclasses.replace(snapshot, isolate_restarts=keeper.restarts)

    def guarantees(self) -> tuple[Guarantee, ...]:
        """Return each named guarantee, whether it is held here, and why."""
        return guarantees.of_supervisor(isolate=self._isolate, jail=self._jail)

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
        """Return a checked run."""
        plan = make_plan(code, options, self._defaults)
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
    def in_flight(self) -> int:
        """How many runs of one batch to have at hand: every cell busy, and the next ones queued."""
        return min(self._sizes.cells * 3, self._sizes.cells + self._sizes.queue_max)

    def _start_one(self, code: str, inputs: Mapping[str, object], options: RunOptions) -> RunHandle:
        both = cast("RunOptions", {**options, "inputs": inputs})
        return self.start(code, **both)

    def _open(self) -> Keeper:
        from executor import isolate
        from sandboxes.errors import SandboxError

        kind, jail, sessions = self._isolate, self._jail, self._sessions_per_cell
        compiled = functools.partial(
            compiled_image,
            self._image,
            epoch=self._sizes.interrupt == "epoch",
            is_quick=kind == "inline",
        )
        try:
            compiled(self._defaults.limits.fuel is not None)  # before anything is started
            return Keeper(
                lambda spool_path: isolate.start(
                    kind, jail=jail, spool_path=spool_path, sessions_per_cell=sessions
                ),
                checked=kind != "inline",
                compiled=compiled,
                sizes=self._sizes,
                limits=self._defaults.limits,
                is_jailed=jail != "none",
            )
        except (SandboxError, OSError) as error:
            raise translated(error) from error

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "open" if self._keeper else "not open"
        return f"<Supervisor, {self._sizes.cells} cells, {self._isolate}, {state}>"
