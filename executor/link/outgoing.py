"""What one lease has to say to its submitter: frames in, pieces out, until they are acknowledged.

    add(frame) -> pieces() -> Ack(seq) -> acknowledged(seq)
                     ^  again after `RESEND_S` without an answer, or on a new connection

Rule 1: at most `WINDOW_BYTES` are on their way at once, so that a submitter who reads slowly costs
        the server and this machine no more than that.
Rule 2: frames are sent in order and sent again from the first that is not acknowledged: what is
        said over NATS arrives in order or not at all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from protocol.frames import Frame
from protocol.links import Piece

WINDOW_BYTES = 1 << 20
RESEND_S = 2.0
#: Small frames go together in one message up to this much.
JOIN_BYTES_MAX = 64 << 10
PARTS_MAX = 65_535


class Outgoing:
    """The frames of one lease."""

    __slots__ = ("_frames", "_last", "_on_way_bytes", "_sent", "acked", "resend_at")

    def __init__(self, released: int = 0) -> None:
        """Begin behind frame number `released`."""
        #: Frames that are not acknowledged: the first is number `acked + 1`.
        self._frames: deque[bytes] = deque()
        self.acked = released
        self._sent = released
        self._last = released
        self._on_way_bytes = 0
        #: When to send again what is on its way; None while nothing is.
        self.resend_at: float | None = None

    def add(self, frame: Frame) -> int:
        """Add the next frame; return its number."""
        self._frames.append(frame.encode())
        self._last += 1
        return self._last

    @property
    def is_empty(self) -> bool:
        """True if every frame is acknowledged."""
        return not self._frames

    def acknowledged(self, seq: int, now: float) -> bool:
        """Drop frames up to number `seq`; return whether that was news.

        A number beyond what was sent is a submitter's mistake, and ignored.
        """
        if not self.acked < seq <= self._sent:
            return False
        while self.acked < seq:
            self._on_way_bytes -= len(self._frames.popleft())
            self.acked += 1
        self.resend_at = now + RESEND_S if self._sent > self.acked else None
        return True

    def start_over(self) -> None:
        """Note that whatever is on its way may never arrive."""
        self._sent = self.acked
        self._on_way_bytes = 0
        self.resend_at = None

    def pieces(
        self, machine: str, lease: int, part_bytes: int, now: float
    ) -> Iterator[tuple[Piece, bytes]]:
        """Yield what may be sent now, and note it as sent.

        Args:
            machine: the name of this machine.
            lease: whose frames these are.
            part_bytes: data that one message carries.
            now: monotonic seconds.
        """
        while self._sent < self._last and self._on_way_bytes < WINDOW_BYTES:
            first = self._sent + 1
            data = self._frames[self._sent - self.acked]
            if len(data) > part_bytes:
                self._note_sent(len(data), now)
                parts = -(-len(data) // part_bytes)
                for part in range(parts):
                    piece = Piece(machine, lease, first, part, parts)
                    yield piece, data[part * part_bytes : (part + 1) * part_bytes]
                continue
            joined = [data]
            size_bytes, room_bytes = len(data), min(part_bytes, JOIN_BYTES_MAX)
            self._note_sent(len(data), now)
            while self._sent < self._last and self._on_way_bytes < WINDOW_BYTES:
                data = self._frames[self._sent - self.acked]
                if size_bytes + len(data) > room_bytes:
                    break
                joined.append(data)
                size_bytes += len(data)
                self._note_sent(len(data), now)
            yield Piece(machine, lease, first), b"".join(joined)

    def _note_sent(self, size_bytes: int, now: float) -> None:
        self._sent += 1
        self._on_way_bytes += size_bytes
        if self.resend_at is None:
            self.resend_at = now + RESEND_S
