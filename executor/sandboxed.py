"""Functions of the host's own source that run in a sandbox, called like any other.

The source goes to the guest with each call, the arguments as inputs. Arguments are held to the
annotations before anything is sent; the result, which a guest made, before it is returned.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast

from executor import batch
from executor.errors import Misuse, ResultMismatch
from executor.signature import Signature, WrongArguments, WrongResult
from executor.source import source_of

if TYPE_CHECKING:
    from executor.handle import RunHandle
    from executor.options import RunOptions
    from executor.outcome import Outcome
    from executor.runs import Runs

_ARGS, _KWARGS = "_cellblock_args", "_cellblock_kwargs"
_OURS = ("inputs", "result", "mode", "module", "filename")


class Sandboxed[**P, R]:
    """A function that runs in a sandbox. Made by `Supervisor.sandboxed`.

    Calling it returns what the function returns, checked; it raises `GuestError` where the function
    raised or was cut off.
    """

    __name__: str

    def __init__(self, supervisor: Runs, function: Callable[P, R], options: RunOptions) -> None:
        for name in _OURS:
            if name in options:
                raise Misuse(name, "a sandboxed function sets it itself; leave it out")
        self._supervisor = supervisor
        self._options = options
        self._name = getattr(function, "__name__", "function")
        source = source_of(function)
        self._filename = source.filename
        self._code = f"{source.text}\n{source.name}(*{_ARGS}, **{_KWARGS})\n"
        self._signature = Signature.of(function, f"sandboxed({self._name})")
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function in a fresh sandbox and return its result.

        Raises:
            Misuse: an argument does not fit its annotation; nothing ran.
            GuestError: the function raised, or a limit ended it.
            ResultMismatch: the result does not fit the return annotation.
            Refused: no cell became free; nothing ran.
        """
        return self._result(self.outcome(*args, **kwargs))

    async def acall(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function without blocking the event loop; cancelling the await ends it."""
        code, options = self._run(args, kwargs)
        return self._result(await self._supervisor.arun(code, **options))

    def outcome(self, *args: P.args, **kwargs: P.kwargs) -> Outcome:
        """Run the function and return the whole outcome; its value is not checked."""
        code, options = self._run(args, kwargs)
        return self._supervisor.run(code, **options)

    def start(self, *args: P.args, **kwargs: P.kwargs) -> RunHandle:
        """Begin the function and return a handle on its run."""
        code, options = self._run(args, kwargs)
        return self._supervisor.start(code, **options)

    def map(self, items: Iterable[Any], /, *, ordered: bool = True) -> Iterator[R]:
        """Call the function with each of `items` as its only argument, a bounded number at once.

        Args:
            items: may be endless.
            ordered: True for results in the order of `items`, False for as they come.

        Yields:
            Each result.

        Raises:
            GuestError: one of the calls did not end well; the rest is cancelled.
        """
        starts = (functools.partial(self._start_with, item) for item in items)
        outcomes = batch.drive(starts, ordered=ordered, in_flight=self._supervisor.in_flight)
        return map(self._result, outcomes)

    async def amap(self, items: Iterable[Any], /, *, ordered: bool = True) -> AsyncIterator[R]:
        """Call the function as `map` does, without blocking the event loop."""
        starts = (functools.partial(self._start_with, item) for item in items)
        in_flight = self._supervisor.in_flight
        async for outcome in batch.adrive(starts, ordered=ordered, in_flight=in_flight):
            yield self._result(outcome)

    def _start_with(self, item: object) -> RunHandle:
        code, options = self._run((item,), {})
        return self._supervisor.start(code, **options)

    def _run(self, args: tuple[object, ...], kwargs: dict[str, Any]) -> tuple[str, RunOptions]:
        try:
            bound = self._signature.bind(args, kwargs)
        except WrongArguments as error:
            raise Misuse(f"{self._name}()", str(error)) from None
        inputs = {_ARGS: list(bound[0]), _KWARGS: dict(bound[1])}
        options = {**self._options, "inputs": inputs, "filename": self._filename}
        return self._code, cast("RunOptions", options)

    def _result(self, outcome: Outcome) -> R:
        try:
            return cast("R", self._signature.check_result(outcome.unwrap()))
        except WrongResult as error:
            raise ResultMismatch(self._name, str(error)) from None

    def __repr__(self) -> str:
        return f"<Sandboxed {self._name}>"
