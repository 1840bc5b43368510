"""Standard output, error and input of a run, held inside the guest.

Rule 1: a stream keeps exactly its cap in UTF-8 bytes, cut at a character, and drops the rest.
Rule 2: a write that ends a line, or a flush, is emitted at once while tokens last: a burst, then
        one for each interval (with no clock, the burst alone). Otherwise text is emitted in
        pieces of `PIECE_BYTES`. What is left goes with the reply. So what was printed before a
        sandbox was ended from outside is not lost, and a flood costs few calls.
Rule 3: bytes that are not UTF-8 travel as they are.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterable
from time import monotonic
from typing import Any, Final

from sandboxes.guest import ports, wire

PIECE_BYTES: Final = 4_096
BURST: Final = 16
#: Most that is asked of the host in one call.
STDIN_BYTES_MAX: Final = 1 << 20
#: Seconds between two lines emitted at once after the burst: watched by the host, and not.
INTERVAL_WATCHED_S: Final = 0.001
INTERVAL_S: Final = 0.01


def cut_utf8(data: bytes, bytes_max: int) -> bytes:
    """Return the longest beginning of UTF-8 `data` within `bytes_max` that ends at a character."""
    return data[:bytes_max].decode(errors="ignore").encode()


class Sink:
    """Where one stream's bytes go: counts them, cuts at the cap, emits."""

    __slots__ = (
        "_bytes", "_is_ascii", "_kind", "_left", "_parts", "_refilled", "_tokens",
        "interval_s", "truncated",
    )  # fmt: skip

    def __init__(self, kind: int) -> None:
        self._kind = kind
        self._parts: list[Any] = []
        self.begin(1 << 20, INTERVAL_S)

    def begin(self, bytes_max: int, interval_s: float) -> None:
        """Start a run with an empty stream. `interval_s` is 0 where the clock may not be read."""
        self._parts.clear()
        self._is_ascii = True
        self._bytes = 0
        self._left = bytes_max
        self._tokens = BURST
        self._refilled = 0.0
        self.interval_s = interval_s
        self.truncated = False

    def put_ascii(self, text: str) -> None:
        """Take text that is ASCII, the quick way."""
        size_bytes = len(text)
        if size_bytes > self._left:
            self.truncated = True
            text = text[: self._left]
            size_bytes = self._left
        self._left -= size_bytes
        self._parts.append(text if self._is_ascii else text.encode())
        self._bytes += size_bytes
        if self._bytes >= PIECE_BYTES or (text[-1:] == "\n" and self._may_emit()):
            self.emit()

    def put_bytes(self, data: bytes, *, is_utf8: bool = False) -> None:
        """Take bytes; those that are known to be UTF-8 are cut between characters."""
        if len(data) > self._left:
            self.truncated = True
            data = cut_utf8(data, self._left) if is_utf8 else data[: self._left]
            self._left = len(data)
        if self._is_ascii:
            self._parts[:] = [text.encode() for text in self._parts]
            self._is_ascii = False
        self._left -= len(data)
        self._parts.append(data)
        self._bytes += len(data)
        if self._bytes >= PIECE_BYTES or (data[-1:] == b"\n" and self._may_emit()):
            self.emit()

    def flush(self) -> None:
        """Emit what is held if a token is left."""
        if self._parts and self._may_emit():
            self.emit()

    def emit(self) -> None:
        """Emit what is held."""
        if not self._bytes:
            return
        if self._is_ascii:
            text, kind = "".join(self._parts), self._kind
        else:
            data = b"".join(self._parts)
            try:
                text, kind = data.decode(), self._kind
            except UnicodeDecodeError:
                text = data.decode("latin-1")
                kind = wire.STDOUT_RAW if self._kind == wire.STDOUT else wire.STDERR_RAW
        self._hold_nothing()
        ports.emit(kind, text)

    def take(self) -> bytes:
        """Return what is held and hold nothing."""
        held = "".join(self._parts).encode() if self._is_ascii else b"".join(self._parts)
        self._hold_nothing()
        return held

    def _hold_nothing(self) -> None:
        self._parts.clear()
        self._is_ascii = True
        self._bytes = 0

    def _may_emit(self) -> bool:
        if self._tokens > 0:
            self._tokens -= 1
            return True
        if not self.interval_s:
            return False
        now = monotonic()
        if not self._refilled:
            self._refilled = now
        earned = int((now - self._refilled) / self.interval_s)
        if earned <= 0:
            return False
        self._refilled = now
        self._tokens = min(earned, BURST) - 1
        return True


class BinaryOut(io.BufferedIOBase):
    """`sys.stdout.buffer`."""

    def __init__(self, sink: Sink, name: str, descriptor: int) -> None:
        self._sink = sink
        self.name = name
        self.mode = "wb"
        self._descriptor = descriptor
        self.raw: Any = self

    def write(self, data: Any) -> int:
        """Take anything bytes-like; returns its size in bytes."""
        if isinstance(data, str):
            raise TypeError("a bytes-like object is required, not 'str'")
        _check_open(self)
        piece = bytes(memoryview(data).cast("B"))
        self._sink.put_bytes(piece)
        return len(piece)

    def flush(self) -> None:
        """Emit what is held, if a token is left."""
        _check_open(self)
        self._sink.flush()

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the number of the WASI stream that ends at the same place."""
        return self._descriptor


class TextOut(io.TextIOBase):
    """`sys.stdout` or `sys.stderr`: text in, never a terminal."""

    def __init__(self, sink: Sink, name: str, descriptor: int, errors: str) -> None:
        self._sink = sink
        self._buffer = BinaryOut(sink, name, descriptor)
        self.name = name
        self.mode = "w"
        self._encoding = "utf-8"
        self._errors = errors
        self._is_plain = True
        self._put_ascii = sink.put_ascii

    def write(self, text: str) -> int:
        """Take text; returns how many characters that were."""
        if type(text) is not str:
            if not isinstance(text, str):
                raise TypeError(f"write() argument must be str, not {type(text).__name__}")
            text = str.__str__(text)
        if self.closed:
            raise ValueError("I/O operation on closed file.")
        if self._is_plain and text.isascii():
            self._put_ascii(text)
        elif text:
            data = text.encode(self._encoding, self._errors)
            self._sink.put_bytes(data, is_utf8=self._encoding == "utf-8")
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:  # type: ignore[override]  # text alone is taken here
        """Write each of `lines`, adding nothing."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Emit what is held, if a token is left."""
        _check_open(self)
        self._sink.flush()

    def reconfigure(
        self,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        line_buffering: bool | None = None,
        write_through: bool | None = None,
    ) -> None:
        """Change encoding or error handling; the rest is accepted and has no effect."""
        import codecs

        if encoding is not None:
            self._encoding = codecs.lookup(encoding).name
            self._errors = errors if errors is not None else "strict"
        elif errors is not None:
            self._errors = errors
        codecs.lookup_error(self._errors)
        self._is_plain = self._encoding in ("utf-8", "ascii", "iso8859-1", "cp1252")

    @property
    def buffer(self) -> BinaryOut:
        """The stream of bytes below."""
        return self._buffer

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a property, so that nobody sets it
        """How text becomes bytes."""
        return self._encoding

    @property
    def errors(self) -> str:  # type: ignore[override, mutable-override]  # as above
        """What happens to text that cannot become bytes."""
        return self._errors

    @property
    def line_buffering(self) -> bool:
        """True: a line is emitted as soon as the host takes it."""
        return True

    @property
    def write_through(self) -> bool:
        """False."""
        return False

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the number of the WASI stream that ends at the same place."""
        return self._buffer.fileno()

    def __repr__(self) -> str:
        return f"<sandbox stream name={self.name!r} mode='w' encoding={self._encoding!r}>"


def _check_open(stream: io.IOBase) -> None:
    if stream.closed:
        raise ValueError("I/O operation on closed file.")


class Source:
    """What standard input gives: nothing, given bytes, or what the host sends on request."""

    __slots__ = ("_at", "_data", "_ended", "was_read")

    def __init__(self) -> None:
        self.begin(b"")

    def begin(self, data: bytes | None) -> None:
        """Give these bytes, or live ones for `None`."""
        self._data = data
        self._at = 0
        self._ended = False
        self.was_read = False

    def read(self, count: int) -> bytes:
        """Return up to `count` bytes, b"" at the end; live ones are waited for."""
        self.was_read = True
        if self._data is not None:
            piece = self._data[self._at : self._at + count]
            self._at += len(piece)
            return piece
        if self._ended or count <= 0:
            return b""
        flush_all()
        piece = ports.read(min(count, STDIN_BYTES_MAX))[:count]
        self._ended = not piece
        return piece


class RawIn(io.RawIOBase):
    """Standard input as bytes."""

    name = "<stdin>"
    mode = "rb"

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` with the next bytes; 0 at the end."""
        view = memoryview(buffer).cast("B")
        piece = STDIN.read(len(view))
        view[: len(piece)] = piece
        return len(piece)

    def readable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return 0, though the WASI stream of that number is empty."""
        return 0


STDIN: Final = Source()
STDOUT: Final = Sink(wire.STDOUT)
STDERR: Final = Sink(wire.STDERR)


def new_stdout() -> TextOut:
    """Return an open `sys.stdout`."""
    return TextOut(STDOUT, "<stdout>", 1, "strict")


def new_stderr() -> TextOut:
    """Return an open `sys.stderr`, which never refuses a character."""
    return TextOut(STDERR, "<stderr>", 2, "backslashreplace")


def new_stdin() -> io.TextIOWrapper:
    """Return an open `sys.stdin`."""
    return io.TextIOWrapper(io.BufferedReader(RawIn()), encoding="utf-8")


def write_descriptor(descriptor: int, data: Any, /) -> int:
    """`os.write`: the numbers of the standard streams lead to the same place as the streams."""
    sink = _BY_NUMBER.get(descriptor)
    if sink is None:
        return _os_write(descriptor, data)
    piece = bytes(memoryview(data).cast("B"))
    sink.put_bytes(piece)
    sink.flush()
    return len(piece)


def read_descriptor(descriptor: int, count: int, /) -> bytes:
    """`os.read`, of which number 0 is standard input."""
    if descriptor != 0:
        return _os_read(descriptor, count)
    if count < 0:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    return STDIN.read(count)


_os_write, _os_read = os.write, os.read
_BY_NUMBER: Final = {1: STDOUT, 2: STDERR}


def install() -> None:
    """Take the place of the functions of `os` that know the standard streams by number."""
    os.write = write_descriptor
    os.read = read_descriptor


def flush_all() -> None:
    """Emit what both streams hold, before the guest waits for something."""
    STDOUT.emit()
    STDERR.emit()
