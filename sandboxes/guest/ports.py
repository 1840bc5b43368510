"""The three calls out of the guest, as one place to set them.

    emit         output, log entries and progress
    ask          one call of a host function
    read         live standard input

Whoever carries the guest's words as text connects three functions of texts (`connect`); whoever
takes them as values, in the same process, three of values (`connect_values`). Until then they
swallow everything: the imports of a component cannot be called while its snapshot is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sandboxes.guest import wire


class Memory(Protocol):
    """Large pieces that cross through the guest's own memory, where its cell can reach that."""

    def place(self, value: wire.Value) -> wire.Value:
        """Return a value whose large pieces stay where they are until `release`."""
        ...

    def fetch(self, piece: wire.Piece) -> wire.Inline:
        """Return a piece, from the cell if that holds it.

        Raises:
            MemoryError: there is no room for it.
        """
        ...

    def release(self) -> None:
        """Keep no more what was placed."""


def _no_emit(kind: int, text: str) -> None:
    pass


def _no_answer(name: str, arguments: wire.Value) -> wire.Answer:
    raise RuntimeError("no host is connected")


def _no_input(count: int) -> bytes:
    return b""


#: `None` where everything crosses as text, or as values.
memory: Memory | None = None
emit: Callable[[int, str], None] = _no_emit
ask: Callable[[str, wire.Value], wire.Answer] = _no_answer
read: Callable[[int], bytes] = _no_input


def connect(
    emit_: Callable[[int, str], None],
    call_: Callable[[str, str], str],
    read_stdin_: Callable[[int], str],
    memory_: Memory | None = None,
) -> None:
    """Use these functions of texts from now on, and `memory_` for what is large."""
    global memory

    def ask_(name: str, arguments: wire.Value) -> wire.Answer:
        if memory_ is None:
            return wire.unpack_answer(call_(name, wire.pack_call(arguments)))
        text = call_(name, wire.pack_call(memory_.place(arguments)))
        memory_.release()
        answer = wire.unpack_answer(text)
        if isinstance(answer, wire.Failure):
            return answer
        body, *buffers = map(memory_.fetch, (answer.body, *answer.buffers))
        return wire.Value(body, buffers)

    connect_values(emit_, ask_, lambda count: wire.unpack_stdin(read_stdin_(count)))
    memory = memory_


def connect_values(
    emit_: Callable[[int, str], None],
    ask_: Callable[[str, wire.Value], wire.Answer],
    read_: Callable[[int], bytes],
) -> None:
    """Use these functions of values from now on."""
    global emit, ask, read, memory
    emit, ask, read, memory = emit_, ask_, read_, None


def disconnect() -> None:
    """Swallow everything again."""
    connect_values(_no_emit, _no_answer, _no_input)
