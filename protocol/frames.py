"""Frames: a fixed header, a JSON body, raw buffers. Bytes in, frames out, and back.

    offset  size  field
         0     4  payload_bytes   everything behind the header, little-endian like all the rest
         4     1  kind            which message; see `protocol.messages.KINDS`
         5     1  flags           0; a frame with another value is refused
         6     2  buffer_count
         8     8  run_id          0 where the message belongs to no run
        16        buffer_count lengths of 4 bytes, then the body, then the buffers

Rule 1: a router needs the header alone; the payload passes through as one piece.
Rule 2: the header is checked before a byte of its payload is kept, so a peer cannot make us hold
more than `limit_bytes` and one header.
Rule 3: the payload of a large frame is received into one buffer and stays there: appended to others
and cut out again it would take ten times the time. The buffer grows with what has come.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from protocol.errors import FrameTooLarge, LocalProtocolError, RemoteProtocolError
from protocol.fields import INTEGER_MAX
from protocol.structs import frozen

HEADER = struct.Struct("<IBBHQ")
HEADER_BYTES = HEADER.size
LENGTH_BYTES = 4
#: Largest payload of one frame. Larger values travel as spooled buffers.
FRAME_BYTES_MAX = 256 << 20
BUFFERS_MAX = 4_096
#: A payload of which more than this is missing gets a buffer of its own.
ROOM_BYTES_MIN = 64 << 10
#: What an announcement alone can make us hold; the buffer doubles whenever it is full.
ROOM_BYTES_FIRST = 256 << 10

type Buffer = bytes | bytearray | memoryview


@frozen
class Frame:
    """One frame as it was cut from the stream; `payload` is unread."""

    kind: int
    run_id: int
    buffer_count: int
    payload: bytes | bytearray

    def split(self) -> tuple[bytes, list[memoryview]]:
        """Return the body and the buffers behind it.

        Raises:
            RemoteProtocolError: the lengths do not add up to the payload.
        """
        view = memoryview(self.payload).toreadonly()
        table = self.buffer_count * LENGTH_BYTES
        if len(view) < table:
            raise RemoteProtocolError("frame: payload ends inside the table of buffer lengths")
        lengths = struct.unpack_from(f"<{self.buffer_count}I", view)
        body_bytes = len(view) - table - sum(lengths)
        if body_bytes < 0:
            raise RemoteProtocolError("frame: buffers are longer than the payload")
        at = table + body_bytes
        buffers: list[memoryview] = []
        for length in lengths:
            buffers.append(view[at : at + length])
            at += length
        return bytes(view[table : table + body_bytes]), buffers

    def encode(self) -> bytes:
        """Return the frame's bytes again, header first."""
        return (
            HEADER.pack(len(self.payload), self.kind, 0, self.buffer_count, self.run_id)
            + self.payload
        )


def encode_frame(
    kind: int,
    run_id: int,
    body: bytes = b"",
    buffers: Sequence[Buffer] = (),
    *,
    limit_bytes: int = FRAME_BYTES_MAX,
) -> bytes:
    """Return the bytes of one frame.

    Raises:
        LocalProtocolError: the frame would be over a cap that the peer enforces.
    """
    return b"".join(encode_parts(kind, run_id, body, buffers, limit_bytes=limit_bytes))


def encode_parts(
    kind: int,
    run_id: int,
    body: bytes = b"",
    buffers: Sequence[Buffer] = (),
    *,
    limit_bytes: int = FRAME_BYTES_MAX,
) -> list[Buffer]:
    """Return one frame in pieces, so that large buffers are not copied before they are sent."""
    if len(buffers) > BUFFERS_MAX:
        raise LocalProtocolError(f"{len(buffers)} buffers are over {BUFFERS_MAX}")
    lengths = [len(b) if isinstance(b, bytes | bytearray) else b.nbytes for b in buffers]
    payload_bytes = len(lengths) * LENGTH_BYTES + len(body) + sum(lengths)
    if payload_bytes > limit_bytes:
        raise LocalProtocolError(f"payload of {payload_bytes} B is over {limit_bytes} B")
    header = HEADER.pack(payload_bytes, kind, 0, len(lengths), run_id)
    return [header + struct.pack(f"<{len(lengths)}I", *lengths) + body, *buffers]


class FrameDecoder:
    """Cuts a stream of bytes into frames. Holds at most one partial frame."""

    def __init__(
        self, *, limit_bytes: int = FRAME_BYTES_MAX, kinds: frozenset[int] | None = None
    ) -> None:
        """Accept payloads up to `limit_bytes`, of the given kinds alone if any are given."""
        self._limit_bytes = limit_bytes
        self._kinds = kinds
        self._buffer = bytearray()
        self._wanted_bytes = HEADER_BYTES
        self._large: _Large | None = None

    def feed(self, data: Buffer) -> Iterator[Frame]:
        """Yield each frame completed by `data`.

        Raises:
            FrameTooLarge: as soon as a header announces a payload over the limit.
            RemoteProtocolError: a header no sender of ours writes.
        """
        while self._large is not None and len(data):
            with self.room() as room:
                count = min(len(room), len(data))
                room[:count] = data[:count]
            data = memoryview(data)[count:]
            yield from self.take(count)
        self._buffer += data
        while len(self._buffer) >= self._wanted_bytes:
            payload_bytes, kind, flags, count, run_id = HEADER.unpack_from(self._buffer)
            self._check(payload_bytes, kind, flags, count, run_id)
            end = HEADER_BYTES + payload_bytes
            if len(self._buffer) < end:
                self._wanted_bytes = end
                if end - len(self._buffer) > ROOM_BYTES_MIN:
                    frame = Frame(kind, run_id, count, b"")
                    self._large = _Large(frame, payload_bytes, self._buffer[HEADER_BYTES:])
                    self._buffer.clear()
                return
            with memoryview(self._buffer) as view:
                payload = bytes(view[HEADER_BYTES:end])
            del self._buffer[:end]
            self._wanted_bytes = HEADER_BYTES
            yield Frame(kind, run_id, count, payload)

    @property
    def has_room(self) -> bool:
        """True if the rest of a large payload is best received into `room`."""
        return self._large is not None

    def room(self) -> memoryview:
        """Return where more of a large payload goes; release it, then call `take`."""
        assert self._large is not None
        return self._large.room()

    def take(self, count: int) -> Iterator[Frame]:
        """Yield the large frame if the `count` bytes that were put into `room` complete it."""
        large = self._large
        assert large is not None
        large.filled_bytes += count
        if large.missing_bytes == 0:
            self._large = None
            self._wanted_bytes = HEADER_BYTES
            yield large.frame()

    def _check(self, payload_bytes: int, kind: int, flags: int, count: int, run_id: int) -> None:
        if payload_bytes > self._limit_bytes:
            raise FrameTooLarge(payload_bytes, self._limit_bytes)
        if flags != 0:
            raise RemoteProtocolError(f"frame: unknown flags {flags:#04x}")
        if count > BUFFERS_MAX:
            raise RemoteProtocolError(f"frame: {count} buffers are over {BUFFERS_MAX}")
        if run_id > INTEGER_MAX:
            raise RemoteProtocolError("frame: run id is out of range")
        if self._kinds is not None and kind not in self._kinds:
            raise RemoteProtocolError(f"frame: kind {kind} is not spoken here")

    @property
    def missing_bytes(self) -> int:
        """How many more bytes complete the header or the frame at hand; at least 1."""
        if self._large is not None:
            return self._large.missing_bytes
        return max(1, self._wanted_bytes - len(self._buffer))

    @property
    def is_mid_frame(self) -> bool:
        """True if the stream may not end here."""
        return bool(self._buffer) or self._large is not None


class _Large:
    """A large frame on its way: its header, and of its payload what has come."""

    __slots__ = ("_head", "_payload", "_payload_bytes", "filled_bytes")

    def __init__(self, head: Frame, payload_bytes: int, begun: Buffer) -> None:
        self._head = head
        self._payload_bytes = payload_bytes
        self._payload = bytearray(min(payload_bytes, ROOM_BYTES_FIRST))
        self._payload[: len(begun)] = begun
        self.filled_bytes = len(begun)

    @property
    def missing_bytes(self) -> int:
        return self._payload_bytes - self.filled_bytes

    def room(self) -> memoryview:
        if self.filled_bytes == len(self._payload):
            self._payload *= 2
            del self._payload[self._payload_bytes :]
        return memoryview(self._payload)[self.filled_bytes :]

    def frame(self) -> Frame:
        head = self._head
        return Frame(head.kind, head.run_id, head.buffer_count, self._payload)
