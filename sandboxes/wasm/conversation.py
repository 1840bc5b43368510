"""What a running guest says to its host, on the way through wasmtime's callbacks.

One `Conversation` belongs to one sandbox. wasmtime knows it by a number, its token, which is the
store's data and the data of both raw streams; so the C functions here are made once in a process.

Rule 1: no Python exception crosses into wasmtime. A `RunOver` is noted and traps the guest; what
        the guest said against the rules is noted and traps it; any other exception is a failure
        of ours, noted as `broken`, and traps it too.
Rule 2: arguments are read where they lie and copied once; the struct formats below are the
        layouts of `binding.Val`, which a test compares with wasmtime's own.
Rule 3: the raw streams are written on threads of wasmtime, while the guest's thread waits.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import struct
from collections.abc import Callable
from ctypes import string_at
from typing import Any, Final

from protocol.errors import RemoteProtocolError
from protocol.messages import Verdict
from sandboxes.base import Host, RunOver, Stream
from sandboxes.errors import SandboxBroken
from sandboxes.guest import wire
from sandboxes.wasm.binding import VAL_STRING, HostFunction, Library, StreamFunction

#: Most that is read from the host in one call, whatever the guest asks for.
STDIN_BYTES_MAX: Final = 1 << 20
#: Longest text of an entry for the log or a note of progress; a guest of ours stays far below.
_ENTRY_BYTES_MAX: Final = 32 << 20

# A Val is 32 bytes: its kind at 0; at 8 a number, or a text's size and, at 16, its address.
_KIND_TEXT: Final = struct.Struct("=8xB31xQQ")
_TEXT_TEXT: Final = struct.Struct("=8xQQ16xQQ")
_COUNT: Final = struct.Struct("=8xI")
_VAL_OF: Final = 8

_STREAMS: Final[dict[int, tuple[Stream, bool]]] = {
    wire.STDOUT: ("stdout", False),
    wire.STDERR: ("stderr", False),
    wire.STDOUT_RAW: ("stdout", True),
    wire.STDERR_RAW: ("stderr", True),
}

_tokens = itertools.count(1)
_open: dict[int, Conversation] = {}


class Conversation:
    """What one sandbox's guest says, and how its run was ended from this side."""

    __slots__ = ("broken", "host", "over", "token", "violation")

    def __init__(self) -> None:
        """Open it; `close` it with its sandbox."""
        self.token = next(_tokens)
        self.host: Host | None = None
        #: Why this side ended the run, if it did.
        self.over: Verdict | None = None
        #: What the guest said against the rules, if it did.
        self.violation: str | None = None
        #: What went wrong on this side, if something did.
        self.broken: BaseException | None = None
        _open[self.token] = self

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
        arguments = wire.unpack_call(payload.decode())
        body = bytes(_inline(arguments.body))
        if arguments.buffers:
            buffers = [bytes(_inline(piece)) for piece in arguments.buffers]
            answer = self.host.call(name.decode(), body, buffers)
        else:
            answer = self.host.call(name.decode(), body)
        if answer.error is not None:
            error = wire.Failure(answer.error.name, answer.error.message)
            return wire.pack_answer(error).encode()
        return wire.pack_answer(wire.Value(answer.value, answer.buffers)).encode()

    def read_stdin(self, count: int) -> bytes:
        """Return live input as packed text."""
        if self.host is None:
            return b""
        return wire.pack_stdin(self.host.read_stdin(min(count, STDIN_BYTES_MAX))).encode()

    def write(self, stream: Stream, data: bytes) -> None:
        """Take what a guest wrote to a stream of WASI."""
        if self.host is not None:
            self.host.output(stream, data)

    def fail(self, error: BaseException) -> None:
        """Note why a callback could not do its work."""
        if isinstance(error, RunOver):
            self.over = error.verdict
        elif isinstance(error, RemoteProtocolError | UnicodeError):
            self.violation = str(error)
        elif self.broken is None:
            self.broken = error

    def close(self) -> None:
        """Forget it; wasmtime must not use its token any more. Idempotent."""
        _open.pop(self.token, None)
        self.host = None


class Callbacks:
    """The C functions that lead to the conversations. Made once; they stay for ever."""

    def __init__(self, library: Library) -> None:
        """Make them for `library`."""
        self._library = library
        self.emit = HostFunction(self._guarded(self._emit))
        self.call = HostFunction(self._guarded(self._call))
        self.read_stdin = HostFunction(self._guarded(self._read_stdin))
        self.stdout = StreamFunction(_writer("stdout"))
        self.stderr = StreamFunction(_writer("stderr"))

    def _guarded(self, act: Callable[[Conversation, int, int], None]) -> Callable[..., int]:
        token_of = self._library.context_data
        error_new = self._library.error_new

        def function(
            _data: Any, context: int, _type: Any, args: int, _n: int, results: int, _m: int
        ) -> int:
            try:
                conversation = _open[token_of(context)]
                try:
                    act(conversation, args, results)
                except BaseException as error:  # noqa: BLE001 - see rule 1
                    conversation.fail(error)
                    return int(error_new(b"ended by the host"))
            except BaseException:  # noqa: BLE001 - out of memory, or a store that nobody owns
                return int(error_new(b"the host failed"))
            return 0

        return function

    @staticmethod
    def _emit(conversation: Conversation, args: int, _results: int) -> None:
        kind, size, at = _KIND_TEXT.unpack_from(string_at(args, 56))
        conversation.emit(kind, string_at(at, size))

    def _call(self, conversation: Conversation, args: int, results: int) -> None:
        name_size, name_at, size, at = _TEXT_TEXT.unpack_from(string_at(args, 56))
        name = string_at(name_at, name_size)
        self._give(results, conversation.call(name, string_at(at, size)))

    def _read_stdin(self, conversation: Conversation, args: int, results: int) -> None:
        (count,) = _COUNT.unpack_from(string_at(args, 12))
        self._give(results, conversation.read_stdin(count))

    def _give(self, result: int, text: bytes) -> None:
        """Write a string result; wasmtime frees what `bytes_new` copies."""
        ctypes.c_uint8.from_address(result).value = VAL_STRING
        self._library.bytes_new(result + _VAL_OF, len(text), text)


def _writer(stream: Stream) -> Callable[[int, int, int], int]:
    def write(token: int, at: int, size: int) -> int:
        try:
            conversation = _open[token]
            try:
                conversation.write(stream, string_at(at, size))
            except BaseException as error:  # noqa: BLE001 - see rule 1
                conversation.fail(error)
                return -errno.EIO
        except BaseException:  # noqa: BLE001 - out of memory, or a store that nobody owns
            return -errno.EIO
        return size

    return write


def _inline(piece: wire.Piece) -> wire.Inline:
    if isinstance(piece, wire.InFile):
        raise RemoteProtocolError("wire: a guest cannot name a file")
    return piece


_NOT_NOW: Final = wire.pack_answer(wire.Failure("RuntimeError", "no run is at hand")).encode()
_made: dict[Library, Callbacks] = {}


def callbacks(library: Library) -> Callbacks:
    """Return the C functions for `library`."""
    if library not in _made:
        _made[library] = Callbacks(library)
    return _made[library]
