"""What the host is told of output that was lost on its way, in words that every host knows.

A log entry of the logger `LOGGER` says how much is missing, where it is missing; the run's ending
then says that its streams are cut.
"""

from __future__ import annotations

from typing import Final

from protocol.frames import Frame, FrameDecoder
from protocol.messages import KINDS, Done, Log
from protocol.reading import decode_frame, encode_message

LOGGER: Final = "cellblock.link"
#: `logging.WARNING`, whose module costs 15 ms.
WARNING: Final = 30
_DONE: Final = KINDS[Done]


def dropped(run_id: int, output_bytes: int, entries: int) -> Frame:
    """Return the entry that says how much is missing."""
    missing = []
    if output_bytes:
        missing.append(f"{output_bytes} bytes of output")
    if entries:
        missing.append(f"{entries} log entries and notes")
    text = " and ".join(missing) or "nothing"
    parts = encode_message(Log(WARNING, LOGGER, f"dropped on the way here: {text}"), run_id)
    [frame] = FrameDecoder().feed(b"".join(parts))
    return frame


def cut(frame: Frame) -> Frame:
    """Return an ending that says that output is missing.

    Raises:
        RemoteProtocolError: it cannot be read.
    """
    if frame.kind != _DONE:
        return frame
    done, buffers = decode_frame(frame)
    assert isinstance(done, Done)
    changed = done.__replace__(truncated_stdout=True, truncated_stderr=True)
    [made] = FrameDecoder().feed(b"".join(encode_message(changed, frame.run_id, buffers)))
    return made
