"""Where the guest's streams go: our standard output and standard error.

To a pipe or a file they pass byte for byte. A terminal obeys what it is sent (it sets titles and
clipboards, and answers as if typed), so there the guest's text passes through `Filter` unless
`--raw` is given.

Rule 1: a line of ours starts on a line of its own, in the terminal's plain colours.
Rule 2: a reader that went away is not an error message; it ends the run (`on_broken`).
"""

from __future__ import annotations

import codecs
import errno
import os
from collections.abc import Callable
from typing import Literal

type Stream = Literal["stdout", "stderr"]

STDOUT_FD, STDERR_FD = 1, 2
#: Plain colours; and before that, where anything may have passed, a soft reset: cursor, modes,
#: margins, character sets.
_RESET, _SOFT_RESET = b"\x1b[0m", b"\x1b[!p"


class Filter:
    """Makes a stream harmless to a terminal. Pieces in, pieces out, cut anywhere.

    Pass: printable text, newline, tab, carriage return, backspace, colours, and motion and erasure
    inside the line, which is what progress bars need. Every other control character is shown as
    `cat -v` shows it, so that nobody has to wonder what was hidden.
    """

    def __init__(self) -> None:
        import re

        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._unfinished = re.compile(r"\x1b(?:\[[0-9;:]{0,32})?\Z")
        self._control = re.compile(
            r"(?P<harmless>\x1b\[[0-9;:]{0,32}[mKGCD])|[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f]"
        )

    def feed(self, data: bytes, *, end: bool = False) -> bytes:
        """Return what of the stream so far is safe to show; `end` also gives what was held."""
        text = self._held + self._decoder.decode(data, end)
        self._held = ""
        if not end and (unfinished := self._unfinished.search(text)):
            self._held = text[unfinished.start() :]
            text = text[: unfinished.start()]
        shown = self._control.sub(
            lambda found: found[0] if found["harmless"] else visible(found[0]), text
        )
        return shown.encode("utf-8", "replace")


def visible(control: str) -> str:
    """Return a control character as `cat -v` shows it: `^[` for escape, `M-^[` for its C1 twin."""
    code = ord(control)
    return (
        "^?" if code == 0x7F else f"M-^{chr(code - 0x40)}" if code > 0x7F else f"^{chr(code + 64)}"
    )


class Screen:
    """Writes both streams of a guest, and our own lines between and after them."""

    def __init__(self, *, raw: bool = False, on_broken: Callable[[], None] | None = None) -> None:
        """`on_broken` is called once, on the writing thread, when standard output is gone."""
        terminals = {fd: os.isatty(fd) for fd in (STDOUT_FD, STDERR_FD)}
        self._filters = {fd: Filter() for fd, terminal in terminals.items() if terminal and not raw}
        self._terminals = terminals
        self._reset = _SOFT_RESET + _RESET if raw else _RESET
        self._same_place = os.path.sameopenfile(STDOUT_FD, STDERR_FD)
        self._tail = {STDOUT_FD: b"\n", STDERR_FD: b"\n"}
        self._coloured = False
        self._gone: set[int] = set()
        self._on_broken = on_broken
        #: Why standard output cannot be written, where it is not simply closed.
        self.failure: OSError | None = None

    @property
    def is_broken(self) -> bool:
        """True if nobody reads our standard output any more."""
        return STDOUT_FD in self._gone

    def write(self, stream: Stream, data: bytes) -> None:
        """Pass on a piece of a stream of the guest."""
        fd = STDOUT_FD if stream == "stdout" else STDERR_FD
        if fd in self._filters:
            data = self._filters[fd].feed(data)
        self._put(fd, data)

    def finish(self) -> None:
        """Show what the filters held, and give the terminal its plain colours back."""
        for fd, held in self._filters.items():
            self._put(fd, held.feed(b"", end=True))
        if self._coloured:
            self._coloured = False
            self._send(STDOUT_FD if self._terminals[STDOUT_FD] else STDERR_FD, self._reset)

    def note_typed(self) -> None:
        """Note that the terminal has shown something that was typed: `^C`."""
        for fd, is_terminal in self._terminals.items():
            if is_terminal:
                self._tail[fd] = b"C"

    def line(self, text: str) -> None:
        """Write a line of ours to standard error, on a line of its own."""
        tail = self._tail[STDERR_FD]
        self._put(STDERR_FD, (b"" if tail == b"\n" else b"\n") + f"cellblock: {text}\n".encode())

    def _put(self, fd: int, data: bytes) -> None:
        if not data:
            return
        for other in self._tail if self._same_place else (fd,):
            self._tail[other] = data[-1:]
        if self._terminals[fd] and b"\x1b" in data:
            self._coloured = True
        self._send(fd, data)

    def _send(self, fd: int, data: bytes) -> None:
        if fd in self._gone:
            return
        try:
            write_all(fd, data)
        except OSError as error:
            self._gone.add(fd)
            if fd == STDOUT_FD:
                if error.errno != errno.EPIPE:
                    self.failure = error
                if self._on_broken is not None:
                    self._on_broken()


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`, also where somebody made the descriptor non-blocking.

    Raises:
        OSError: nobody reads, or the disk is full.
    """
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            import select

            select.select((), (fd,), ())
