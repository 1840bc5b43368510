"""What a guest imports as `cellblock_shared`: memory that it shares with others of its cell.

    from cellblock_shared import SharedArray, shared_bytes

    done = SharedArray("done", 2)          integers with atomic operations
    done.add(0, 1); done.notify(0)
    table = shared_bytes("table", 10**7)   a writable memoryview, the same bytes for all

A name stands for the same memory in all runs and sessions that are in the cell at the same time. It
begins as zeros, and is gone with the last of them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from types import ModuleType
from typing import Final

from sandboxes.interpreter import line
from sandboxes.shared import array, atomics

NAME: Final = "cellblock_shared"
_ask: Callable[..., bytes]
_code_address = -1


class SharedArray(array.SharedArray):
    """Signed 64-bit integers, shared by name; every method is atomic."""

    __slots__ = ()

    def __init__(self, name: str, length: int) -> None:
        """Open the array `name`, or make it with zeros.

        Raises:
            ValueError: the name stands for something else, or its length is out of range.
            MemoryError: there is no memory for it.
        """
        if length < 1:
            raise ValueError(f"length must be at least 1: {length}")
        if _code_address < 0:
            raise RuntimeError("this machine has no atomic operations: see the guide")
        address = _open("array", name, length * array.CELL_BYTES)
        super().__init__(address, length, atomics.attach(_code_address), name)


def shared_bytes(name: str, size_bytes: int) -> memoryview:
    """Return a writable view of the block `name`, made of zeros if there is none.

    Who writes and who reads is for the guests to settle, with a `SharedArray`.

    Raises:
        ValueError: the name stands for something else, or its size is out of range.
        MemoryError: there is no memory for it.
    """
    if size_bytes < 1:
        raise ValueError(f"size_bytes must be at least 1: {size_bytes}")
    address = _open("bytes", name, size_bytes)
    return memoryview((ctypes.c_char * size_bytes).from_address(address)).cast("B")


def _open(kind: str, name: str, size_bytes: int) -> int:
    data = name.encode()
    if not 0 < len(data) <= 256 or b"\n" in data:
        raise ValueError(f"a name has 1 to 256 bytes and no line feed, not {name[:300]!r}")
    answer = _ask(line.SHARE, f"{kind}\n{size_bytes}\n".encode(), data).decode()
    if answer.isdigit():
        return int(answer)
    raise (MemoryError if answer.startswith("no memory") else ValueError)(answer)


class _Module(ModuleType):
    """The module as the guest sees it: the names above and no other."""

    __all__ = ("SharedArray", "shared_bytes")

    def __init__(self) -> None:
        super().__init__(NAME, __doc__)
        self.__dict__.update({"SharedArray": SharedArray, "shared_bytes": shared_bytes})
        self.__dict__["__all__"] = self.__all__


def module(code_address: int, ask: Callable[..., bytes]) -> ModuleType:
    """Return the module as guests import it; `ask` asks main and waits for its answer."""
    global _ask, _code_address
    _ask, _code_address = ask, code_address
    for thing in (SharedArray, shared_bytes):
        thing.__module__ = NAME
    return _Module()
