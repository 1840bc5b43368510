"""The host's end of the pipe to the supervisor loop: frames out under a lock, frames in by thread.

    any thread      `open` a run, `send` messages about it
    reader thread   cuts the stream into frames and hands each to the receiver of its run

Rule 1: the reader thread decodes nothing and calls nothing of the user's: a receiver only queues.
Rule 2: the reader thread never sends, so it can always make room for what the loop wants to say.
Rule 3: each run gets exactly one ending: a frame of an ending kind, or the `SupervisorLost` that
        every open run is given when the pipe ends.
Rule 4: a run that has not begun may stay beyond that, for the pipe to the next loop: `attach`.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

from executor.errors import Closed, SupervisorLost
from protocol.errors import ProtocolError
from protocol.fields import LEASE_MIN
from protocol.frames import Buffer, Frame, FrameDecoder
from protocol.messages import (
    CLASSES,
    KINDS,
    LOOP_SENDS_HOST,
    Done,
    Lost,
    Message,
    PoolFailed,
    Refused,
    Statistics,
)
from protocol.reading import decode_frame, encode_message

#: One read takes up to this much: the frames of a busy moment, or the beginning of a large one.
READ_BYTES = 64 << 10
#: Buffers for one sendmsg; IOV_MAX is 1,024 on Linux.
PIECES_MAX = 512
#: Pieces below this are joined before they are sent: copying them costs less than a system call.
JOIN_BYTES_MAX = 32 << 10

#: What ends a run.
ENDINGS = frozenset({KINDS[Done], KINDS[Lost], KINDS[Refused], KINDS[Statistics]})

#: Takes the frames of one run, and at the end of the pipe the error instead; there it returns True
#: if its run is to stay for another pipe. Must not block.
type Receiver = Callable[[Frame | SupervisorLost], object]


class Client:
    """The pipe to a loop, and when that ends perhaps one to the next. Thread-safe."""

    def __init__(
        self,
        sock: socket.socket,
        *,
        checked: bool,
        on_end: Callable[[int, SupervisorLost], object] | None = None,
    ) -> None:
        """Start to read from `sock`, which stays its owner's to close.

        Args:
            sock: a blocking stream socket.
            checked: read bodies with pydantic; False for a loop in this very interpreter.
            on_end: called by the reader thread, last of all, with the number of the pipe that
                ended. Must not block.
        """
        self.pool_failures: dict[int, str] = {}
        #: Takes what guests of other machines' callers say to this host. Must not block.
        self.take_from_guests: Receiver | None = None
        #: True while runs may be opened though the pipe has ended, as another will be attached.
        self.waits = False
        #: Number of the pipe, from 1.
        self.generation = 0
        self._on_end = on_end
        self._read_checked = _checked_reader() if checked else None
        self._send_lock = threading.Lock()
        self._receivers: dict[int, Receiver] = {}
        self._ids = itertools.count(1)
        self._lost: SupervisorLost | None = None
        self._is_closing = False
        self._has_ended = False
        #: Set when every run has been given its ending, too.
        self._is_swept = threading.Event()
        self._sweep_lock = threading.Lock()
        self._begin(sock)

    def attach(self, sock: socket.socket) -> None:
        """Go on with another pipe, after the last one has ended and was read to its end."""
        self._thread.join()
        with self._send_lock:
            self._begin(sock)

    def _begin(self, sock: socket.socket) -> None:
        self._sock = sock
        self.generation += 1
        self.pool_failures.clear()
        self._lost, self._has_ended = None, False
        self._is_swept.clear()
        self._thread = threading.Thread(
            target=self._read, args=(sock, self.generation), name="cellblock-reader", daemon=True
        )
        self._thread.start()

    # --- any thread ------------------------------------------------------------------------------
    def open(self, receiver: Receiver) -> int:
        """Return a new run id; from now on its frames go to `receiver`.

        Raises:
            SupervisorLost: the pipe has ended.
            Closed: it ended because we closed it.
        """
        run_id = next(self._ids)
        self._receivers[run_id] = receiver
        if self._has_ended and not self.waits:
            self._receivers.pop(run_id, None)
            raise self._gone()
        return run_id

    def abandon(self, run_id: int) -> None:
        """Forget a run that was opened but never sent."""
        self._receivers.pop(run_id, None)

    def send(
        self,
        message: Message,
        run_id: int = 0,
        buffers: Sequence[Buffer] = (),
        *,
        generation: int = 0,
    ) -> None:
        """Send one message whole; if a `generation` is given, on that pipe or not at all.

        Raises:
            SupervisorLost: the pipe has ended.
            Closed: it ended because we closed it.
        """
        parts: list[Buffer] = list(encode_message(message, run_id, buffers))
        with self._send_lock:
            if generation and generation != self.generation:
                raise self._gone()
            try:
                self._send_parts(parts)
            except OSError as error:
                self._shut_down(self._sock)  # nothing can follow a part of a frame
                raise self._gone(error) from None

    def send_quietly(
        self,
        message: Message,
        run_id: int = 0,
        buffers: Sequence[Buffer] = (),
        *,
        generation: int = 0,
    ) -> None:
        """Send a message that means nothing any more if the pipe has ended."""
        with contextlib.suppress(Closed, SupervisorLost):
            self.send(message, run_id, buffers, generation=generation)

    def decode(self, frame: Frame) -> tuple[Message, list[memoryview]]:
        """Return the message and the buffers of a frame, fully checked.

        Raises:
            RemoteProtocolError: they are not what they should be.
        """
        if self._read_checked is None:
            return decode_frame(frame)
        body, buffers = frame.split()
        return self._read_checked(CLASSES[frame.kind], body), buffers

    def give_up(self, cause: str) -> None:
        """Note that no other pipe comes, and why: the runs that stayed for it get their ending."""
        self.waits = False
        if self._has_ended:
            lost = self._lost = SupervisorLost(cause or "its pipe ended")
            self._sweep(lost)

    @property
    def has_ended(self) -> bool:
        """True from the end of one pipe until the next is attached."""
        return self._has_ended

    def close_begins(self) -> None:
        """Note that the pipe will end because we want it to."""
        self._is_closing = True

    def wait_ended(self, timeout_s: float | None = None) -> bool:
        """Wait until the pipe has ended and every run has its ending; return whether it has."""
        return self._is_swept.wait(timeout_s)

    def _send_parts(self, parts: list[Buffer]) -> None:
        sendmsg = self._sock.sendmsg
        if len(parts) == 1:
            self._sock.sendall(parts[0])
            return
        pieces = [memoryview(part).cast("B") for part in parts]
        total_bytes = sum(piece.nbytes for piece in pieces)
        if total_bytes <= JOIN_BYTES_MAX:
            self._sock.sendall(b"".join(pieces))
            return
        pieces = [piece for piece in pieces if piece.nbytes]
        at = 0
        while at < len(pieces):
            sent = sendmsg(pieces[at : at + PIECES_MAX])
            # A signal may cut a blocking send short.
            while at < len(pieces) and sent >= pieces[at].nbytes:
                sent -= pieces[at].nbytes
                at += 1
            if sent:
                pieces[at] = pieces[at][sent:]

    def _gone(self, error: OSError | None = None) -> SupervisorLost | Closed:
        if self._is_closing:
            return Closed("supervisor")
        lost = self._lost
        ended = "its pipe ended" if error is None else f"its pipe ended: {error.strerror}"
        cause = lost.cause if lost else ended
        return SupervisorLost(cause, began=False)

    # --- reader thread ---------------------------------------------------------------------------
    def _read(self, sock: socket.socket, generation: int) -> None:
        cause = "its pipe ended"
        try:
            self._read_frames(sock)
        except ProtocolError as error:
            cause = f"it broke the protocol: {error}"
        except OSError as error:
            cause = f"its pipe ended: {error.strerror}"
        except Exception as error:  # noqa: BLE001 - a bug here must end the runs, not hang them
            cause = f"the reader failed: {type(error).__name__}: {error}"
        self._shut_down(sock)  # nobody reads what it says, and nobody must wait to be read by it
        self._end(generation, SupervisorLost(cause))

    @staticmethod
    def _shut_down(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)

    def _read_frames(self, sock: socket.socket) -> None:
        decoder = FrameDecoder(kinds=LOOP_SENDS_HOST)
        receivers, recv = self._receivers, sock.recv
        pool_failed = KINDS[PoolFailed]
        while True:
            if decoder.has_room:
                with decoder.room() as room:
                    count = sock.recv_into(room)
                frames = decoder.take(count)
            else:
                data = recv(READ_BYTES)
                count = len(data)
                frames = decoder.feed(data)
            if not count:
                return
            for frame in frames:
                kind, run_id = frame.kind, frame.run_id
                if kind == pool_failed:
                    self._note_pool(frame)
                    continue
                take = receivers.pop if kind in ENDINGS else receivers.get
                receiver = take(run_id, None)
                if receiver is None and run_id >= LEASE_MIN:
                    receiver = self.take_from_guests
                if receiver is not None:  # else about a run that has its ending
                    receiver(frame)

    def _note_pool(self, frame: Frame) -> None:
        message, _ = self.decode(frame)
        if isinstance(message, PoolFailed):
            self.pool_failures[message.pool] = message.cause

    def _end(self, generation: int, lost: SupervisorLost) -> None:
        self._lost = lost
        # Before the sweep: whoever opens a run after it sees it, whoever did so before is swept.
        self._has_ended = True
        self._sweep(lost)
        if self.take_from_guests is not None:
            self.take_from_guests(lost)
        if self._on_end is not None:
            self._on_end(generation, lost)

    def _sweep(self, lost: SupervisorLost) -> None:
        with self._sweep_lock:
            for run_id in list(self._receivers):
                receiver = self._receivers.get(run_id)
                if receiver is not None and not receiver(lost):
                    self._receivers.pop(run_id, None)
            if not self._receivers:
                self._is_swept.set()


def _checked_reader() -> Callable[[type[Any], bytes], Any]:
    from protocol import checking  # pydantic: 76 ms that an inline loop does without

    return checking.read
