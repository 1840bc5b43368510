"""What a machine's loop says of a run, cut out of the pieces that it comes in. No I/O.

Rule 1: a frame counts once and in its turn: what comes again is skipped, and what comes too early
        is left, as it will be sent again.
Rule 2: a frame in parts is bounded by what the run's limits let it say, before it is whole.
Rule 3: `Placed` is ours: `cell` is the number of the run, and `queued_us` counts from when the
        host submitted it. Cells of other machines mean nothing here.
"""

from __future__ import annotations

from executor.remote.actions import NoteDropped, PassOn, Tell, ToHost
from executor.remote.book import Book
from executor.remote.parts import Lease, Run
from protocol.errors import RemoteProtocolError
from protocol.frames import Frame, FrameDecoder
from protocol.links import IN_PIECES, LINK_KINDS, Ack, Dropped, Piece, decode_link
from protocol.messages import KINDS, Done, Lost, Placed, Refused
from protocol.reading import decode_frame

_PLACED, _REFUSED, _DROPPED = KINDS[Placed], KINDS[Refused], LINK_KINDS[Dropped]
_ENDINGS = frozenset(KINDS[c] for c in (Done, Lost, Refused))
#: With these a machine gives a run back that no cell of it began; another may take it.
_RETURNED = frozenset({"queue_full", "draining", "breaker_open"})


class Cutter:
    """Takes pieces and does what their frames say."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def take(self, run: Run, lease: Lease, piece: Piece, data: bytes, now: float) -> None:
        """Take one piece of the lease that counts for a run.

        Raises:
            ProtocolError: it is nothing that a machine may say now.
        """
        for seq, frame in enumerate(self._frames(run, lease, piece, data), piece.seq):
            if seq < lease.next_seq:
                continue
            if seq > lease.next_seq or run.lease is not lease:
                return
            lease.next_seq += 1
            self._take(run, lease, frame, seq, now)

    def _frames(self, run: Run, lease: Lease, piece: Piece, data: bytes) -> list[Frame]:
        if piece.parts == 1:
            return _cut(data, run.new.frame_bytes_max)
        if piece.seq != lease.next_seq:
            return []
        if piece.part == 0:
            lease.parts.clear()
            lease.parts_bytes = 0
        if piece.part != len(lease.parts):
            return []
        lease.parts_bytes += len(data)
        if lease.parts_bytes > run.new.frame_bytes_max:
            raise RemoteProtocolError(f"a frame over {run.new.frame_bytes_max} B")
        lease.parts.append(data)
        if len(lease.parts) < piece.parts:
            return []
        whole = b"".join(lease.parts)
        lease.parts.clear()
        lease.parts_bytes = 0
        frames = _cut(whole, run.new.frame_bytes_max)
        if len(frames) != 1:
            raise RemoteProtocolError(f"{len(frames)} frames in the parts of one")
        return frames

    def _take(self, run: Run, lease: Lease, frame: Frame, seq: int, now: float) -> None:
        book, run_id = self._book, run.new.run_id
        if frame.kind == _DROPPED:
            message, _ = decode_link(frame)
            assert isinstance(message, Dropped)
            book.out.append(NoteDropped(run_id, message.output_bytes, message.entries))
            return
        lease.conversation.receive(frame.kind, run_id, len(frame.payload))
        if frame.kind == _PLACED:
            lease.is_placed = True
            queued_us = round((now - run.submitted_at) * 1e6)
            book.out.append(ToHost(run_id, Placed(run_id, queued_us)))
        elif frame.kind == _REFUSED and self._is_returned(run, frame):
            book.out.append(Tell(lease.machine, run.new.tenant, Ack(lease.number, seq), run_id))
            book.unbind(run)
            run.returns += 1
            book.returned += 1
            book.enqueue(run)
        elif frame.kind in _ENDINGS:
            book.end(
                run, Frame(frame.kind, run_id, frame.buffer_count, frame.payload), last_seq=seq
            )
            book.out.append(Tell(lease.machine, run.new.tenant, Ack(lease.number, seq), run_id))
        else:
            passed = Frame(frame.kind, run_id, frame.buffer_count, frame.payload)
            book.out.append(PassOn(run_id, passed))

    def _is_returned(self, run: Run, frame: Frame) -> bool:
        message, _ = decode_frame(frame)
        return (
            isinstance(message, Refused)
            and message.reason in _RETURNED
            and not run.is_cancelled
            and not run.new.session
            and run.returns < self._book.policy.returns_max
        )


def _cut(data: bytes, limit_bytes: int) -> list[Frame]:
    decoder = FrameDecoder(limit_bytes=limit_bytes, kinds=IN_PIECES)
    frames = list(decoder.feed(data))
    if decoder.is_mid_frame or not frames:
        raise RemoteProtocolError("a piece that does not hold whole frames")
    return frames
