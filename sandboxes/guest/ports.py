"""The three calls out of the guest, as one place to set them.

Until `app` connects them they swallow everything: the imports of a component cannot be called
while its snapshot is taken, and tests connect their own.
"""

from __future__ import annotations

from collections.abc import Callable


def _no_emit(kind: int, text: str) -> None:
    pass


def _no_call(name: str, payload: str) -> str:
    raise RuntimeError("no host is connected")


def _no_stdin(count: int) -> str:
    return ""


emit: Callable[[int, str], None] = _no_emit
call: Callable[[str, str], str] = _no_call
read_stdin: Callable[[int], str] = _no_stdin


def connect(
    emit_: Callable[[int, str], None],
    call_: Callable[[str, str], str],
    read_stdin_: Callable[[int], str],
) -> None:
    """Use these from now on."""
    global emit, call, read_stdin
    emit, call, read_stdin = emit_, call_, read_stdin_


def disconnect() -> None:
    """Swallow everything again."""
    connect(_no_emit, _no_call, _no_stdin)
