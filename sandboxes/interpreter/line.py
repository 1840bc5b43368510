"""What main and a guest's interpreter say to each other, as bytes on a socket pair.

    main   --RUN, ANSWER, OVER-->  guest
    guest  --BOOTED, EMIT, CALL, STDIN, SHARE, CUT, REPLY, LEFT-->  main

A message is one byte for its kind, eight for its length, and that many more. A guest says at any
time what needs no answer; after CALL, STDIN and SHARE it waits for one ANSWER, or for OVER.

Rule: a length is checked before a byte of its message is kept.
"""

from __future__ import annotations

import posix
import struct
from typing import Final

from protocol.errors import RemoteProtocolError

#: A request, in the words of `sandboxes.guest.wire`.
RUN: Final = 1
ANSWER: Final = 2
#: No answer: the run is over.
OVER: Final = 3
#: Ready for a first run.
BOOTED: Final = 16
#: One byte for the kind of entry, then its text.
EMIT: Final = 17
#: The function's name, a line feed, the payload.
CALL: Final = 18
#: How many bytes of input, as decimal text.
STDIN: Final = 19
#: A size in bytes and a name, see `sandboxes.interpreter.blocks`.
SHARE: Final = 20
REPLY: Final = 21
#: Code of the guest was interrupted, so whatever it replies, it did not come to its end.
CUT: Final = 23
#: Nothing more comes of this run; main's own word, said at the guest's end of the line.
LEFT: Final = 22
#: What a guest waits for an answer to.
QUESTIONS: Final = frozenset({CALL, STDIN, SHARE})

#: The name by which main finds the guest's side in an interpreter.
HOOK: Final = "_cellblock"

_HEADER: Final = struct.Struct("=BQ")
_READ_BYTES_MAX: Final = 1 << 20


def send(fd: int, kind: int, *parts: bytes) -> None:
    """Write one message; blocks while the other side does not read.

    Raises:
        OSError: the other side is closed.
    """
    data = memoryview(b"".join((_HEADER.pack(kind, sum(map(len, parts))), *parts)))
    while data:
        data = data[posix.write(fd, data) :]


def receive(fd: int, bytes_max: int) -> tuple[int, bytes] | None:
    """Read one message: its kind and what is in it; `None` once the other side is closed.

    Raises:
        RemoteProtocolError: it is longer than `bytes_max`, or ends in the middle.
    """
    header = posix.read(fd, _HEADER.size)
    if not header:
        return None
    while len(header) < _HEADER.size:
        header += _some(fd, _HEADER.size - len(header))
    kind, size = _HEADER.unpack(header)
    if size > bytes_max:
        raise RemoteProtocolError(f"line: a message of {size} bytes, over the cap of {bytes_max}")
    if not size:
        return kind, b""
    first = _some(fd, size)
    if len(first) == size:
        return kind, first
    pieces, missing = [first], size - len(first)
    while missing:
        piece = _some(fd, missing)
        pieces.append(piece)
        missing -= len(piece)
    return kind, b"".join(pieces)


def _some(fd: int, count: int) -> bytes:
    piece = posix.read(fd, min(count, _READ_BYTES_MAX))
    if not piece:
        raise RemoteProtocolError("line: it ends in the middle of a message")
    return piece
