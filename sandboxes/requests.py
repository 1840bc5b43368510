"""From the order of a run to the request of the Python guest. No I/O but the size of a file.

The buffers of an order are those of its frame, then the spooled ones, which lie in files that the
guest can read. The source, the inputs, the input stream and the files name theirs; all others, in
their order, are the out-of-band buffers of the inputs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from protocol.messages import Run
from sandboxes.base import Order
from sandboxes.errors import SandboxBroken
from sandboxes.guest import wire


class Pieces:
    """The buffers of an order, wherever they are."""

    __slots__ = ("_guest_path", "_order", "_spool_path")

    def __init__(self, order: Order, spool_path: str, guest_path: str = "") -> None:
        """Read `order`.

        Args:
            order: the run as the cell was asked for it.
            spool_path: the folder of this machine that holds the spooled buffers.
            guest_path: that folder as the guest sees it, where it has another name there.
        """
        self._order = order
        self._spool_path = spool_path
        self._guest_path = guest_path or spool_path

    def __len__(self) -> int:
        return len(self._order.buffers) + len(self._order.run.spooled)

    def piece(self, index: int) -> wire.Piece:
        """Return a buffer as the guest gets it: inline, or as a file it can read."""
        inline = self._order.buffers
        if index < len(inline):
            return inline[index]
        name = self._name(index)
        return wire.InFile(f"{self._guest_path}/{name}", os.stat(self._path(name)).st_size)

    def data(self, index: int) -> bytes | memoryview:
        """Return a buffer's bytes."""
        inline = self._order.buffers
        if index < len(inline):
            return inline[index]
        with open(self._path(self._name(index)), "rb") as file:
            return file.read()

    def _name(self, index: int) -> str:
        spooled = self._order.run.spooled
        at = index - len(self._order.buffers)
        if not 0 <= at < len(spooled):
            raise SandboxBroken(f"a run names buffer {index}, and there is none")
        return spooled[at]

    def _path(self, name: str) -> str:
        if not self._spool_path or "/" in name or name in ("", ".", ".."):
            raise SandboxBroken(f"a run names the spooled file {name!r}")
        return f"{self._spool_path}/{name}"


def request_of(
    order: Order,
    pieces: Pieces,
    *,
    cwd: str,
    hold: Callable[[Sequence[wire.Piece]], Sequence[wire.Piece]] = lambda pieces: pieces,
) -> wire.Request:
    """Return the request for a run of Python code.

    Args:
        order: the run as the cell was asked for it.
        pieces: its buffers.
        cwd: a directory for the guest to change to; "" for none.
        hold: returns pieces as the guest is to get them.

    Raises:
        UnicodeDecodeError: the source is not UTF-8.
        SandboxBroken: the order names a buffer that is not there.
    """
    run = order.run
    return wire.Request(
        source=str(pieces.data(run.source), "utf-8"),
        mode=run.mode,
        filename=run.filename,
        argv=run.argv,
        env=tuple((variable.name, variable.value) for variable in run.env),
        result=run.result,
        functions=run.functions,
        stream=run.stream,
        deterministic=run.limits.fuel is not None,
        stdin="live" if run.stdin_live else "empty" if run.stdin is None else "bytes",
        stdin_data=b"" if run.stdin is None else hold([pieces.piece(run.stdin)])[0],
        inputs=_inputs(run, pieces, hold),
        cwd=cwd,
        session=run.session,
        stdout_bytes=run.limits.stdout_bytes,
        stderr_bytes=run.limits.stderr_bytes,
        value_bytes=run.limits.value_bytes,
    )


def _inputs(
    run: Run, pieces: Pieces, hold: Callable[[Sequence[wire.Piece]], Sequence[wire.Piece]]
) -> wire.Value | None:
    if run.inputs is None:
        return None
    named = {run.source, run.inputs, run.stdin, *(file.buffer for file in run.files)}
    rest = [pieces.piece(index) for index in range(len(pieces)) if index not in named]
    body, *rest = hold([pieces.piece(run.inputs), *rest])
    return wire.Value(body, rest)
