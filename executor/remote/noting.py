"""What the host is told of what befell its run on the way, in words that every host knows.

A log entry of the logger `LOGGER` says how much output is missing, where it is missing; the run's
ending then says that its streams are cut. Another says that the run begins again.
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
    return _entry(run_id, f"dropped on the way here: {text}")


def begun_again(run_id: int) -> Frame:
    """Return the entry that says that the guest may have begun before, on another machine."""
    return _entry(run_id, "begun again, as the machine that had begun it was lost")


def _entry(run_id: int, text: str) -> Frame:
    [frame] = FrameDecoder().feed(b"".join(encode_message(Log(WARNING, LOGGER, text), run_id)))
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
