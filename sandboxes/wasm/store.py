"""A store: the home of one instance, with its limits, its clock and its view of the system.

Rule 1: nothing is inherited. A guest gets an empty standard input, streams that lead to its
        conversation, and the arguments, variables and directories it is given.
Rule 2: `deadline` is in ticks of the engine's epoch. A store at rest has one that never comes, so
        the interrupt of one run ends no other.
Rule 3: one owner; `close` frees everything that was instantiated in it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from ctypes import byref
from typing import Final

from sandboxes.errors import MountRefused, SandboxBroken
from sandboxes.wasm.binding import ByteVec
from sandboxes.wasm.conversation import Conversation, callbacks
from sandboxes.wasm.engine import Engine
from sandboxes.wasm.mounts import Preopen

NEVER_TICKS: Final = 1 << 60
#: Fuel of a store that may run what it likes, such as our own code.
FUEL_MAX: Final = 1 << 62

#: Memory outside the linear memory that a guest could grow: entries of tables, 8 bytes each.
_TABLE_ENTRIES_MAX: Final = 200_000
_INSTANCES_MAX: Final = 64
_TABLES_MAX: Final = 64
#: The limit on memory is for each linear memory, so there may be only one.
_MEMORIES_MAX: Final = 1


class Store:
    """One store and the conversation of its guest."""

    __slots__ = ("_fuel", "_library", "_pointer", "context", "conversation")

    def __init__(self, engine: Engine, conversation: Conversation) -> None:
        """Make an empty store whose guest speaks through `conversation`."""
        self._library = engine.library
        self._fuel = engine.settings.fuel
        self.conversation = conversation
        self._pointer: int | None = self._library.store_new(
            engine.pointer, conversation.token, None
        )
        self.context: int = self._library.store_context(self._pointer)
        self.rest()

    def rest(self) -> None:
        """Let the guest run as long as it likes: for our own code."""
        self._library.set_deadline(self.context, NEVER_TICKS)
        self.set_fuel(None)

    def arm(self) -> None:
        """Let the next tick of the engine's epoch end the guest."""
        self._library.set_deadline(self.context, 1)

    def set_fuel(self, fuel: int | None) -> None:
        """Give the guest so many instructions; `None` for as many as it likes.

        Raises:
            SandboxBroken: a number was given, and the engine does not count.
        """
        if self._fuel:
            given = FUEL_MAX if fuel is None else fuel + 1
            self._library.check(self._library.set_fuel(self.context, given), "fuel cannot be set")
        elif fuel is not None:
            raise SandboxBroken("this cell was not set up to count fuel")

    def fuel_over(self, fuel: int | None) -> tuple[int, bool]:
        """Return how much of `fuel` was used, and whether more was.

        A guest is stopped where wasmtime looks, at loops and calls, so it may use a little more
        and come to its end all the same. The one unit given on top tells.
        """
        if fuel is None:
            return 0, False
        left = ctypes.c_uint64()
        error = self._library.get_fuel(self.context, byref(left))
        self._library.check(error, "fuel cannot be read")
        return min(fuel, fuel + 1 - left.value), left.value == 0

    def limit_memory(self, memory_bytes: int) -> None:
        """Set what the guest may grow to. May be called again; what it has it keeps."""
        self._library.store_limiter(
            self._pointer,
            memory_bytes,
            _TABLE_ENTRIES_MAX,
            _INSTANCES_MAX,
            _TABLES_MAX,
            _MEMORIES_MAX,
        )

    def set_wasi(
        self,
        *,
        preopens: Sequence[Preopen] = (),
        argv: Sequence[str] = (),
        env: Sequence[tuple[str, str]] = (),
        stdin: bytes = b"",
    ) -> None:
        """Give the guest its view of the system. May be called again until the guest has looked.

        Raises:
            MountRefused: a directory cannot be opened, or a text cannot cross.
        """
        lib, calls, token = self._library, callbacks(self._library), self.conversation.token
        config = lib.wasi_new()
        try:
            lib.wasi_stdout(config, calls.stdout, token, None)
            lib.wasi_stderr(config, calls.stderr, token, None)
            for preopen in preopens:
                _preopen(self._library.wasi_preopen, config, preopen)
            if argv and not lib.wasi_argv(config, len(argv), _texts(argv)):
                raise MountRefused("an argument is not text that a guest can take")
            if env:
                names, values = _texts([n for n, _ in env]), _texts([v for _, v in env])
                if not lib.wasi_env(config, len(env), names, values):
                    raise MountRefused("a variable is not text that a guest can take")
        except BaseException:
            lib.wasi_delete(config)
            raise
        if stdin:
            data = ByteVec()
            lib.bytes_new(byref(data), len(stdin), stdin)
            lib.wasi_stdin(config, byref(data))
        lib.check(lib.set_wasi(self.context, config), "the guest's system cannot be set")

    def check_open(self) -> None:
        """Raise if the store was closed.

        Raises:
            SandboxBroken: it was.
        """
        if self._pointer is None:
            raise SandboxBroken("a closed sandbox was used")

    def close(self) -> None:
        """Free the store and all that was instantiated in it. Idempotent."""
        if self._pointer is not None:
            pointer, self._pointer = self._pointer, None
            self._library.store_delete(pointer)
            self.conversation.close()


def _preopen(wasi_preopen: Callable[..., bool], config: int, preopen: Preopen) -> None:
    host_path = preopen.host_path.encode("utf-8", "surrogateescape")
    guest_path = preopen.guest_path.encode("utf-8", "surrogateescape")
    if not wasi_preopen(config, host_path, guest_path, preopen.writable):
        raise MountRefused(f"mount of {preopen.host_path!r}: the directory cannot be opened")


def _texts(texts: Sequence[str]) -> ctypes.Array[ctypes.c_char_p]:
    """Return texts as C wants them."""
    for text in texts:
        if "\0" in text:
            raise MountRefused("an argument or a variable holds a NUL")
    encoded = [text.encode("utf-8", "surrogateescape") for text in texts]
    return (ctypes.c_char_p * len(encoded))(*encoded)
