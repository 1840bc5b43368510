"""An asyncio event loop without sockets, threads and signals.

The usual loop wakes itself through a socket pair, which a sandbox has not. Nothing else can wake
this one: it runs what is ready, and sleeps until the next timer.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Mapping
from typing import Any


class NoSelector(selectors.BaseSelector):
    """Waits for timers alone."""

    def __init__(self) -> None:
        self._map: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Refuse: there is nothing to wait for."""
        raise PermissionError("the sandbox has no sockets or pipes to wait for")

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Refuse: nothing was registered."""
        raise KeyError(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Sleep until the next timer.

        Raises:
            RuntimeError: there is none, so the program would wait for ever.
        """
        if timeout is None:
            raise RuntimeError("deadlock: the event loop has nothing left that could wake it")
        if timeout > 0:
            time.sleep(timeout)
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """Return an empty map."""
        return self._map

    def close(self) -> None:
        """Do nothing."""


class SandboxLoop(asyncio.SelectorEventLoop):
    """The event loop of a guest."""

    def __init__(self, selector: selectors.BaseSelector | None = None) -> None:
        super().__init__(NoSelector())

    def _make_self_pipe(self) -> None:
        self._ssock = self._csock = None
        self._internal_fds = 0

    def _close_self_pipe(self) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def run_in_executor(  # type: ignore[override]  # a narrower signature is enough here
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Call `func` here and now: there are no threads."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it belongs to whoever awaits the future
            future.set_exception(error)
        return future

    def add_signal_handler(self, sig: int, callback: Callable[..., Any], *args: Any) -> None:
        """Refuse: a sandbox has no signals."""
        raise RuntimeError("the sandbox has no signals")


def install() -> None:
    """Make it the default loop."""
    import asyncio.unix_events as unix

    asyncio.SelectorEventLoop = SandboxLoop  # type: ignore[misc]  # the one class takes the place of the other
    asyncio.EventLoop = SandboxLoop
    unix.SelectorEventLoop = SandboxLoop
    unix.EventLoop = SandboxLoop
    for name in ("_DefaultEventLoopPolicy", "_UnixDefaultEventLoopPolicy"):
        if policy := getattr(unix, name, None):
            policy._loop_factory = SandboxLoop
