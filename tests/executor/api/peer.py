"""A supervisor loop as a script: the other end of a real socket, speaking real frames."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence

from protocol.frames import Buffer, Frame, FrameDecoder
from protocol.messages import HOST_SENDS, Done, Message, Placed, Submit
from protocol.reading import decode_frame, encode_message


class Peer:
    """The loop's end. What comes is kept in order; what to say is up to the test."""

    def __init__(self) -> None:
        self.host, self._sock = socket.socketpair()
        self._sock.settimeout(20)
        self._decoder = FrameDecoder(kinds=HOST_SENDS)
        self._frames: list[Frame] = []

    def receive(self) -> tuple[Message, int, list[memoryview]]:
        """Return the next message, its run id and its buffers."""
        while not self._frames:
            data = self._sock.recv(65_536)
            assert data, "the host closed its end"
            self._frames.extend(self._decoder.feed(data))
        frame = self._frames.pop(0)
        message, buffers = decode_frame(frame)
        return message, frame.run_id, buffers

    def say(self, message: Message, run_id: int = 0, *buffers: Buffer) -> None:
        """Send one message."""
        self.say_bytes(b"".join(encode_message(message, run_id, buffers)))

    def say_bytes(self, data: bytes) -> None:
        """Send anything."""
        self._sock.sendall(data)

    def hang_up(self) -> None:
        """Close this end."""
        self._sock.close()

    def close(self) -> None:
        """Close both ends."""
        self._sock.close()
        self.host.close()

    def serve(self, answer: Callable[[int, Submit, Sequence[memoryview]], None]) -> None:
        """Call `answer` for each run that is submitted, on a thread, until the host hangs up."""

        def loop() -> None:
            while True:
                try:
                    message, run_id, buffers = self.receive()
                except (AssertionError, OSError):
                    return
                if isinstance(message, Submit):
                    answer(run_id, message, buffers)

        threading.Thread(target=loop, daemon=True).start()

    def finish(self, run_id: int, done: Done, *buffers: Buffer) -> None:
        """Place a run and end it."""
        self.say(Placed(cell=1, queued_us=0), run_id)
        self.say(done, run_id, *buffers)
