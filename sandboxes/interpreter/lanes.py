"""The threads that guests run on. One lane carries one guest at a time, and stays for the next.

A guest's interpreter holds its own lock and not main's, so as many lanes as there are processors
run guests at the same time, while main's other threads listen to them.
"""

from __future__ import annotations

import _thread
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final

#: Deep recursion in a guest needs this much; CPython counts its depth, not its bytes.
STACK_BYTES: Final = 16 << 20


class Lane:
    """One thread of the main interpreter."""

    __slots__ = ("_finished", "_work")

    def __init__(self) -> None:
        """Start it."""
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._finished: SimpleQueue[BaseException | None] = SimpleQueue()
        start_thread(self._serve)

    def begin(self, act: Callable[[], None]) -> None:
        """Do `act` on the lane; call `wait` before the next."""
        self._work.put(act)

    def wait(self) -> None:
        """Return once it is done; raise what it raised."""
        error = self._finished.get()
        if error is not None:
            raise error

    def stop(self) -> None:
        """End the thread."""
        self._work.put(None)

    def _serve(self) -> None:
        while (act := self._work.get()) is not None:
            error: BaseException | None = None
            try:
                act()
            except BaseException as raised:  # noqa: BLE001 - passed on to whoever waits
                error = raised
            del act  # it may hold the last reference to a sandbox
            self._finished.put(error)


class Lanes:
    """Lanes that wait for guests; more are made when none waits. Thread-safe."""

    __slots__ = ("_idle",)

    def __init__(self, count: int) -> None:
        """Begin with `count`."""
        self._idle = deque(Lane() for _ in range(count))

    def take(self) -> Lane:
        """Return a lane, to be given back."""
        try:
            return self._idle.pop()
        except IndexError:
            return Lane()

    def give_back(self, lane: Lane) -> None:
        """Let the next guest have it."""
        self._idle.append(lane)

    def close(self) -> None:
        """End the threads of all that wait."""
        while self._idle:
            self._idle.pop().stop()


def start_thread(serve: Callable[[], None]) -> None:
    """Start a thread with the stack that a guest needs."""
    before = _thread.stack_size(STACK_BYTES)
    try:
        _thread.start_new_thread(serve, ())
    finally:
        _thread.stack_size(before)
