"""The binary form of WebAssembly, as much of it as a merge reads and writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from sandboxes.errors import ImageError

#: Magic number and version, of modules and components alike.
HEADER_BYTES: Final = 8

#: Sections of a core module.
IMPORTS, EXPORTS = 2, 7
#: Kinds of what core modules import and export; components use the same numbers.
FUNC, TABLE, MEMORY, GLOBAL, TAG = range(5)
INSTANCE: Final = 0x12


class Reader:
    """A place in some bytes, moving on as it reads."""

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self.data = data
        self.at = at
        self.end = len(data) if end is None else end

    @property
    def is_done(self) -> bool:
        """True at the end."""
        return self.at >= self.end

    def byte(self) -> int:
        """Read a byte."""
        if self.is_done:
            raise ImageError("the guest's component ends in the middle")
        self.at += 1
        return self.data[self.at - 1]

    def number(self) -> int:
        """Read an unsigned LEB128 number."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def take(self, count: int) -> bytes:
        """Read so many bytes."""
        if self.at + count > self.end:
            raise ImageError("the guest's component ends in the middle")
        self.at += count
        return self.data[self.at - count : self.at]

    def name(self) -> str:
        """Read a name."""
        return self.take(self.number()).decode()

    def limits(self) -> None:
        """Go past the limits of a table or a memory."""
        has_maximum = self.byte() & 1
        self.number()
        if has_maximum:
            self.number()


def sections(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the sections of a module or a component: number and body."""
    reader = Reader(data, HEADER_BYTES)
    while not reader.is_done:
        number = reader.byte()
        yield number, reader.take(reader.number())


def number(value: int) -> bytes:
    """Return an unsigned LEB128 number."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def name(text: str) -> bytes:
    """Return a name."""
    data = text.encode()
    return number(len(data)) + data


def vector(items: Iterable[bytes]) -> bytes:
    """Return a list of items that are encoded already."""
    encoded = list(items)
    return number(len(encoded)) + b"".join(encoded)


def section(kind: int, body: bytes) -> bytes:
    """Return a section."""
    return bytes([kind]) + number(len(body)) + body
