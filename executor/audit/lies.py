"""Frames that a cell sends about its run, true to form or not: attacks on the protocol.

A lie is text, so that it reaches a cell's process and a careless host alike: the frame in
hexadecimal with a mark where the number of the run belongs.

Rule: nothing is checked here; a lie may be any bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

from protocol.frames import HEADER
from protocol.messages import KINDS

#: Stands for the number of the run at hand.
RUN: Final = 0xA77AC4_A77AC4
_MARK: Final = struct.pack("<Q", RUN)


def frame(
    message: type | int,
    body: bytes | str = b"",
    *buffers: bytes,
    run_id: int = RUN,
    flags: int = 0,
    buffer_count: int | None = None,
    payload_bytes: int | None = None,
    lengths: Sequence[int] | None = None,
) -> bytes:
    """Return the bytes of a frame.

    Args:
        message: its class, or any number in its place.
        body: its JSON, or anything else.
        buffers: behind the body.
        run_id: another one than that of the run at hand.
        flags, buffer_count, payload_bytes, lengths: what the header claims, where it lies.
    """
    kind = message if isinstance(message, int) else KINDS[message]
    told = [len(buffer) for buffer in buffers] if lengths is None else list(lengths)
    text = body.encode() if isinstance(body, str) else body
    payload = struct.pack(f"<{len(told)}I", *told) + text + b"".join(buffers)
    claimed = len(payload) if payload_bytes is None else payload_bytes
    count = len(told) if buffer_count is None else buffer_count
    return HEADER.pack(claimed, kind, flags, count, run_id) + payload


def told(lie: bytes, run_id: int) -> bytes:
    """Return a lie as it is told of a run."""
    return lie.replace(_MARK, struct.pack("<Q", run_id))


def as_text(lies: Sequence[bytes], times: int) -> tuple[str, ...]:
    """Return lies, all of them said so many times, as texts that reach another process."""
    return (str(times), *(lie.hex() for lie in lies))


def from_text(texts: Sequence[str]) -> tuple[list[bytes], int]:
    """Return lies and how often they are said."""
    return [bytes.fromhex(text) for text in texts[1:]], int(texts[0])


def done(**fields: Any) -> str:
    """Return the body of a `Done` that says that all is well, with `fields` beside it."""
    import json

    return json.dumps({"verdict": "ok", **fields})
