"""A compiled component, loaded, with what it may import: the part that sandboxes share.

Loading maps the file: two milliseconds, and its pages are shared between processes.
"""

from __future__ import annotations

import os
import re
from ctypes import byref, c_void_p
from typing import Final

from sandboxes.errors import ImageError, SandboxBroken
from sandboxes.wasm.binding import ComponentFunc, ComponentInstance, Fault
from sandboxes.wasm.conversation import Conversation, callbacks
from sandboxes.wasm.engine import Engine
from sandboxes.wasm.memory import MemoryPlace
from sandboxes.wasm.store import Store

_PAGE_BYTES: Final = 64 << 10
_MINIMUM: Final = re.compile(r"memory minimum size of ([0-9]+) pages exceeds memory limits")


class NotInstantiated(Exception):
    """An instance could not be made; `fault` says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.cause)
        self.fault = fault


class Component:
    """One loaded component and its linker. Owned by a backend."""

    __slots__ = ("_exports", "_linker", "_pointer", "engine", "library", "memory_place")

    def __init__(self, engine: Engine, path: str, *, with_host: bool) -> None:
        """Load the compiled file at `path`.

        Args:
            engine: one with the settings the file was compiled with.
            path: where it is. Its contents are believed: they are machine code.
            with_host: let it import our host functions; else WASI alone.

        Raises:
            ImageError: it was compiled otherwise, or is no compiled component.
        """
        self.engine = engine
        self.library = lib = engine.library
        self._linker: int | None = None
        self._exports: dict[str, int] = {}
        self.memory_place = MemoryPlace()
        pointer = c_void_p()
        if error := lib.component_load(engine.pointer, os.fsencode(path), byref(pointer)):
            raise ImageError(f"{path} is not loaded: {lib.take_error(error).cause}")
        self._pointer: int | None = pointer.value
        self._linker = lib.linker_new(engine.pointer)
        lib.check(lib.linker_wasi(self._linker), "WASI cannot be linked")
        if with_host:
            self._link_host()

    def _link_host(self) -> None:
        lib, calls = self.library, callbacks(self.library)
        root = lib.linker_root(self._linker)
        try:
            for name, function in (
                (b"emit", calls.emit),
                (b"call", calls.call),
                (b"read-stdin", calls.read_stdin),
            ):
                error = lib.linker_func(root, name, len(name), function, None, None)
                lib.check(error, "host functions cannot be linked")
        finally:
            lib.linker_root_delete(root)

    def export(self, name: str, inside: str = "") -> int | None:
        """Return the index of an export, or of one inside the exported instance `inside`."""
        key = f"{inside}#{name}"
        if key not in self._exports:
            within = self.export(inside) if inside else None
            if inside and within is None:
                return None
            encoded = name.encode()
            index = self.library.export_index(self._pointer, within, encoded, len(encoded))
            if not index:
                return None
            self._exports[key] = index
        return self._exports[key]

    def instantiate(self, store: Store, export: int) -> ComponentFunc:
        """Make an instance in `store` and return its exported function.

        Raises:
            NotInstantiated: imports are missing, memory is over the limit, or its start trapped.
            SandboxBroken: the export is no function.
        """
        instance, function = self._instantiate(store), ComponentFunc()
        lib = self.library
        if not lib.instance_func(byref(instance), store.context, export, byref(function)):
            raise SandboxBroken("the component's export is not a function")
        return function

    def _instantiate(self, store: Store) -> ComponentInstance:
        instance = ComponentInstance()
        error = self.library.linker_instantiate(
            self._linker, store.context, self._pointer, byref(instance)
        )
        if error:
            raise NotInstantiated(self.library.take_error(error))
        return instance

    def memory_floor_bytes(self) -> int:
        """Return the memory an instance has before its first instruction; 0 if it is not told."""
        store = Store(self.engine, Conversation())
        try:
            store.limit_memory(0)
            store.set_wasi()
            self._instantiate(store)
        except NotInstantiated as refused:
            found = _MINIMUM.search(refused.fault.text)
            return int(found[1]) * _PAGE_BYTES if found else 0
        finally:
            store.close()
        return 0

    def close(self) -> None:
        """Free it, after every store that holds an instance. Idempotent."""
        lib = self.library
        for index in self._exports.values():
            lib.export_index_delete(index)
        self._exports.clear()
        if self._linker is not None:
            lib.linker_delete(self._linker)
            self._linker = None
        if self._pointer is not None:
            lib.component_delete(self._pointer)
            self._pointer = None
