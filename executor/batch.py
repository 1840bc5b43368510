"""Many runs through a few places: a bounded number in flight, outcomes in order or as they come.

Rule 1: what is in flight is bounded, whatever the source; runs are started as outcomes are taken.
Rule 2: a source is asked by the caller's thread alone, and only while there is room.
Rule 3: whoever leaves early cancels what is in flight.
"""

from __future__ import annotations

import contextlib
import functools
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from executor.handle import RunHandle
    from executor.outcome import Outcome

type Start = Callable[[], RunHandle]


def drive(starts: Iterable[Start], *, ordered: bool, in_flight: int) -> Iterator[Outcome]:
    """Start runs, at most `in_flight` at once, and yield their outcomes.

    Args:
        starts: each starts one run.
        ordered: yield in the order of `starts`; else as they end.
        in_flight: at least 1.
    """
    source = iter(starts)
    at_hand: deque[RunHandle] = deque()
    ended: SimpleQueue[RunHandle] = SimpleQueue()

    def fill() -> None:
        while len(at_hand) < in_flight and (start := next(source, None)) is not None:
            handle = start()
            at_hand.append(handle)
            if not ordered:
                handle.add_waiter(functools.partial(ended.put, handle))

    try:
        fill()
        while at_hand:
            handle = at_hand[0] if ordered else ended.get()
            outcome = handle.result()
            at_hand.remove(handle)
            fill()
            yield outcome
    finally:
        for handle in at_hand:
            handle.cancel()


async def adrive(
    starts: Iterable[Start], *, ordered: bool, in_flight: int
) -> AsyncIterator[Outcome]:
    """Do as `drive` does on the running event loop."""
    import asyncio

    loop = asyncio.get_running_loop()
    source = iter(starts)
    at_hand: deque[RunHandle] = deque()
    ended: asyncio.Queue[RunHandle] = asyncio.Queue()

    def fill() -> None:
        while len(at_hand) < in_flight and (start := next(source, None)) is not None:
            handle = start()
            at_hand.append(handle)
            if not ordered:
                handle.add_waiter(functools.partial(note, handle))

    def note(handle: RunHandle) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(ended.put_nowait, handle)

    try:
        fill()
        while at_hand:
            handle = at_hand[0] if ordered else await ended.get()
            outcome = await handle
            at_hand.remove(handle)
            fill()
            yield outcome
    finally:
        for handle in at_hand:
            handle.cancel()
