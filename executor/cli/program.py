"""What `cellblock run` is to run: text, a script, a script by standard input, or a WASI program.

A script's standard input is ours, live, so that it may be a terminal or a pipe that stays open; the
run's deadline holds whether anybody feeds it or not. A WASI program takes its input whole.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Literal

from executor.cli import convert
from executor.cli.flags import CODE, RESULT, STDIN, Parsed, UsageError

WASM_MAGIC = b"\0asm"
_PIECE_BYTES = 1 << 20
#: Asks for the value of the last expression, as at an interactive prompt.
LAST_VALUE = "_"

type ProgramKind = Literal["text", "input", "module"]


class Program:
    """What is to be run, and the name that its traceback and `sys.argv[0]` show."""

    def __init__(self, kind: ProgramKind, filename: str, args: list[str], source: str = "") -> None:
        self.kind = kind
        self.filename = filename
        self.args = args
        self._source = source

    @classmethod
    def of(cls, parsed: Parsed) -> Program:
        """Return the program that the command line names; read, unless it comes by our input.

        Raises:
            UsageError: none is named, two are, or it cannot be read.
        """
        if code := parsed.last(CODE.name):
            return cls("text", "<string>", parsed.words, code.text)
        if not parsed.words:
            raise UsageError("name a script: cellblock run FILE, or -c CODE, or - for input")
        name, *args = parsed.words
        if name == "-":
            return cls("input", "<stdin>", args)
        if _is_wasm(name):
            return cls("module", name, args)
        source = convert.source_text(convert.read_bytes(name), name[:200])
        return cls("text", name, args, source)

    def source(self) -> str | None:
        """Return the text to run, None for a module. Waits for our input where that is the script.

        Raises:
            UsageError: it is too long, or no text.
        """
        if self.kind == "module":
            return None
        if self.kind == "input":
            data = b"" if sys.stdin is None else sys.stdin.buffer.read(convert.READ_BYTES_MAX + 1)
            if len(data) > convert.READ_BYTES_MAX:
                raise UsageError(f"-: the script is over {convert.READ_BYTES_MAX >> 20} MiB")
            return convert.source_text(data, "-")
        return self._source

    def stdin(self, parsed: Parsed, within_s: float) -> bytes:
        """Return the input of a WASI program, which takes it whole before it starts.

        A terminal gives none: we would have to wait for its end before anything could be shown.

        Raises:
            TimeoutError: the input did not end within the time that the run may take.
            UsageError: it is too long.
        """
        if self.kind != "module" or not _wants_input(parsed) or os.isatty(0):
            return b""
        return whole_input(within_s)

    def options(self, parsed: Parsed) -> dict[str, Any]:
        """Return what of the run depends on the program."""
        options: dict[str, Any] = {"filename": self.filename, "argv": self.args}
        result = parsed.last(RESULT.name)
        if self.kind == "module":
            if result is not None:
                raise UsageError(f"{result.origin}: a .wasm program has no result; drop it")
            options |= {"module": self.filename, "filename": os.path.basename(self.filename)}
        else:
            last_value = result is not None and result.text == LAST_VALUE
            options["mode"] = "cell" if last_value else "script"
            if result is not None and not last_value:
                if not result.text.isidentifier():
                    raise UsageError(
                        f"{result.origin} must name a global, or be _ for the last value, "
                        f"not {result.text[:80]!r}"
                    )
                options["result"] = result.text
        if self.kind == "text" and _wants_input(parsed):
            options["stdin"] = OurInput()
        return options


def _is_wasm(path: str) -> bool:
    if path.endswith(".wasm"):
        return True
    try:
        with open(path, "rb") as file:
            return file.read(4) == WASM_MAGIC
    except (OSError, ValueError):
        return False  # reading the script says why


class OurInput:
    """Our standard input as it comes, without a buffer of Python's in between."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes of what is there; nothing at the end."""
        return os.read(0, size)

    def fileno(self) -> int:
        """Return its descriptor, so that nothing is read once the guest has ended."""
        return 0


def whole_input(within_s: float) -> bytes:
    """Return our standard input to its end.

    Raises:
        TimeoutError: it did not end within `within_s` seconds.
        UsageError: it is too long to be handed over whole.
    """
    import select
    import time

    pieces: list[bytes] = []
    left_bytes, deadline = convert.READ_BYTES_MAX, time.monotonic() + within_s
    while select.select((0,), (), (), max(0.0, deadline - time.monotonic()))[0]:
        piece = os.read(0, _PIECE_BYTES)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        left_bytes -= len(piece)
        if left_bytes < 0:
            raise UsageError(f"standard input is over {convert.READ_BYTES_MAX >> 20} MiB; use -v")
    raise TimeoutError


def _wants_input(parsed: Parsed) -> bool:
    return parsed.on(STDIN.name, default=True) and _may_read()


def _may_read() -> bool:
    """Return False for a terminal that we are in the background of: a read would stop us."""
    if sys.stdin is None:
        return False
    if not os.isatty(0):
        return True
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False
