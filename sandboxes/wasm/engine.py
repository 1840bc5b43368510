"""How guests are compiled and run: the settings of the engine, as data, and the engine itself.

A compiled image fits only an engine with the same settings, so the build of an image and the
cells take both from here. `Settings.key` names a set of settings in the cache.

Rule 1: what no guest of ours needs is off. Each setting gives its reason.
Rule 2: wasmtime aborts the process on an invalid combination. A change here is tried in a child
        process first; a test does that.
Rule 3: compile in a process made for it. A compile starts a pool of threads, and its memory
        stays with the process.
"""

from __future__ import annotations

import ctypes
from ctypes import byref, c_void_p
from typing import Any, Final

from protocol.structs import frozen
from sandboxes.errors import ImageError
from sandboxes.wasm.binding import MAJOR, ByteVec, Library

MIB = 1 << 20
#: Stack that a guest may use. Deep C recursion in CPython (parser, repr, json) ends as a clean
#: RecursionError with this much, and as a trap with the default of 512 KiB.
WASM_STACK_BYTES: Final = 48 * MIB
#: Must be more than `WASM_STACK_BYTES`, or making the engine aborts the process.
ASYNC_STACK_BYTES: Final = 96 * MIB
#: What a thread needs to run guests: their stack, and room for host functions called from its end.
THREAD_STACK_BYTES: Final = 64 * MIB

#: Both kinds begin so. Without the check wasmtime would take the text form as well.
WASM_MAGIC: Final = b"\0asm"

_ON, _OFF = True, False
_SPEED = 1

#: name in the C API -> value and why.
_SETTINGS: Final[tuple[tuple[str, Any, Any], ...]] = (
    # 2 to 3 times faster guests than "none"; "speed and size" measures the same.
    ("cranelift_opt_level", ctypes.c_uint8, _SPEED),
    # Maps the guest's memory from the image: 0.1 ms, against 9 ms for a copy.
    ("memory_init_cow", ctypes.c_bool, _ON),
    # Bounds checks by guard pages instead of instructions; off costs a quarter of the speed.
    ("signals_based_traps", ctypes.c_bool, _ON),
    ("max_wasm_stack", ctypes.c_size_t, WASM_STACK_BYTES),
    ("async_stack_size", ctypes.c_size_t, ASYNC_STACK_BYTES),
    # Unused proposals: less code of wasmtime within a guest's reach, and a quicker start.
    ("gc_support", ctypes.c_bool, _OFF),
    ("wasm_gc", ctypes.c_bool, _OFF),
    ("wasm_function_references", ctypes.c_bool, _OFF),
    ("wasm_exceptions", ctypes.c_bool, _OFF),
    ("wasm_threads", ctypes.c_bool, _OFF),
    ("shared_memory", ctypes.c_bool, _OFF),
    ("wasm_relaxed_simd", ctypes.c_bool, _OFF),
    ("wasm_tail_call", ctypes.c_bool, _OFF),
    ("wasm_multi_memory", ctypes.c_bool, _OFF),
    ("wasm_memory64", ctypes.c_bool, _OFF),
    ("wasm_wide_arithmetic", ctypes.c_bool, _OFF),
    ("wasm_custom_page_sizes", ctypes.c_bool, _OFF),
    ("wasm_stack_switching", ctypes.c_bool, _OFF),
    ("wasm_component_model_async", ctypes.c_bool, _OFF),
    ("concurrency_support", ctypes.c_bool, _OFF),
)


@frozen
class Settings:
    """What may differ between two engines of ours.

    Args:
        fuel: count instructions, so that a run can be bounded by their number. Costs a tenth of
            the guest's speed.
        epoch: look at the epoch at loops and calls, so that an increment of it stops a guest,
            whatever it computes. Costs an eighth of the guest's speed.
    """

    fuel: bool = False
    epoch: bool = True

    @property
    def values(self) -> tuple[tuple[str, Any, Any], ...]:
        """Every setting: its name in the C API, its C type, its value."""
        return (
            *_SETTINGS,
            ("consume_fuel", ctypes.c_bool, self.fuel),
            ("epoch_interruption", ctypes.c_bool, self.epoch),
        )

    @property
    def key(self) -> str:
        """Text that differs where compiled code would: settings and release of wasmtime."""
        return f"wasmtime-{MAJOR}:" + ",".join(f"{n}={int(v)}" for n, _, v in self.values)


class Engine:
    """An engine with our settings. Owned by whoever made it; close it after all that uses it."""

    __slots__ = ("library", "pointer", "settings")

    def __init__(self, library: Library, settings: Settings) -> None:
        """Make an engine.

        Raises:
            ImageError: this release of wasmtime lacks a setting.
        """
        self.library = library
        self.settings = settings
        self.pointer: int | None = None
        config = library.config_new()
        try:
            for name, kind, value in settings.values:
                library.setter(name, kind)(config, value)
        except ImageError:
            library.config_delete(config)
            raise
        self.pointer = library.engine_new(config)

    def interrupt(self) -> None:
        """End every guest whose deadline is the next tick. Any thread."""
        if self.pointer:
            self.library.engine_increment_epoch(self.pointer)

    def compile(self, wasm: bytes, *, component: bool) -> bytes:
        """Return `wasm`, a component or a core module, compiled; write it to a private file.

        Raises:
            ImageError: it is not valid, or it needs what is off here.
        """
        if not wasm.startswith(WASM_MAGIC):
            raise ImageError("not compiled: this is not WebAssembly in its binary form")
        new, serialize, delete = self._compilers(component)
        made, out = c_void_p(), ByteVec()
        if error := new(self.pointer, wasm, len(wasm), byref(made)):
            raise ImageError(f"not compiled: {self.library.take_error(error).text.strip()}")
        try:
            self.library.check(serialize(made, byref(out)), "compiled code cannot be kept")
        finally:
            delete(made)
        return self.library.take_bytes(out)

    def _compilers(self, component: bool) -> tuple[Any, Any, Any]:
        lib = self.library
        if component:
            return lib.component_new, lib.component_serialize, lib.component_delete
        return lib.module_new, lib.module_serialize, lib.module_delete

    def close(self) -> None:
        """Free it. Idempotent."""
        if self.pointer:
            self.library.engine_delete(self.pointer)
            self.pointer = None
