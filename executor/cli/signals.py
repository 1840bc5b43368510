"""Ctrl-C and SIGTERM: the first ends the guest, the second ends us.

The handlers run on the main thread, which does nothing but wait while a guest runs: raising there
is safe, and nothing else is done in a handler.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal asked us to end. Not an `Exception`: only who waits for a guest may catch it."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum

    @property
    def exit_code(self) -> int:
        """What a shell shows for a process that this signal ended."""
        return 128 + self.signum


class Endings:
    """Turns signals into `Interrupted`, once; at the second it leaves at once."""

    def __init__(self, last_words: Callable[[], None] = lambda: None) -> None:
        """`last_words` is called before leaving at once, to put the terminal right."""
        self.last_words = last_words
        self._seen = False

    def install(self) -> None:
        """Handle the signals from now on, except those that were ignored when we were started."""
        for signum in _ENDINGS:
            if signal.getsignal(signum) is not signal.SIG_IGN:
                signal.signal(signum, self._handle)

    def rearm(self) -> None:
        """Let the next signal be a first one again: what it was to end has ended."""
        self._seen = False

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self._seen:
            leave_at_once(128 + signum, self.last_words)
        self._seen = True
        raise Interrupted(signum)


def leave_at_once(code: int, last_words: Callable[[], None]) -> None:
    """End the process; its cells end as their sockets close. Does not return."""
    # A thread that writes to a reader who does not read would keep us here.
    speaker = threading.Thread(target=last_words, daemon=True)
    speaker.start()
    speaker.join(0.2)
    os._exit(code)
