"""Live standard input: one read of the host's object for each time that the guest asks.

Rule 1: nothing is read that the guest did not ask for: what somebody types for the next reader is
        not ours.
Rule 2: nothing is read after the run has ended, as far as the object lets itself be waited for.
Rule 3: a read may block for ever, so a daemon thread does it and nobody waits for that thread.
"""

from __future__ import annotations

import os
import select
import threading
from typing import TYPE_CHECKING

from protocol.errors import LocalProtocolError
from protocol.messages import Stdin

if TYPE_CHECKING:
    from executor.client import Client
    from executor.options import Readable
    from executor.running import Running

#: One read asks for at most this much, whatever the guest wants.
PIECE_BYTES = 64 << 10


class Feeder:
    """Feeds one run: `want` for each request of its guest, `end` after it."""

    def __init__(self, source: Readable, client: Client) -> None:
        buffer = getattr(source, "buffer", None)  # of a text file: bytes need no decoding
        #: The guest waits for input.
        self.is_at_hand = False
        self._source = source if buffer is None else buffer
        self._client = client
        self._has_ended = False
        self._lock = threading.Lock()
        self._is_over = False
        #: Written to, it ends the wait for the object.
        self._wake_fd: int | None = None

    def want(self, count: int, running: Running) -> None:
        """Read up to `count` bytes for the guest that waits for them, and send them. Quick."""
        self.is_at_hand = True
        threading.Thread(
            target=self._answer, args=(count, running), name="cellblock-stdin", daemon=True
        ).start()

    def end(self) -> None:
        """Read no further. Any thread; does not wait. Idempotent."""
        with self._lock:
            self._is_over = True
            if self._wake_fd is not None:
                os.write(self._wake_fd, b"\0")

    def _answer(self, count: int, running: Running) -> None:
        try:
            data = b"" if self._has_ended else self._read(min(count, PIECE_BYTES))
            self._has_ended = not data
            self.is_at_hand = False
            if not self._is_over:
                buffers = (data,) if data else ()
                self._client.send_quietly(Stdin(end=not data), running.run_id, buffers)
        except LocalProtocolError as error:
            running.give_up(ValueError(f"stdin.read gave more than can be sent: {error}"))
        except Exception as error:  # noqa: BLE001 - what the user's object raised is for its caller
            running.give_up(error)

    def _read(self, count: int) -> bytes:
        fd = _descriptor_of(self._source)
        if fd is not None:
            self._wait(fd)
        if self._is_over:
            return b""
        read = getattr(self._source, "read1", None) or self._source.read
        data: bytes | str = read(count)
        return data.encode() if isinstance(data, str) else bytes(data)

    def _wait(self, fd: int) -> None:
        """Wait until there is something to read, or the run is over."""
        reader, writer = os.pipe()
        try:
            with self._lock:
                if self._is_over:
                    return
                self._wake_fd = writer
            poller = select.poll()
            poller.register(fd, select.POLLIN)
            poller.register(reader, select.POLLIN)
            poller.poll()
        finally:
            with self._lock:
                self._wake_fd = None
            os.close(reader)
            os.close(writer)


def _descriptor_of(source: object) -> int | None:
    try:
        fd = source.fileno()  # type: ignore[attr-defined]  # most objects have none
    except Exception:  # noqa: BLE001 - whatever says that there is no descriptor
        return None
    return fd if isinstance(fd, int) and fd >= 0 else None
