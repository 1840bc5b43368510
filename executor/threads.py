"""Threads for what the user provides: callbacks, host functions, sources of live input.

Rule 1: they are daemons. A host function that never returns must not keep the process from ending,
        as the threads of `concurrent.futures` would.
Rule 2: none is started before it is needed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

#: Host functions of so many runs may sit in a blocking call before the next one waits.
THREADS_MAX = 16


class Threads:
    """A few threads that run what they are given, in the order given."""

    def __init__(self, *, threads_max: int = THREADS_MAX, name: str = "cellblock-host") -> None:
        self._threads_max = threads_max
        self._name = name
        self._work: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._count = 0
        #: Waiting or being done.
        self._at_hand = 0
        self._is_closed = False

    def submit(self, work: Callable[[], object]) -> None:
        """Have `work` called by one of the threads; it must not raise. Dropped after `close`."""
        with self._lock:
            if self._is_closed:
                return
            self._work.put(work)
            self._at_hand += 1
            if self._count < min(self._at_hand, self._threads_max):
                self._count += 1
                name = f"{self._name}-{self._count}"
                threading.Thread(target=self._serve, name=name, daemon=True).start()

    def close(self) -> None:
        """Let the threads end after what they have begun. Does not wait. Idempotent."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                for _ in range(self._count):
                    self._work.put(None)

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            work()
            del work  # it may hold a run and all its frames
            with self._lock:
                self._at_hand -= 1


class LoopThread:
    """An asyncio loop on a thread of its own, for async host functions of synchronous callers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def loop(self) -> asyncio.AbstractEventLoop:
        """Return the running loop; the first call starts it.

        Raises:
            RuntimeError: it was closed.
        """
        import asyncio

        with self._lock:
            if self._is_closed:
                raise RuntimeError("the supervisor is closed")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_serve_loop, args=(self._loop,), name="cellblock-async", daemon=True
                )
                self._thread.start()
            return self._loop

    def close(self) -> None:
        """Cancel what runs on the loop and let its thread end. Does not wait. Idempotent."""
        with self._lock:
            self._is_closed = True
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._loop = None


def _serve_loop(loop: asyncio.AbstractEventLoop) -> None:
    import asyncio

    try:
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            # A task that swallows its cancellation is left behind, as nobody waits for it.
            loop.run_until_complete(asyncio.wait(left, timeout=1.0))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
