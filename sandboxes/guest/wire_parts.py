"""What a cell and its guest tell each other, as values; `sandboxes.guest.wire` is their text.

Rule: this is packed into every guest. Each cap here is the sender's to keep and is checked again by
whoever unpacks what a guest sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from protocol.structs import frozen

#: Kinds of `emit`. RAW carries bytes that are not UTF-8, one character for each byte.
STDOUT: Final = 1
STDERR: Final = 2
LOG: Final = 3
PROGRESS: Final = 4
STDOUT_RAW: Final = 5
STDERR_RAW: Final = 6
#: "NUMBER ADDRESS": the guest has memory for an awaited piece, and the cell is to put it there.
FILL: Final = 7

ERROR_NAME_CHARS_MAX = 256
ERROR_MESSAGE_CHARS_MAX = 65_536
ERROR_TRACEBACK_CHARS_MAX = 262_144
LOG_FIELDS_MAX = 64
LOG_NAME_CHARS_MAX = 256
LOG_TEXT_CHARS_MAX = 65_536
PROGRESS_MESSAGE_CHARS_MAX = 4_096
PIECES_MAX = 4_100

type Inline = bytes | bytearray | memoryview


@frozen
class InFile:
    """A piece that stays in a file: `length_bytes` from `offset_bytes` on, at a guest's path."""

    path: str
    length_bytes: int
    offset_bytes: int = 0


@frozen
class Awaited:
    """A piece that the cell puts into the guest's memory, once the guest has some for it."""

    number: int
    length_bytes: int


@frozen
class InMemory:
    """A piece that lies in the guest's memory, where the cell reads it before the guest goes on."""

    address: int
    length_bytes: int


type Piece = Inline | InFile | Awaited | InMemory


@frozen
class Value:
    """A value in the form of `protocol.values`: its body and its out-of-band buffers."""

    body: Piece
    buffers: Sequence[Piece] = ()


@frozen
class Failure:
    """An exception as text, within the caps above."""

    name: str
    message: str
    traceback: str = ""


#: What a host function gave: a value, or the exception to raise in the guest.
type Answer = Value | Failure


@frozen
class Request:
    """One run, as the guest is asked for it.

    Args:
        source: text, or UTF-8.
        mode: "script" runs it as `__main__`; "cell" also takes the value of a last expression.
        result: name of a global that is the run's value instead; "" for none.
        functions: names that `import host` offers.
        stream: the host watches the streams, so lines are emitted more eagerly.
        deterministic: the guest reads no clock on its own account.
        stdin: where standard input comes from; "bytes" takes it from `stdin_data`.
        inputs: a dict with text keys; each becomes a global.
        cwd: a directory to change to first; "" to stay.
        session: runs with the same number, not 0, share their globals.
        reset: begin with new globals, whatever the session holds.
        log_level: entries of `logging` below it are not emitted.
        stdout_bytes, stderr_bytes, value_bytes: caps, in bytes.
    """

    source: Inline | str
    mode: Literal["script", "cell"] = "script"
    filename: str = "main.py"
    argv: Sequence[str] = ()
    env: Sequence[tuple[str, str]] = ()
    result: str = ""
    functions: Sequence[str] = ()
    stream: bool = False
    deterministic: bool = False
    stdin: Literal["empty", "bytes", "live"] = "empty"
    stdin_data: Piece = b""
    inputs: Value | None = None
    cwd: str = ""
    session: int = 0
    reset: bool = False
    log_level: int = 20
    stdout_bytes: int = 1 << 20
    stderr_bytes: int = 1 << 20
    value_bytes: int = 16 << 20


@frozen
class Reply:
    """How a run ended, as the guest tells it; the guest may lie.

    `stdout` and `stderr` are what was not emitted before. Times are microseconds.
    """

    verdict: Literal["ok", "exception", "exit", "memory", "value"]
    exit_code: int | None = None
    error: Failure | None = None
    value: Value | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    truncated_stdout: bool = False
    truncated_stderr: bool = False
    peak_memory_bytes: int = 0
    cpu_us: int = 0
    decode_us: int = 0
    run_us: int = 0
    encode_us: int = 0
