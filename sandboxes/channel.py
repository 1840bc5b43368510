"""The cell's socket to its supervisor: whole frames in and out, from two threads."""

from __future__ import annotations

import _thread
import os
import socket
from collections.abc import Iterator, Sequence

from protocol.frames import Buffer, Frame, FrameDecoder
from protocol.messages import LOOP_SENDS_CELL, Message
from protocol.reading import encode_message

READ_BYTES = 64 << 10


class Channel:
    """The cell's socket: one thread reads at a time, both send."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._decoder = FrameDecoder(kinds=LOOP_SENDS_CELL)
        self._send_lock = _thread.allocate_lock()

    def receive(self) -> Iterator[Frame]:
        """Block for one read and yield the frames it completes; ends the process at end of file."""
        decoder = self._decoder
        if decoder.has_room:
            with decoder.room() as room:
                count = self.sock.recv_into(room)
            frames = decoder.take(count)
        else:
            data = self.sock.recv(READ_BYTES)
            count = len(data)
            frames = decoder.feed(data)
        if not count:
            os._exit(0)  # the supervisor is gone: nobody is left to run for
        yield from frames

    def send(
        self,
        message: Message,
        run_id: int = 0,
        buffers: Sequence[Buffer] = (),
        *,
        then: Message | None = None,
    ) -> None:
        """Send one message whole, and one more that belongs to no run with it.

        Blocks while the supervisor does not read.
        """
        parts: list[Buffer] = encode_message(message, run_id, buffers)
        if then is not None:
            parts += encode_message(then)
        with self._send_lock:
            if len(parts) > 1 and sum(len(part) for part in parts) < READ_BYTES:
                parts = [b"".join(parts)]
            for part in parts:
                self.sock.sendall(part)
