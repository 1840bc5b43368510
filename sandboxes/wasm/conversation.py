"""A guest's talk with its host, on the way through wasmtime's callbacks.

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

from sandboxes.base import Stream
from sandboxes.talk import Talk
from sandboxes.wasm.binding import VAL_STRING, HostFunction, Library, StreamFunction

# A Val is 32 bytes: its kind at 0; at 8 a number, or a text's size and, at 16, its address.
_KIND_TEXT: Final = struct.Struct("=8xB31xQQ")
_TEXT_TEXT: Final = struct.Struct("=8xQQ16xQQ")
_COUNT: Final = struct.Struct("=8xI")
_VAL_OF: Final = 8

_tokens = itertools.count(1)
_open: dict[int, Conversation] = {}


class Conversation(Talk):
    """The talk of one sandbox's guest, under the token by which wasmtime knows it."""

    __slots__ = ("token",)

    def __init__(self) -> None:
        """Open it; `close` it with its sandbox."""
        super().__init__()
        self.token = next(_tokens)
        _open[self.token] = self

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


_made: dict[Library, Callbacks] = {}


def callbacks(library: Library) -> Callbacks:
    """Return the C functions for `library`."""
    if library not in _made:
        _made[library] = Callbacks(library)
    return _made[library]
