"""A framed pipe to the host or to a loop, on an asyncio loop.

Rule: it ends once, by `close` of ours or by `ended`, which is called where the other end is gone or
      broke the protocol; nothing is read or sent afterwards.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from executor.loop.peer import Peer, PeerClosed
from protocol.errors import ProtocolError
from protocol.frames import FRAME_BYTES_MAX, Frame


class Pipe:
    """One pipe. Belongs to the running loop."""

    def __init__(
        self,
        sock: socket.socket,
        kinds: frozenset[int],
        take: Callable[[Frame], None],
        ended: Callable[[], None],
    ) -> None:
        """Take over `sock`: give each frame of `kinds` to `take`."""
        self._peer = Peer(sock, kinds=kinds, limit_bytes=FRAME_BYTES_MAX)
        self._take = take
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._is_writing = self._is_closed = False
        self._loop.add_reader(sock, self._read)

    def send(self, data: bytes) -> None:
        """Send one frame, now or when there is room; dropped where nobody is there to read it."""
        if not self._is_closed:
            self._guard(lambda: self._peer.send((data,)))

    def close(self) -> None:
        """Close it. Idempotent."""
        if not self._is_closed:
            self._is_closed = True
            self._loop.remove_reader(self._peer.sock)
            self._loop.remove_writer(self._peer.sock)
            self._peer.close()

    def _read(self) -> None:
        self._guard(self._read_frames)

    def _read_frames(self) -> None:
        for frame in self._peer.receive():
            self._take(frame)

    def _guard(self, do: Callable[[], None]) -> None:
        try:
            do()
        except (PeerClosed, ProtocolError):
            if not self._is_closed:
                self.close()
                self._ended()
            return
        if self._is_closed or self._is_writing == bool(self._peer.waiting_bytes):
            return
        self._is_writing = not self._is_writing
        if self._is_writing:
            self._loop.add_writer(self._peer.sock, lambda: self._guard(self._peer.flush))
        else:
            self._loop.remove_writer(self._peer.sock)
