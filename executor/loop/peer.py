"""One framed, non-blocking connection of the loop: bytes in as frames, frames out as bytes.

Rule 1: `receive` and `flush` never block; the loop calls them when the selector says so.
Rule 2: what waits to be sent is counted, so that the loop can stop reading from whoever fills it.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Iterator, Sequence

from protocol.frames import HEADER, Buffer, Frame, FrameDecoder

#: One read takes up to this much: the frames of a busy moment, or the beginning of a large one,
#: the rest of which goes straight to its place.
READ_BYTES = 64 << 10
#: Buffers handed to one sendmsg; IOV_MAX is 1,024 on Linux.
PIECES_MAX = 64


class PeerClosed(Exception):
    """The other end is gone."""


class Peer:
    """A socket with its decoder and its queue of bytes to send."""

    def __init__(self, sock: socket.socket, *, kinds: frozenset[int], limit_bytes: int) -> None:
        """Take over `sock`; only frames of `kinds` with payloads up to `limit_bytes` are read."""
        sock.setblocking(False)
        self.sock = sock
        self.waiting_bytes = 0
        self.sent_bytes = 0
        self.received_bytes = 0
        self._decoder = FrameDecoder(kinds=kinds, limit_bytes=limit_bytes)
        self._outgoing: deque[memoryview] = deque()

    def receive(self) -> Iterator[Frame]:
        """Yield the frames that one read completes.

        Raises:
            PeerClosed: the other end closed, in the middle of a frame or not.
            RemoteProtocolError: it sent what it must not send.
        """
        decoder = self._decoder
        try:
            if decoder.has_room:
                with decoder.room() as room:
                    count = self.sock.recv_into(room)
                frames = decoder.take(count)
            else:
                data = self.sock.recv(READ_BYTES)
                count = len(data)
                frames = decoder.feed(data)
        except BlockingIOError:
            return
        except OSError as error:
            raise PeerClosed from error
        if not count:
            raise PeerClosed
        self.received_bytes += count
        yield from frames

    def send(self, parts: Sequence[Buffer]) -> None:
        """Queue one frame and send what the socket takes at once.

        Raises:
            PeerClosed: the other end is gone.
        """
        was_idle = not self._outgoing
        for part in parts:
            view = memoryview(part).cast("B")
            if view.nbytes:
                self._outgoing.append(view)
                self.waiting_bytes += view.nbytes
        if was_idle:
            self.flush()

    def forward(self, frame: Frame) -> None:
        """Queue a frame as it came, unread.

        Raises:
            PeerClosed: the other end is gone.
        """
        header = HEADER.pack(len(frame.payload), frame.kind, 0, frame.buffer_count, frame.run_id)
        self.send(
            (header + frame.payload,) if len(frame.payload) < 4_096 else (header, frame.payload)
        )

    def flush(self) -> None:
        """Send what the socket takes.

        Raises:
            PeerClosed: the other end is gone.
        """
        while self._outgoing:
            pieces = [self._outgoing[i] for i in range(min(len(self._outgoing), PIECES_MAX))]
            try:
                sent = self.sock.sendmsg(pieces)
            except BlockingIOError:
                return
            except OSError as error:
                raise PeerClosed from error
            self.waiting_bytes -= sent
            self.sent_bytes += sent
            while sent:
                first = self._outgoing[0]
                if sent < first.nbytes:
                    self._outgoing[0] = first[sent:]
                    break
                sent -= first.nbytes
                self._outgoing.popleft()

    @property
    def queued_bytes(self) -> int:
        """How many bytes were given to `send`; that many are sent once the last of them is."""
        return self.sent_bytes + self.waiting_bytes

    def close(self) -> None:
        """Close the socket. Idempotent."""
        self._outgoing.clear()
        self.waiting_bytes = 0
        self.sock.close()
