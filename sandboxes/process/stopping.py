"""Ends a guest that does not end by itself: at its deadline by a timer, else when asked to.

Both come as SIGALRM to the main thread, which Python runs between two steps of code, and within
many calls of C (waits, regular expressions, large integers). The handler raises `Interrupted`, and
turns on monitoring: then each line, jump and call of the guest raises it too, in handlers and
`finally` blocks, until our own code is reached. So `except BaseException` does not hold it up.

Rule 1: nothing of ours is interrupted, nor what it calls while it stands `aside` for the host: it
        may hold a lock, or have sent half a frame.
Rule 2: the first verdict stands, and with it the run has ended, whatever the guest made of it.
Rule 3: all of this is inside the wall; a guest that takes it apart is ended by the kill of its
        cell.
"""

from __future__ import annotations

import _thread
import signal
import sys
from time import monotonic
from types import CodeType, FrameType
from typing import Final

from protocol.messages import Verdict
from sandboxes.guest import running

_ROOT: Final = __file__.removesuffix("sandboxes/process/stopping.py")
#: Code whose file name begins so is ours.
OURS: Final = (f"{_ROOT}sandboxes/", f"{_ROOT}protocol/")
#: How soon a guest that goes on is interrupted again.
AGAIN_S: Final = 0.02
_monitoring: Final = sys.monitoring
_EVENTS: Final = (
    _monitoring.events.LINE,
    _monitoring.events.JUMP,
    _monitoring.events.PY_START,
    _monitoring.events.PY_RESUME,
    _monitoring.events.CALL,
)


class Interrupted(BaseException):
    """The run is over; nobody takes more of it."""


class Stopper:
    """The timer and the interrupts of one cell's guests."""

    __slots__ = ("_aside", "_deadline", "_is_armed", "_main", "_tool", "_turn", "_wanted")

    def __init__(self) -> None:
        """Take SIGALRM. On the main thread, which is to run the guests."""
        self._main = _thread.get_ident()
        self._turn = _thread.allocate_lock()
        self._is_armed = False
        self._wanted: Verdict | None = None
        self._deadline = 0.0
        self._tool = -1
        #: How deep the main thread is in what must not be interrupted.
        self._aside = 0
        signal.signal(signal.SIGALRM, self._on_signal)

    def begin(self, wall_s: float) -> None:
        """Start a run's time."""
        self._aside = 0
        self._wanted = None
        self._deadline = monotonic() + wall_s
        with self._turn:
            self._is_armed = True
        signal.setitimer(signal.ITIMER_REAL, wall_s, AGAIN_S)

    def end(self) -> Verdict | None:
        """End it; return the verdict of its interrupt, if there was one."""
        with self._turn:
            self._is_armed = False
            wanted, self._wanted = self._wanted, None
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._stop_watching()
        return wanted

    def interrupt(self, verdict: Verdict) -> None:
        """Ask for the end of the run at hand; harmless if there is none. Any thread."""
        with self._turn:
            if self._is_armed:
                if self._wanted is None:
                    self._wanted = verdict
                signal.pthread_kill(self._main, signal.SIGALRM)

    def __enter__(self) -> None:
        """Stand aside: until this is left, the main thread is not interrupted."""
        self._aside += _thread.get_ident() == self._main

    def __exit__(self, kind: object, *_: object) -> None:
        if _thread.get_ident() == self._main:
            self._aside -= 1
            if kind is None and self._wanted is not None and self._is_armed:
                raise Interrupted

    # --- on the main thread, between two steps ---------------------------------------------------
    def _on_signal(self, _number: int, frame: FrameType | None) -> None:
        if not self._is_armed:
            return
        if self._wanted is None:
            if monotonic() < self._deadline:
                return  # a guest's own alarm, whose handler it did not set
            self._wanted = Verdict.TIMEOUT
        signal.setitimer(signal.ITIMER_REAL, AGAIN_S, AGAIN_S)
        self._watch()
        if self._aside or frame is None or frame.f_code.co_filename.startswith(OURS):
            return
        raise Interrupted

    def _watch(self) -> None:
        """Have each step of the guest raise from now on."""
        if self._tool < 0:
            for tool in range(5, -1, -1):
                try:
                    _monitoring.use_tool_id(tool, "cellblock")
                except ValueError:
                    continue  # the guest profiles itself
                self._tool = tool
                break
            else:
                return
            for event in _EVENTS:
                _monitoring.register_callback(self._tool, event, self._on_event)
        _monitoring.set_events(self._tool, sum(_EVENTS))

    def _on_event(self, code: CodeType, *_: object) -> None:
        if not code.co_filename.startswith(OURS):
            if _thread.get_ident() == self._main and not self._aside:
                raise Interrupted
        elif code.co_filename == running.__file__ and self._tool >= 0:
            # The guest's code is left. Another signal comes if more of it is run.
            _monitoring.set_events(self._tool, 0)

    def _stop_watching(self) -> None:
        if self._tool >= 0:
            _monitoring.set_events(self._tool, 0)
            _monitoring.free_tool_id(self._tool)
            self._tool = -1
