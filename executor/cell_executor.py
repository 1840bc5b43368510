"""`CellExecutor`: sandboxes behind the interface of `concurrent.futures.Executor`.

    submit -> waiting -> at hand (a run of the supervisor's) -> ended -> the future

Rule 1: so many runs are at hand as keep every cell busy; other calls wait here, in order, up to
        `PENDING_MAX`.
Rule 2: a future may be cancelled until it is done: the run of a call at hand is ended.
Rule 3: futures are completed by one thread of ours, which decodes results and calls callbacks; the
        supervisor's reader never waits for any of it.
"""

from __future__ import annotations

import concurrent.futures
import itertools
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, Unpack, cast, overload

from executor.errors import Closed, Misuse, Refused
from executor.shipping import SHIPS, Call, Ship, Shipped, shipped
from executor.threads import Threads

if TYPE_CHECKING:
    from executor.api import Supervisor
    from executor.handle import RunHandle
    from executor.options import RunOptions

#: Calls that may wait in one executor; one more is refused.
PENDING_MAX: Final = 1_000_000
#: Shipping a function reads its source file: kept for so many functions.
_SHIPPED_MAX: Final = 256
_OURS: Final = ("inputs", "result", "mode", "module", "filename", "argv", "args", "stdin")


class ExecutorClosed(Closed, RuntimeError):
    """`submit` after `shutdown`. A RuntimeError too, as callers of executors expect."""


class CellFuture[T](concurrent.futures.Future[T]):
    """The result of one call. As any future, but it can also be cancelled while its call runs."""

    def __init__(self) -> None:
        super().__init__()
        #: Of its run, once it has one.
        self.handle: RunHandle | None = None

    def attach(self, handle: RunHandle) -> None:
        """Note the run of the call, and cancel it where the call is cancelled. Once."""
        self.handle = handle
        self.add_done_callback(lambda _: handle.cancel() if self.cancelled() else None)

    def running(self) -> bool:
        """Return whether the call was handed to the supervisor and has not ended."""
        return self.handle is not None and not self.done()


class _Waiting:
    """One call from `submit` to its end."""

    __slots__ = ("call", "future", "is_ending")

    def __init__(self, call: Call, future: CellFuture[Any]) -> None:
        self.call = call
        self.future = future
        self.is_ending = False


class CellExecutor(concurrent.futures.Executor):
    """Runs calls of functions in sandboxes. Thread-safe; close it, or use it with `with`.

    ```python
    with Supervisor() as supervisor, CellExecutor(supervisor) as pool:
        print(list(pool.map(math.factorial, [3, 4, 5])))  # [6, 24, 120]
    ```

    A future gives what the function returned, or raises `GuestError` where the function raised or
    was cut off, `Refused` or `Misuse` where it never began.

    Calls run at the same time where there are cells for it, each in a fresh sandbox.

    Args:
        supervisor: whose cells to use. It stays open when the executor shuts down.
        ship: how functions get there: "reference" (imported in the sandbox by module and name),
            "source" (their text goes along; they must stand alone), or "auto": by reference for
            the standard library and what the supervisor's image names, else by source.
        options: of each run, above all `kind`, `limits`, `tenant`, `mounts`; see `RunOptions`.

    Raises:
        Misuse: an option that a call sets itself, or no such way to ship.
    """

    def __init__(
        self, supervisor: Supervisor, *, ship: Ship = "auto", **options: Unpack[RunOptions]
    ) -> None:
        if ship not in SHIPS:
            raise Misuse("ship", f"must be {', '.join(SHIPS)}, not {ship!r}")
        for name in _OURS:
            if name in options:
                raise Misuse(name, "a call sets it itself; leave it out")
        self._supervisor = supervisor
        self._ship: Ship = ship
        self._options = options
        self._known = frozenset(name.partition(".")[0] for name in supervisor.image_modules)
        self._shipped: dict[object, Shipped] = {}
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._waiting: deque[_Waiting] = deque()
        self._at_hand: dict[int, _Waiting] = {}
        self._numbers = itertools.count(1)
        self._threads = Threads(threads_max=1, name="cellblock-executor")
        weakref.finalize(self, self._threads.close)
        #: The thread that completes a future at this moment: it must not wait for itself.
        self._completing = 0
        self._is_shut = False

    # --- calls -----------------------------------------------------------------------------------
    @overload
    def submit[**P, T](
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> CellFuture[T]: ...

    @overload
    def submit(self, fn: str, /, *args: object, **kwargs: object) -> CellFuture[Any]: ...

    def submit(
        self, fn: Callable[..., Any] | str, /, *args: object, **kwargs: object
    ) -> CellFuture[Any]:
        """Have a function called in a sandbox and return the future of its result.

        Args:
            fn: a function, or "module:name" for one that only the sandbox can import.
            args: values that cross into a sandbox.
            kwargs: the same.

        Raises:
            Misuse: the function cannot be shipped.
            ExecutorClosed: the executor was shut down.
            Refused: more than `PENDING_MAX` calls wait.
        """
        return self._submit(self._shipped_of(fn).call(args, kwargs))

    def map[T](
        self,
        fn: Callable[..., T] | str,
        /,
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """Call a function with items of `iterables` and yield the results in order.

        Leaving the iterator early cancels what was begun.

        Args:
            fn: as for `submit`.
            iterables: one for each argument.
            timeout: seconds from now until the last result must be there; None waits.
            chunksize: calls in one run, one after another in the same sandbox: for tiny functions.
            buffersize: runs begun ahead of the result that is taken, so that iterables may be
                endless; None collects them at once.

        Raises:
            Misuse: the function cannot be shipped, or a size is below 1.
            TimeoutError: it took longer.
        """
        for name, size in (("chunksize", chunksize), ("buffersize", buffersize)):
            if size is not None and (type(size) is not int or size < 1):
                raise Misuse(name, f"must be an int from 1 on, not {size!r}")
        deadline = None if timeout is None else time.monotonic() + timeout
        shipped_fn = self._shipped_of(fn)
        calls = (
            shipped_fn.calls(list(each))
            for each in itertools.batched(zip(*iterables, strict=False), chunksize, strict=False)
        )
        begun = deque(map(self._submit, itertools.islice(calls, buffersize)))
        return self._results(begun, calls, deadline)

    def _results(
        self, begun: deque[CellFuture[Any]], calls: Iterator[Call], deadline: float | None
    ) -> Iterator[Any]:
        try:
            while begun:
                left_s = None if deadline is None else deadline - time.monotonic()
                results = begun[0].result(left_s)
                begun.popleft()
                begun.extend(map(self._submit, itertools.islice(calls, 1)))
                yield from results
        finally:
            for future in begun:
                future.cancel()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls. Idempotent.

        Args:
            wait: return only when every call has ended.
            cancel_futures: give up the calls that have no run yet.
        """
        with self._lock:
            self._is_shut = True
            given_up: list[_Waiting] = []
            if cancel_futures:
                given_up = list(self._waiting)
                self._waiting.clear()
        for waiting in given_up:
            waiting.future.cancel()
            waiting.future.set_running_or_notify_cancel()
        with self._lock:
            self._tell_if_idle()
            if wait and threading.get_ident() != self._completing:
                self._idle.wait_for(lambda: not self._at_hand and not self._waiting)

    # --- from a call to a run --------------------------------------------------------------------
    def _shipped_of(self, fn: Callable[..., Any] | str) -> Shipped:
        try:
            known = self._shipped.get(fn)
        except TypeError:  # it has no hash
            return shipped(fn, self._ship, self._known)
        if known is None:
            known = shipped(fn, self._ship, self._known)
            if len(self._shipped) < _SHIPPED_MAX:
                self._shipped[fn] = known
        return known

    def _submit(self, call: Call) -> CellFuture[Any]:
        future: CellFuture[Any] = CellFuture()
        with self._lock:
            if self._is_shut:
                raise ExecutorClosed("executor")
            if len(self._waiting) >= PENDING_MAX:
                raise Refused("queue_full", f"{PENDING_MAX} calls wait in this executor")
            self._waiting.append(_Waiting(call, future))
        self._begin()
        return future

    def _begin(self) -> None:
        """Hand calls to the supervisor as far as there is room."""
        while True:
            with self._lock:
                if not self._waiting or len(self._at_hand) >= self._supervisor.in_flight:
                    return
                waiting = self._waiting.popleft()
                number = next(self._numbers)
                self._at_hand[number] = waiting
            try:
                self._start(number, waiting)
            except BaseException as error:  # whatever it is, it is for whoever waits
                self._give_up(number, error)
                if not isinstance(error, Exception):
                    raise  # it interrupts the caller, too

    def _start(self, number: int, waiting: _Waiting) -> None:
        call, future = waiting.call, waiting.future
        if future.cancelled():
            future.set_running_or_notify_cancel()
            self._forget(number)
            return
        both = {**self._options, "inputs": call.inputs, "filename": call.filename}
        handle = self._supervisor.start(call.code, **cast("RunOptions", both))
        future.attach(handle)
        handle.add_waiter(lambda: self._threads.submit(lambda: self._end(number, handle)))

    def _give_up(self, number: int, error: BaseException) -> None:
        waiting = self._claim(number)
        if waiting is None:
            return  # it has ended all the same
        if waiting.future.set_running_or_notify_cancel():
            waiting.future.set_exception(error)
        if (handle := waiting.future.handle) is not None:
            handle.cancel()
        self._forget(number)

    def _claim(self, number: int) -> _Waiting | None:
        """Return a call at hand to the first that is to end it."""
        with self._lock:
            waiting = self._at_hand.get(number)
            if waiting is None or waiting.is_ending:
                return None
            waiting.is_ending = True
            return waiting

    def _forget(self, number: int) -> None:
        with self._lock:
            del self._at_hand[number]
            self._tell_if_idle()

    def _tell_if_idle(self) -> None:
        """Wake who waits for the last call. With the lock."""
        if not self._at_hand and not self._waiting:
            self._idle.notify_all()
            if self._is_shut:
                self._threads.close()

    # --- a thread of ours ------------------------------------------------------------------------
    def _end(self, number: int, handle: RunHandle) -> None:
        waiting = self._claim(number)
        if waiting is None:
            return  # given up meanwhile
        future = waiting.future
        self._completing = threading.get_ident()
        value: object = None
        problem: BaseException | None = None
        try:
            value = handle.result().unwrap()
        except BaseException as error:  # noqa: BLE001 - of a callback, or how the run ended
            problem = error
        if future.set_running_or_notify_cancel():
            if problem is None:
                future.set_result(value)
            else:
                future.set_exception(problem)
        self._completing = 0
        self._forget(number)
        self._begin()
