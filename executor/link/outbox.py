"""What a link has to send and its connection has not taken yet. No I/O.

Rule 1: what is urgent, such as leases and heartbeats, overtakes the rest.
Rule 2: the rest is bounded: while more than the bound waits, what the core says besides is left
        out, as it is said again until it is acknowledged. Else a slow connection would gather copy
        after copy of what waits for it.
Rule 3: what the core says in one step is taken or left out as one, so that no part of a frame is
        left out of it again and again.
"""

from __future__ import annotations

from collections import deque

from executor.link.events import Publish

#: Eight windows of what one lease may have on its way.
WAITING_BYTES_MAX = 8 << 20


class Outbox:
    """Messages in the order in which they are to be sent."""

    def __init__(self) -> None:
        self._urgent: deque[Publish] = deque()
        self._others: deque[Publish] = deque()
        #: Of what is not urgent.
        self.waiting_bytes = 0
        self._has_room = True

    def __bool__(self) -> bool:
        return bool(self._urgent or self._others)

    def begin_step(self) -> None:
        """Decide whether what comes until the next call is taken."""
        self._has_room = self.waiting_bytes < WAITING_BYTES_MAX

    def put(self, item: Publish) -> None:
        """Add a message, or leave it out."""
        if item.urgent:
            self._urgent.append(item)
        elif self._has_room:
            self._others.append(item)
            self.waiting_bytes += len(item.data)

    def pop(self) -> Publish:
        """Take the next message out; there must be one."""
        if self._urgent:
            return self._urgent.popleft()
        item = self._others.popleft()
        self.waiting_bytes -= len(item.data)
        return item

    def clear(self) -> None:
        """Forget everything: there is another connection."""
        self._has_room = True
        self._urgent.clear()
        self._others.clear()
        self.waiting_bytes = 0
