"""Whose turn it is: between one run of a sandbox and the interrupts that are meant for it.

Rule 1: an interrupt that comes before its run begins ends it at the beginning; one that comes
        after it ended is forgotten with it. The first verdict stands.
Rule 2: the engine's epoch moves only while the guest runs, so it ends no other sandbox's guest.
"""

from __future__ import annotations

import _thread

from protocol.messages import Verdict
from sandboxes.wasm.engine import Engine
from sandboxes.wasm.store import Store


class Turn:
    """The interrupts of one sandbox. `interrupt` may be called from any thread."""

    __slots__ = ("_engine", "_is_running", "_lock", "_wanted")

    def __init__(self, engine: Engine) -> None:
        """Start at rest."""
        self._engine = engine
        self._lock = _thread.allocate_lock()
        self._is_running = False
        self._wanted: Verdict | None = None

    def interrupt(self, verdict: Verdict) -> None:
        """Ask for the end of the run at hand, or of the next."""
        with self._lock:
            if self._wanted is None:
                self._wanted = verdict
            if self._is_running:
                self._engine.interrupt()

    def begin(self, store: Store) -> Verdict | None:
        """Arm `store` for a run; return the verdict if the run is over already."""
        with self._lock:
            if self._wanted is not None:
                wanted, self._wanted = self._wanted, None
                return wanted
            store.arm()
            self._is_running = True
            return None

    def end(self) -> Verdict | None:
        """End the run; return the verdict of its interrupt, if there was one."""
        with self._lock:
            wanted, self._wanted = self._wanted, None
            self._is_running = False
            return wanted
