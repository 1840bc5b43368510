"""What a running guest says to its host, whatever carries it: output, entries, calls, input.

Rule 1: what the guest says against the rules is an exception of the protocol, and never more: a
        `Talk` believes no byte of it.
Rule 2: whoever carries the words calls `fail` with what a method raised, and ends the guest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from protocol.errors import RemoteProtocolError
from protocol.messages import Verdict
from sandboxes.base import Host, RunOver, Stream
from sandboxes.errors import SandboxBroken
from sandboxes.guest import wire

#: Most that is read from the host in one call, whatever the guest asks for.
STDIN_BYTES_MAX: Final = 1 << 20
#: Longest text of an entry for the log or a note of progress; a guest of ours stays far below.
_ENTRY_BYTES_MAX: Final = 32 << 20

_STREAMS: Final[dict[int, tuple[Stream, bool]]] = {
    wire.STDOUT: ("stdout", False),
    wire.STDERR: ("stderr", False),
    wire.STDOUT_RAW: ("stdout", True),
    wire.STDERR_RAW: ("stderr", True),
}


class Talk:
    """What one sandbox's guest says, and how its run was ended from this side."""

    __slots__ = ("broken", "host", "over", "violation")

    def __init__(self) -> None:
        """Begin without a host: what is said goes nowhere."""
        self.host: Host | None = None
        #: Why this side ended the run, if it did.
        self.over: Verdict | None = None
        #: What the guest said against the rules, if it did.
        self.violation: str | None = None
        #: What went wrong on this side, if something did.
        self.broken: BaseException | None = None

    def begin(self, host: Host | None) -> None:
        """Start a run: what the guest says goes to `host`, or nowhere."""
        self.host = host
        self.over = self.violation = self.broken = None

    def raise_if_broken(self) -> None:
        """Raise what went wrong on this side.

        Raises:
            SandboxBroken: a method of the host failed.
        """
        if self.broken is not None:
            raise SandboxBroken(
                f"the host's side of a run failed: {self.broken!r}"
            ) from self.broken

    def emit(self, kind: int, text: bytes) -> None:
        """Take output, a log entry, or a note of progress."""
        host = self.host
        if host is None:
            return
        if (stream := _STREAMS.get(kind)) is not None:
            name, is_raw = stream
            host.output(name, text.decode().encode("latin-1") if is_raw else text)
        elif len(text) > _ENTRY_BYTES_MAX:
            raise RemoteProtocolError("wire: an entry is over its cap")
        elif kind == wire.LOG:
            host.log(*wire.unpack_log(text.decode()))
        elif kind == wire.PROGRESS:
            host.progress(*wire.unpack_progress(text.decode()))
        else:
            raise RemoteProtocolError("wire: an unknown kind of entry")

    def call(self, name: bytes, payload: bytes) -> bytes:
        """Call a host function and return the packed answer."""
        if self.host is None:
            return _NOT_NOW
        body, *buffers = self._arguments(payload.decode())
        if buffers:
            answer = self.host.call(name.decode(), body, buffers)
        else:
            answer = self.host.call(name.decode(), body)
        if answer.error is not None:
            error = wire.Failure(answer.error.name, answer.error.message)
            return wire.pack_answer(error).encode()
        pieces = self.hold([answer.value, *answer.buffers])
        return wire.pack_answer(wire.Value(pieces[0], pieces[1:])).encode()

    def _arguments(self, payload: str) -> list[bytes]:
        """Return the pieces of a call's arguments."""
        arguments = wire.unpack_call(payload)
        return [bytes(_inline(piece)) for piece in (arguments.body, *arguments.buffers)]

    def hold(self, pieces: Sequence[wire.Piece]) -> Sequence[wire.Piece]:
        """Return pieces as the guest is to get them: here, as they are."""
        return pieces

    def read_stdin(self, count: int) -> bytes:
        """Return live input as packed text."""
        if self.host is None:
            return b""
        return wire.pack_stdin(self.host.read_stdin(min(count, STDIN_BYTES_MAX))).encode()

    def write(self, stream: Stream, data: bytes) -> None:
        """Take what a guest wrote to a stream, past its own capture."""
        if self.host is not None:
            self.host.output(stream, data)

    def fail(self, error: BaseException) -> None:
        """Note why the guest's words could not be taken."""
        if isinstance(error, RunOver):
            self.over = error.verdict
        elif isinstance(error, RemoteProtocolError | UnicodeError):
            self.violation = str(error)
        elif self.broken is None:
            self.broken = error


def _inline(piece: wire.Piece) -> wire.Inline:
    assert isinstance(piece, bytes | bytearray | memoryview)  # `unpack_call` gives nothing else
    return piece


_NOT_NOW: Final = wire.pack_answer(wire.Failure("RuntimeError", "no run is at hand")).encode()
