"""What a run says as the host takes it: streams up to their limits, entries and notes counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.errors import RemoteProtocolError
from protocol.limits import LOG_CHARS_MAX
from protocol.messages import Log, Progress

if TYPE_CHECKING:
    import codecs
    from collections.abc import Callable

    from executor.options import Stream


#: As in the cell: entries and notes of one run.
NOTES_MAX = 10_000


class Capture:
    """What came of one stream, up to its limit."""

    __slots__ = (
        "_callback", "_decoder", "_name", "_room_bytes", "_tell_bytes", "pieces", "truncated",
    )  # fmt: skip

    def __init__(
        self,
        name: Stream,
        limit_bytes: int,
        callback: Callable[[str], object] | None,
        tell_bytes: Callable[[Stream, bytes], object] | None,
    ) -> None:
        self._name = name
        self._tell_bytes = tell_bytes
        self.pieces: list[bytes] = []
        self.truncated = False
        self._room_bytes = limit_bytes
        self._callback = callback
        self._decoder: codecs.IncrementalDecoder | None = None

    def take(self, data: bytes) -> None:
        """Take the next piece; what is over the limit is dropped."""
        if len(data) > self._room_bytes:
            self.truncated = True
            data = data[: self._room_bytes]
        self._room_bytes -= len(data)
        if not data:
            return
        self.pieces.append(data)
        if self._tell_bytes is not None:
            self._tell_bytes(self._name, data)
        if self._callback is not None:
            self._tell(data, final=False)

    def end(self) -> bytes:
        """Tell the callback what a cut character leaves, and return the whole."""
        if self._decoder is not None:
            self._tell(b"", final=True)
        return self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces)

    def _tell(self, data: bytes, *, final: bool) -> None:
        if self._decoder is None:
            import codecs

            self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        text = self._decoder.decode(data, final)
        if text and self._callback is not None:
            self._callback(text)


def is_plain(name: str) -> bool:
    """Return whether a file of that name stays in the folder that a host writes it to."""
    return "\0" not in name and all(part not in ("", ".", "..") for part in name.split("/"))


class Notes:
    """Counts the log entries and notes of progress of one run, as its cell has to."""

    def __init__(self) -> None:
        self._count = 0
        self._chars = 0

    def take(self, message: Log | Progress) -> None:
        """Count one more.

        Raises:
            RemoteProtocolError: an honest cell would not have sent it.
        """
        self._count += 1
        if self._count > NOTES_MAX:
            raise RemoteProtocolError(f"over {NOTES_MAX} log entries and notes")
        if isinstance(message, Log):
            self._chars += len(message.message) + sum(len(field.value) for field in message.fields)
            if self._chars > LOG_CHARS_MAX:
                raise RemoteProtocolError(f"over {LOG_CHARS_MAX} characters of log entries")
