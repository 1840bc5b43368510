"""Large pieces of a guest's words where they lie in its memory, which its cell reads and writes.

As text they would be coded, checked and copied several times on either side.

Rule: an address is told only of a `bytes` object that is held here: nothing moves it, and nobody
      has seen the one that is still to be filled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sandboxes.guest import wire

#: Smaller pieces are as quick as text.
PLACED_BYTES_MIN: Final = 4_096
#: Where the bytes of a `bytes` object begin: its size counts one more, which ends them.
_DATA_AT: Final = bytes.__basicsize__ - 1


class LinearMemory:
    """The memory of this guest; see `sandboxes.guest.ports.Memory`."""

    def __init__(self, emit: Callable[[int, str], None]) -> None:
        """Ask for awaited pieces by `emit`."""
        self._emit = emit
        self._kept: list[bytes] = []

    def place(self, value: wire.Value) -> wire.Value:
        """Return a value whose large pieces stay where they are until `release`."""
        return wire.Value(self._place(value.body), [self._place(x) for x in value.buffers])

    def _place(self, piece: wire.Piece) -> wire.Piece:
        assert isinstance(piece, bytes | bytearray | memoryview)  # as it was just encoded
        length_bytes = piece.nbytes if isinstance(piece, memoryview) else len(piece)
        if length_bytes < PLACED_BYTES_MIN:
            return piece
        data = piece.obj if isinstance(piece, memoryview) else piece
        if type(data) is not bytes or len(data) != length_bytes:  # else a view of all of it
            data = bytes(piece)
        self._kept.append(data)
        return wire.InMemory(id(data) + _DATA_AT, length_bytes)

    def fetch(self, piece: wire.Piece) -> wire.Inline:
        """Return a piece, from the cell if that holds it.

        Raises:
            MemoryError: there is no room for it.
        """
        if not isinstance(piece, wire.Awaited):
            return piece  # type: ignore[return-value]  # an inline one
        data = bytes(piece.length_bytes)
        self._emit(wire.FILL, f"{piece.number} {id(data) + _DATA_AT}")
        return data

    def release(self) -> None:
        """Keep no more what was placed."""
        self._kept.clear()
