"""The linear memory of a component's guest, as its cell reaches it.

wasmtime hands components texts and no memory, and a byte of text costs many times its copy. Where
the memory is can be asked all the same: the handle of a core instance is its store and its number
in it, in the order in which they were made, and wasmtime itself gives the memory that one exports.

Rule 1: an address from a guest is held to the bounds of its memory, as they are at that moment.
Rule 2: instances are asked in order, and the first with a memory is the last one asked: a
        component that takes a text exports its memory to the code that passes texts, and asking
        for an instance beyond the last would abort the process.
"""

from __future__ import annotations

from ctypes import byref, c_size_t, c_ubyte, c_void_p, memmove, string_at
from typing import Final

from protocol.errors import RemoteProtocolError
from sandboxes.errors import SandboxBroken
from sandboxes.guest import wire
from sandboxes.wasm.binding import EXTERN_MEMORY, CoreInstance, Extern, Library

#: Far more than a guest of ours is made of.
_INSTANCES_MAX: Final = 64
_USUAL: Final = b"memory"


class MemoryPlace:
    """Where the instances of one component have their memory: which core instance, what name."""

    __slots__ = ("name", "number")

    def __init__(self) -> None:
        """Begin without knowing it; the first to look fills it in."""
        self.number = -1
        self.name = b""


class GuestMemory:
    """One sandbox's memory. Valid as long as its store."""

    __slots__ = ("_context", "_found", "_library", "_place_of", "_store_id")

    def __init__(self, library: Library, context: int, store_id: int, place_of: MemoryPlace):
        """Name it; it is found when it is used.

        Args:
            library: wasmtime.
            context: of the store.
            store_id: the store's, as the handles of what is in it have it.
            place_of: of all instances of the component.
        """
        self._library = library
        self._context = context
        self._store_id = store_id
        self._place_of = place_of
        self._found: Extern | None = None

    def read(self, address: int, length_bytes: int) -> bytes:
        """Return a copy of what lies there.

        Raises:
            RemoteProtocolError: it is not all within the memory.
        """
        return string_at(self._place(address, length_bytes), length_bytes)

    def write(self, address: int, piece: wire.Inline | wire.InFile) -> None:
        """Put a piece there, straight from its file if it is in one.

        Raises:
            RemoteProtocolError: there is not enough memory behind the address.
            SandboxBroken: the file cannot be read, or is shorter than it was.
        """
        if isinstance(piece, wire.InFile):
            self._read_file(address, piece)
            return
        at = self._place(address, len(piece))
        memmove(at, piece if isinstance(piece, bytes) else bytes(piece), len(piece))

    def _read_file(self, address: int, piece: wire.InFile) -> None:
        at = self._place(address, piece.length_bytes)
        room = memoryview((c_ubyte * piece.length_bytes).from_address(at)).cast("B")
        done = 0
        try:
            with open(piece.path, "rb", buffering=0) as file:
                file.seek(piece.offset_bytes)
                while done < piece.length_bytes and (count := file.readinto(room[done:])):
                    done += count
        except OSError as error:
            raise SandboxBroken(f"a spooled file cannot be read: {error.strerror}") from None
        if done < piece.length_bytes:
            raise SandboxBroken("a spooled file is shorter than it was")

    def _place(self, address: int, length_bytes: int) -> int:
        """Return where that is in this process."""
        if self._found is None:
            self._found = self._find()
        memory = byref(self._found.of)
        size_bytes: int = self._library.memory_size(self._context, memory)
        if address < 0 or length_bytes < 0 or address + length_bytes > size_bytes:
            raise RemoteProtocolError("wire: a piece lies outside the guest's memory")
        base: int = self._library.memory_data(self._context, memory)
        return base + address

    def _find(self) -> Extern:
        place = self._place_of
        if place.number >= 0:
            if (export := self._named(place.number, place.name)) is not None:
                return export
            raise SandboxBroken("an instance has its memory elsewhere than another of its image")
        for number in range(_INSTANCES_MAX):
            # By its usual name first: to go through a thousand exports takes 10 ms.
            name = _USUAL if self._named(number, _USUAL) else self._exported(number)
            if name is not None and (export := self._named(number, name)) is not None:
                place.number, place.name = number, name
                return export
        raise SandboxBroken("the image has no memory that its cell can reach")

    def _named(self, number: int, name: bytes) -> Extern | None:
        instance, export = CoreInstance(self._store_id, number), Extern()
        found = self._library.instance_export(
            self._context, byref(instance), name, len(name), byref(export)
        )
        return export if found and export.kind == EXTERN_MEMORY else None

    def _exported(self, number: int) -> bytes | None:
        """Return the name under which a core instance exports a memory, if it does."""
        instance, at = CoreInstance(self._store_id, number), 0
        export, name, size = Extern(), c_void_p(), c_size_t()
        while self._library.instance_nth(
            self._context, byref(instance), at, byref(name), byref(size), byref(export)
        ):
            if export.kind == EXTERN_MEMORY:
                return string_at(name.value or 0, size.value)
            at += 1
        return None
