"""The host's end of the pipe to the supervisor loop: frames out under a lock, frames in by thread.

    any thread      `open` a run, `send` messages about it
    reader thread   cuts the stream into frames and hands each to the receiver of its run

Rule 1: the reader thread decodes nothing and calls nothing of the user's: a receiver only queues.
Rule 2: the reader thread never sends, so it can always make room for what the loop wants to say.
Rule 3: each run gets exactly one ending: a frame of an ending kind, or the `SupervisorLost` that
        every open run is given when the pipe ends.
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

#: One read takes up to this much: the frames of a busy moment, or a piece of a large one.
READ_BYTES_MIN, READ_BYTES_MAX = 64 << 10, 1 << 20
#: Buffers for one sendmsg; IOV_MAX is 1,024 on Linux.
PIECES_MAX = 512
#: Pieces below this are joined before they are sent: copying them costs less than a system call.
JOIN_BYTES_MAX = 32 << 10

#: What ends a run.
ENDINGS = frozenset({KINDS[Done], KINDS[Lost], KINDS[Refused], KINDS[Statistics]})

#: Takes the frames of one run, and at the end of the pipe the error instead. Must not block.
type Receiver = Callable[[Frame | SupervisorLost], None]


class Client:
    """One pipe to a loop. Thread-safe."""

    def __init__(self, sock: socket.socket, *, checked: bool) -> None:
        """Start to read from `sock`, which stays its owner's to close.

        Args:
            sock: a blocking stream socket.
            checked: read bodies with pydantic; False for a loop in this very interpreter.
        """
        self.pool_failures: dict[int, str] = {}
        self._sock = sock
        self._read_checked = _checked_reader() if checked else None
        self._send_lock = threading.Lock()
        self._receivers: dict[int, Receiver] = {}
        self._ids = itertools.count(1)
        self._lost: SupervisorLost | None = None
        self._is_closing = False
        self._has_ended = False
        #: Set when every run has been given its ending, too.
        self._is_swept = threading.Event()
        self._thread = threading.Thread(target=self._read, name="cellblock-reader", daemon=True)
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
        if self._has_ended:
            self._receivers.pop(run_id, None)
            raise self._gone()
        return run_id

    def abandon(self, run_id: int) -> None:
        """Forget a run that was opened but never sent."""
        self._receivers.pop(run_id, None)

    def send(self, message: Message, run_id: int = 0, buffers: Sequence[Buffer] = ()) -> None:
        """Send one message whole.

        Raises:
            SupervisorLost: the pipe has ended.
            Closed: it ended because we closed it.
        """
        parts: list[Buffer] = list(encode_message(message, run_id, buffers))
        try:
            with self._send_lock:
                self._send_parts(parts)
        except OSError as error:
            raise self._gone(error) from None

    def send_quietly(
        self, message: Message, run_id: int = 0, buffers: Sequence[Buffer] = ()
    ) -> None:
        """Send a message that means nothing any more if the pipe has ended."""
        with contextlib.suppress(Closed, SupervisorLost):
            self.send(message, run_id, buffers)

    def decode(self, frame: Frame) -> tuple[Message, list[memoryview]]:
        """Return the message and the buffers of a frame, fully checked.

        Raises:
            RemoteProtocolError: they are not what they should be.
        """
        if self._read_checked is None:
            return decode_frame(frame)
        body, buffers = frame.split()
        return self._read_checked(CLASSES[frame.kind], body), buffers

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
        cause = lost.cause if lost else f"its pipe ended: {error and error.strerror}"
        return SupervisorLost(cause, began=False)

    # --- reader thread ---------------------------------------------------------------------------
    def _read(self) -> None:
        cause = "its pipe ended"
        try:
            self._read_frames()
        except ProtocolError as error:
            cause = f"it broke the protocol: {error}"
        except OSError as error:
            cause = f"its pipe ended: {error.strerror}"
        except Exception as error:  # noqa: BLE001 - a bug here must end the runs, not hang them
            cause = f"the reader failed: {type(error).__name__}: {error}"
        self._end(SupervisorLost(cause))

    def _read_frames(self) -> None:
        decoder = FrameDecoder(kinds=LOOP_SENDS_HOST)
        receivers, recv = self._receivers, self._sock.recv
        pool_failed = KINDS[PoolFailed]
        while True:
            data = recv(min(max(decoder.missing_bytes, READ_BYTES_MIN), READ_BYTES_MAX))
            if not data:
                return
            for frame in decoder.feed(data):
                kind, run_id = frame.kind, frame.run_id
                if kind in ENDINGS:
                    receiver = receivers.pop(run_id, None)
                elif kind == pool_failed:
                    self._note_pool(frame)
                    continue
                else:
                    receiver = receivers.get(run_id)
                if receiver is not None:  # else about a run that has its ending
                    receiver(frame)

    def _note_pool(self, frame: Frame) -> None:
        message, _ = self.decode(frame)
        if isinstance(message, PoolFailed):
            self.pool_failures[message.pool] = message.cause

    def _end(self, lost: SupervisorLost) -> None:
        self._lost = lost
        # Before the sweep: whoever opens a run after it sees it, whoever did so before is swept.
        self._has_ended = True
        while self._receivers:
            with contextlib.suppress(KeyError):  # `open` or `abandon` was quicker
                _, receiver = self._receivers.popitem()
                receiver(lost)
        self._is_swept.set()


def _checked_reader() -> Callable[[type[Any], bytes], Any]:
    from protocol import checking  # pydantic: 76 ms that an inline loop does without

    return checking.read
