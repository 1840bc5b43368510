"""`Runs`: the calls that start runs, the same wherever cells are.

Rule: nothing is opened here and nothing is checked; `plan` and `launcher` do it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Unpack, cast, overload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping

    from executor.handle import RunHandle
    from executor.launch import Launcher
    from executor.options import Plan, RunOptions, SessionOptions
    from executor.outcome import Outcome
    from executor.sandboxed import Sandboxed
    from executor.session import Session
    from protocol.messages import Message


class Runs(ABC):
    """What can be asked of every supervisor. Thread-safe."""

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

    # --- for our own modules ---------------------------------------------------------------------
    @abstractmethod
    def launcher(self) -> Launcher:
        """Return what starts runs, opening the supervisor if need be."""

    @abstractmethod
    def plan(self, code: str | None, options: RunOptions) -> Plan:
        """Return a checked run; raises `Misuse`, or `Unavailable` for what is required."""

    @property
    @abstractmethod
    def image_modules(self) -> tuple[str, ...]:
        """Modules that every guest has beside the standard library."""

    @abstractmethod
    def next_session(self) -> int:
        """Return the number of a new session."""

    @abstractmethod
    def tell(self, message: Message) -> None:
        """Send a message that asks for no answer; dropped where nothing listens any more."""

    @property
    @abstractmethod
    def in_flight(self) -> int:
        """How many runs of one batch to have at hand."""

    def _start_one(self, code: str, inputs: Mapping[str, object], options: RunOptions) -> RunHandle:
        both = cast("RunOptions", {**options, "inputs": inputs})
        return self.start(code, **both)
