"""A run that was started, and the two ways to wait for it: by thread and by event loop.

The reader thread delivers frames; who takes them from there differs:

    run, and a handle without callbacks   whoever calls `result`, in its own thread
    a handle with callbacks or functions  one thread of ours at a time
    arun                                  the caller's event loop

Rule: when the ending of a run is delivered, its files are recycled and its host calls cancelled at
once, whether or not anybody ever asks for the outcome.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from executor.client import ENDINGS
from executor.errors import SupervisorLost
from protocol.frames import Frame

if TYPE_CHECKING:
    import asyncio

    from executor.outcome import Outcome
    from executor.running import Item, Running
    from executor.threads import Threads


class RunHandle:
    """One run that was started by `Supervisor.start`. Thread-safe; may be awaited."""

    def __init__(self, running: Running, threads: Threads | None) -> None:
        """`threads` take the frames as they come; None leaves them to `result`."""
        self._running = running
        self._threads = threads
        self._items: SimpleQueue[Item] = SimpleQueue()
        #: Held by whoever takes items.
        self._turn = threading.Lock()
        #: Guards what follows.
        self._lock = threading.Lock()
        self._is_pumping = False
        self._is_delivered = False
        self._waiters: list[Callable[[], object]] = []

    @property
    def run_id(self) -> int:
        """The number of the run, as statistics and logs have it."""
        return self._running.run_id

    def result(self, timeout: float | None = None) -> Outcome:
        """Wait for the run to end and return how it did.

        Args:
            timeout: seconds to wait; None waits as long as the run's own limits let it go on.

        Raises:
            TimeoutError: it is still at hand. It goes on; call again, or `cancel`.
            Refused: it never began.
            SupervisorLost: the supervisor's loop ended under it.
            Exception: whatever one of the run's callbacks raised.
        """
        if not self._running.is_over:
            if self._threads is None:
                self._take_all(timeout)
            else:
                self._wait_for_end(timeout)
        return self._running.outcome()

    def done(self) -> bool:
        """Return whether the run has ended, so that `result` returns at once."""
        return self._running.is_over or self._is_delivered

    def cancel(self) -> None:
        """Give the run up; its outcome then has the verdict `cancelled`. Harmless if it ended."""
        if not self.done():
            self._running.cancel()

    def __await__(self) -> Generator[Any, None, Outcome]:
        """Wait for the run on the running event loop; cancelling the await cancels the run."""
        return self._wait().__await__()

    async def _wait(self) -> Outcome:
        import asyncio

        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        self.add_waiter(lambda: _wake(loop, ended))
        try:
            await ended
        except asyncio.CancelledError:
            self.cancel()
            raise
        return self.result()

    def add_waiter(self, waiter: Callable[[], object]) -> None:
        """Have `waiter` called once the outcome is there, from any thread. It must not block."""
        with self._lock:
            if not self.done():
                self._waiters.append(waiter)
                return
        waiter()

    def _take_all(self, timeout: float | None) -> None:
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._turn.acquire(timeout=-1 if timeout is None else max(0.0, timeout)):
            raise TimeoutError(f"the run is still at hand after {timeout} s")
        try:
            while not self._running.is_over:
                left_s = None if deadline is None else max(0.0, deadline - time.monotonic())
                self._running.take(self._items.get(timeout=left_s))
        except Empty:
            raise TimeoutError(f"the run is still at hand after {timeout} s") from None
        finally:
            self._turn.release()

    def _wait_for_end(self, timeout: float | None) -> None:
        ended = threading.Event()
        self.add_waiter(ended.set)
        if not ended.wait(timeout):
            raise TimeoutError(f"the run is still at hand after {timeout} s")

    # --- reader thread ---------------------------------------------------------------------------
    def deliver(self, item: Item) -> None:
        """Take one frame from the reader thread."""
        self._items.put(item)
        if self._threads is None:
            if isinstance(item, SupervisorLost) or (
                isinstance(item, Frame) and item.kind in ENDINGS
            ):
                self._end()
            return
        with self._lock:
            if self._is_pumping:
                return
            self._is_pumping = True
        self._threads.submit(self._pump)

    def _end(self) -> None:
        with self._lock:
            self._is_delivered = True
            waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter()

    # --- a thread of ours ------------------------------------------------------------------------
    def _pump(self) -> None:
        while True:
            self._take_waiting()
            if self._running.is_over:
                self._end()
                return
            with self._lock:
                if self._items.empty():
                    self._is_pumping = False
                    return

    def _take_waiting(self) -> None:
        while not self._running.is_over:
            try:
                self._running.take(self._items.get_nowait())
            except Empty:
                return
            except Exception:  # noqa: BLE001 - a callback's error: `result` raises it
                return


def _wake(loop: asyncio.AbstractEventLoop, future: asyncio.Future[None]) -> None:
    def finish() -> None:
        if not future.done():
            future.set_result(None)

    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(finish)
