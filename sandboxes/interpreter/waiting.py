"""Waits that can be interrupted: sleeping in a lock or in epoll, in pieces.

An interrupt reaches a guest between two steps of Python code, so a wait of a minute in one call of
C would hold it off for that minute. What `threading`, `queue`, `concurrent.futures` and `asyncio`
wait in is replaced here by the same in pieces; a lock or a poll of the guest's own is not.
"""

from __future__ import annotations

import _thread
import contextlib
import select
import sys
import threading
import time
from typing import Any, Final

#: Longest single wait. A wait ends at once when what it waits for comes.
PIECE_S: Final = 0.02
_FOR_EVER: Final = -1


class PatientLock:
    """A lock whose `acquire` waits in pieces; what `threading.Condition` makes for each waiter."""

    __slots__ = ("_lock", "locked", "release")

    def __init__(self) -> None:
        """Make an open one."""
        self._lock = _thread.allocate_lock()
        self.release = self._lock.release
        self.locked = self._lock.locked

    def acquire(self, blocking: bool = True, timeout: float = _FOR_EVER) -> bool:
        """Lock it; return whether that was done in time."""
        if not blocking or 0 <= timeout <= PIECE_S:
            return self._lock.acquire(blocking, timeout)
        until = None if timeout < 0 else time.monotonic() + timeout
        while True:
            left_s = PIECE_S if until is None else min(PIECE_S, until - time.monotonic())
            if left_s <= 0:
                return self._lock.acquire(False)
            if self._lock.acquire(True, left_s):
                return True

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class PatientEpoll:
    """`select.epoll` whose `poll` waits in pieces."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Open it, as `select.epoll` does."""
        self._epoll = _epoll(*args, **kwargs)

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[tuple[int, int]]:
        """Wait for events, at most `timeout` seconds; for ever where that is negative or None."""
        if timeout is not None and 0 <= timeout <= PIECE_S:
            return self._epoll.poll(timeout, maxevents)
        until = None if timeout is None or timeout < 0 else time.monotonic() + timeout
        while True:
            left_s = PIECE_S if until is None else min(PIECE_S, until - time.monotonic())
            found = self._epoll.poll(max(0.0, left_s), maxevents)
            if found or left_s <= 0:
                return found

    def __enter__(self) -> PatientEpoll:
        return self

    def __exit__(self, *_: object) -> None:
        self._epoll.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._epoll, name)


_epoll = select.epoll


def install() -> None:
    """Take the place of what the standard library waits in; before it is imported further."""
    threading._allocate_lock = PatientLock  # type: ignore[attr-defined]  # what its Condition makes
    select.epoll = PatientEpoll  # type: ignore[assignment,misc]  # the same to who uses it


def adopt_thread() -> None:
    """Make the calling thread what `threading` calls the main one: each run may have another."""
    main, ident = threading.main_thread(), _thread.get_ident()
    if main.ident != ident:
        threading._active.pop(main.ident, None)  # type: ignore[attr-defined]  # no public way
        main._ident = ident  # type: ignore[attr-defined]  # as above
        threading._active[ident] = main  # type: ignore[attr-defined]  # as above


def join_threads() -> None:
    """Wait, as Python does at the end of a program, for threads that are not daemons."""
    for call in reversed(list(getattr(threading, "_threading_atexits", ()))):
        with contextlib.suppress(Exception):  # the end of a pool of threads; may be the guest's own
            call()
    pools: Any = sys.modules.get("concurrent.futures.thread")
    if pools is not None:
        pools._shutdown = False  # another run of this process may have pools of its own
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.current_thread():
            while thread.is_alive():
                thread.join(PIECE_S)
