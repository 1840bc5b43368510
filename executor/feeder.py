"""Live standard input: a thread that reads from the host's object and sends what it gets.

Rule: nothing is read after the run has ended, as far as the object lets itself be waited for: what
somebody types then is not ours.
"""

from __future__ import annotations

import os
import select
import threading
from typing import TYPE_CHECKING

from executor.errors import Closed, Misuse, SupervisorLost
from protocol.messages import Stdin

if TYPE_CHECKING:
    from executor.client import Client
    from executor.options import Readable
    from executor.running import Running

PIECE_BYTES = 64 << 10
#: A guest need not read what we send, and it is held for it: so all of it is bounded.
LIVE_BYTES_MAX = 64 << 20


class Feeder:
    """Feeds one run. Started by `start`, ended by `end` or by the end of the input."""

    def __init__(self, source: Readable, client: Client, running: Running) -> None:
        buffer = getattr(source, "buffer", None)  # of a text file: bytes need no decoding
        self._source = source if buffer is None else buffer
        self._client = client
        self._running = running
        self._is_over = False
        self._wake_fds: tuple[int, int] | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to feed, on a daemon thread of its own: a read may block for ever."""
        if _selectable(self._source) is not None:
            self._wake_fds = os.pipe()
        threading.Thread(target=self._feed, name="cellblock-stdin", daemon=True).start()

    def end(self) -> None:
        """Read no further. Any thread; does not wait. Idempotent."""
        with self._lock:
            self._is_over = True
            if self._wake_fds is not None:
                os.write(self._wake_fds[1], b"\0")

    def _feed(self) -> None:
        sent_bytes = 0
        try:
            while data := self._read():
                sent_bytes += len(data)
                if sent_bytes > LIVE_BYTES_MAX:
                    problem = f"live input is over {LIVE_BYTES_MAX} bytes; mount a file instead"
                    raise Misuse("stdin", problem)
                self._client.send(Stdin(), self._running.run_id, (data,))
        except (Closed, SupervisorLost):
            pass  # the run has its ending, or will have it at once
        except Exception as error:  # noqa: BLE001 - what the user's object raised is for its caller
            self._running.give_up(error)
        finally:
            if not self._is_over:
                self._client.send_quietly(Stdin(end=True), self._running.run_id)
            with self._lock:
                fds, self._wake_fds = self._wake_fds, None
            for fd in fds or ():
                os.close(fd)

    def _read(self) -> bytes:
        fd = _selectable(self._source)
        if fd is not None and self._wake_fds is not None:
            select.select([fd, self._wake_fds[0]], [], [])
        if self._is_over:
            return b""
        read = getattr(self._source, "read1", None) or self._source.read
        data: bytes | str = read(PIECE_BYTES)
        return data.encode() if isinstance(data, str) else bytes(data)


def _selectable(source: object) -> int | None:
    try:
        fd = source.fileno()  # type: ignore[attr-defined]  # most objects have none
    except Exception:  # noqa: BLE001 - whatever says that there is no descriptor
        return None
    return fd if isinstance(fd, int) and 0 <= fd < 1_024 else None  # select's own cap
