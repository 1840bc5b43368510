"""Blocks of memory that guests of one cell share by name. Main owns them.

A block is made of zeros when it is first asked for. Its name is forgotten when the last sandbox
that asked for it is closed, so no guest meets what an earlier one left. Its memory is freed when
the last of their interpreters is destroyed, so none that lives has an address of nothing.

Rule: memory comes from the kernel page by page and is capped with all that the cell holds.
"""

from __future__ import annotations

import _thread
import ctypes
import mmap
from typing import Final

from protocol.errors import RemoteProtocolError
from protocol.structs import field, mutable

NAME_BYTES_MAX: Final = 256
BLOCK_BYTES_MAX: Final = 1 << 32
#: Blocks that exist at the same time in one cell.
BLOCKS_MAX: Final = 1_024
_DIGITS_MAX: Final = 19


class BlockRefused(Exception):
    """There is no such block to be had; the text is for the guest."""


@mutable
class _Block:
    memory: mmap.mmap
    address: int
    size_bytes: int
    kind: str
    holders: set[int] = field(default_factory=set)


class Blocks:
    """All blocks of one cell. Thread-safe."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = _thread.allocate_lock()
        self._blocks: dict[str, _Block] = {}
        #: What keeps the memory: the blocks that each interpreter knows an address of.
        self._known: dict[int, list[_Block]] = {}

    def open(self, name: str, kind: str, size_bytes: int, holder: int) -> int:
        """Return the address of a block, made if there is none.

        Args:
            name: of the block, the same for all that share it.
            kind: of what is in it; a name stands for one kind and one size.
            size_bytes: how large it is.
            holder: a number for the sandbox that asks; it has the block until `let_go`.

        Raises:
            BlockRefused: the name stands for another size, or there is no memory.
        """
        with self._lock:
            block = self._blocks.get(name)
            if block is None:
                block = self._blocks[name] = self._make(name, kind, size_bytes)
            elif (block.kind, block.size_bytes) != (kind, size_bytes):
                raise BlockRefused(
                    f"{name!r} is a {block.kind} of {block.size_bytes} bytes, not a {kind} of "
                    f"{size_bytes}"
                )
            if holder not in block.holders:
                block.holders.add(holder)
                self._known.setdefault(holder, []).append(block)
            return block.address

    def answer(self, data: bytes, holder: int) -> bytes:
        """Return the answer to what a guest asks for: an address, or why there is none.

        Raises:
            RemoteProtocolError: it does not ask for a block.
        """
        name, kind, size_bytes = unpack(data)
        try:
            return b"%d" % self.open(name, kind, size_bytes, holder)
        except BlockRefused as refused:
            return str(refused).encode(errors="replace")

    def let_go(self, holder: int) -> None:
        """Let go of all that a sandbox has, now that it is closed."""
        with self._lock:
            for name, block in list(self._blocks.items()):
                block.holders.discard(holder)
                if not block.holders:
                    del self._blocks[name]

    def free(self, holder: int) -> None:
        """Free what no other interpreter knows of, now that this one is destroyed."""
        with self._lock:
            self._known.pop(holder, None)

    def __len__(self) -> int:
        return len(self._blocks)

    def _make(self, name: str, kind: str, size_bytes: int) -> _Block:
        if not 0 < size_bytes <= BLOCK_BYTES_MAX:
            raise BlockRefused(f"{name!r} must have 1 to {BLOCK_BYTES_MAX} bytes, not {size_bytes}")
        if len(self._blocks) >= BLOCKS_MAX:
            raise BlockRefused(f"the cell has {BLOCKS_MAX} shared blocks, which is the limit")
        try:
            memory = mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except OSError as error:
            raise BlockRefused(f"no memory for {name!r}: {error.strerror}") from None
        # The view is not kept: the address is good for as long as the mapping is not closed.
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        return _Block(memory, address, size_bytes, kind)


def unpack(data: bytes) -> tuple[str, str, int]:
    """Read what a guest asks for: name, kind, size.

    Raises:
        RemoteProtocolError: it is not exactly that.
    """
    fields = data.split(b"\n")
    if len(fields) != 3 or not 0 < len(fields[2]) <= NAME_BYTES_MAX:
        raise RemoteProtocolError("line: not a block's kind, size and name")
    try:
        return fields[2].decode(), fields[0].decode("ascii"), number(fields[1])
    except UnicodeDecodeError:
        raise RemoteProtocolError("line: a block's name is not text") from None


def number(data: bytes) -> int:
    """Read a number that a guest wrote.

    Raises:
        RemoteProtocolError: it is none.
    """
    if not data.isdigit() or len(data) > _DIGITS_MAX:
        raise RemoteProtocolError("line: not a number")
    return int(data)
