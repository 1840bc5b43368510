"""A guest's talk with its host, on the way through wasmtime's callbacks.

One `Conversation` belongs to one sandbox. wasmtime knows it by a number, its token, which is the
store's data and the data of both raw streams; so the C functions here are made once in a process.

Rule 1: no Python exception crosses into wasmtime. A `RunOver` is noted and traps the guest; what
        the guest said against the rules is noted and traps it; any other exception is a failure
        of ours, noted as `broken`, and traps it too.
Rule 2: arguments are read where they lie and copied once; the struct formats below are the
        layouts of `binding.Val`, which a test compares with wasmtime's own.
Rule 3: large pieces stay on their side until the other asks for them: those of a request or an
        answer here until the guest has memory for them, those of a guest in its memory.
Rule 4: the raw streams are written on threads of wasmtime, while the guest's thread waits.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import struct
from collections.abc import Callable, Iterable, Sequence
from ctypes import string_at
from typing import Any, Final

from protocol.errors import RemoteProtocolError
from protocol.frames import FRAME_BYTES_MAX
from sandboxes.base import Stream
from sandboxes.guest import wire
from sandboxes.talk import Talk
from sandboxes.wasm.binding import VAL_STRING, HostFunction, Library, StreamFunction
from sandboxes.wasm.memory import GuestMemory

# A Val is 32 bytes: its kind at 0; at 8 a number, or a text's size and, at 16, its address.
_KIND_TEXT: Final = struct.Struct("=8xB31xQQ")
_TEXT_TEXT: Final = struct.Struct("=8xQQ16xQQ")
_COUNT: Final = struct.Struct("=8xI")
_VAL_OF: Final = 8

#: Pieces from this size on are held until the guest asks for them; to ask takes some 10 us.
HELD_BYTES_MIN: Final = 4_096
#: Of a guest's request for one: two numbers.
_FILL_BYTES_MAX: Final = 40

_tokens = itertools.count(1)
_open: dict[int, Conversation] = {}


class Conversation(Talk):
    """The talk of one sandbox's guest, under the token by which wasmtime knows it."""

    __slots__ = ("_held", "_held_count", "memory", "token")

    def __init__(self) -> None:
        """Open it; `close` it with its sandbox."""
        super().__init__()
        self.token = next(_tokens)
        _open[self.token] = self
        #: The guest's, where pieces may lie in it.
        self.memory: GuestMemory | None = None
        self._held: dict[int, wire.Inline | wire.InFile] = {}
        self._held_count = 0

    def hold(self, pieces: Sequence[wire.Piece]) -> Sequence[wire.Piece]:
        """Return pieces as the guest is to get them; large ones wait here until it asks."""
        return pieces if self.memory is None else [self._hold(piece) for piece in pieces]

    def _hold(self, piece: wire.Piece) -> wire.Piece:
        if isinstance(piece, wire.InFile):
            length_bytes = piece.length_bytes
        elif isinstance(piece, bytes | bytearray | memoryview):
            length_bytes = len(piece)
        else:
            return piece
        if length_bytes < HELD_BYTES_MIN and not isinstance(piece, wire.InFile):
            return piece
        self._held_count += 1
        self._held[self._held_count] = piece
        return wire.Awaited(self._held_count, length_bytes)

    def let_go(self) -> None:
        """Hold nothing more."""
        self._held.clear()

    def emit(self, kind: int, text: bytes) -> None:
        """Take what any guest says, or the address for a piece that is held."""
        if kind == wire.FILL:
            self._fill(text)
        else:
            super().emit(kind, text)

    def _fill(self, text: bytes) -> None:
        numbers = text.split(b" ") if len(text) <= _FILL_BYTES_MAX else []
        if len(numbers) != 2 or not all(number.isdigit() for number in numbers):
            raise RemoteProtocolError("wire: not the number of a piece and an address")
        piece = self._held.pop(int(numbers[0]), None)
        if piece is None or self.memory is None:
            raise RemoteProtocolError("wire: a piece that is not held")
        self.memory.write(int(numbers[1]), piece)

    def _arguments(self, payload: str) -> list[bytes]:
        arguments = wire.unpack_call(payload, memory=self.memory is not None)
        return self.fetch([arguments.body, *arguments.buffers], FRAME_BYTES_MAX)

    def fetch(self, pieces: Iterable[wire.Piece], bytes_max: int) -> list[bytes]:
        """Return the bytes of pieces from the guest.

        Raises:
            RemoteProtocolError: they are more than `bytes_max`, or not all in its memory.
        """
        fetched: list[bytes] = []
        for piece in pieces:
            if isinstance(piece, wire.InMemory) and self.memory is not None:
                bytes_max -= piece.length_bytes
                if bytes_max < 0:  # also of one place that is named again and again
                    raise RemoteProtocolError("wire: pieces in memory are over their cap")
                fetched.append(self.memory.read(piece.address, piece.length_bytes))
            else:
                assert isinstance(piece, bytes)  # the readers give nothing else
                fetched.append(piece)
        return fetched

    def close(self) -> None:
        """Forget it; wasmtime must not use its token any more. Idempotent."""
        _open.pop(self.token, None)
        self.host = self.memory = None
        self.let_go()


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


_made: dict[Library, Callbacks] = {}


def callbacks(library: Library) -> Callbacks:
    """Return the C functions for `library`."""
    if library not in _made:
        _made[library] = Callbacks(library)
    return _made[library]
