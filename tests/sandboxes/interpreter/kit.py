"""A real cell of interpreters in a process of its own, spoken to as the supervisor speaks to it."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from protocol.frames import FrameDecoder
from protocol.messages import (
    CellHello,
    Done,
    File,
    HostCall,
    HostReply,
    Message,
    Output,
    Ready,
    Report,
    Run,
    RunLimits,
    Setup,
)
from protocol.reading import decode_frame, encode_message
from protocol.values import decode, encode

ROOT = Path(__file__).resolve().parents[3]
CELL = ROOT / "sandboxes" / "cell.py"
WAIT_S = 60.0
type Said = tuple[Message, int, list[bytes]]


def limits(**changes: int) -> RunLimits:
    values: dict[str, Any] = {
        "wall_ms": 30_000, "memory_bytes": 1 << 28, "stdout_bytes": 1 << 20,
        "stderr_bytes": 1 << 20, "value_bytes": 1 << 24, "host_calls": 1_000, "files_bytes": 0,
    }  # fmt: skip
    return RunLimits(**{**values, **changes})


class Ended:
    """How a run ended, and what it had said before."""

    def __init__(
        self, done: Done, buffers: Sequence[bytes], said: list[Said], ready: Ready
    ) -> None:
        self.done, self.said, self.ready = done, said, ready
        self.verdict = done.verdict.value
        tail = b"" if done.stdout is None else buffers[done.stdout]
        pieces = [b[0] for m, _, b in said if isinstance(m, Output) and m.stream == "stdout"]
        self.stdout = b"".join([*pieces, tail]).decode()
        self.error = done.error
        self.value: Any = None
        if done.value is not None:
            rest = [] if done.out_of_band is None else buffers[done.out_of_band :]
            self.value = decode(buffers[done.value], list(rest))


class Cell:
    """The supervisor's end of one cell."""

    def __init__(self, setup: Setup) -> None:
        ours, theirs = socket.socketpair()
        script = (
            f"import os, sys; os.dup2({theirs.fileno()}, 3); os.execv(sys.executable, {ARGV!r})"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", script], pass_fds=(theirs.fileno(), 3)
        )
        theirs.close()
        self.sock = ours
        self.sock.settimeout(WAIT_S)
        self._decoder = FrameDecoder()
        self._pending: list[Said] = []
        self._said: dict[int, list[Said]] = {}
        self._ended: dict[int, Ended] = {}
        self.last_ready: Ready | None = None
        self._next = 0
        assert isinstance(self.hear()[0], CellHello)
        self.send(setup)

    def send(self, message: Message, run_id: int = 0, buffers: Sequence[bytes] = ()) -> None:
        self.sock.sendall(b"".join(encode_message(message, run_id, buffers)))

    def hear(self) -> Said:
        while not self._pending:
            data = self.sock.recv(1 << 20)
            if not data:
                raise EOFError("the cell is gone")
            for frame in self._decoder.feed(data):
                message, buffers = decode_frame(frame)
                self._pending.append((message, frame.run_id, [bytes(b) for b in buffers]))
        said = self._pending.pop(0)
        assert not isinstance(said[0], Report), said[0]
        return said

    def says_within(self, seconds: float) -> bool:
        """Return whether the cell says something in time; for tests that it says nothing."""
        return bool(self._pending or select.select([self.sock], [], [], seconds)[0])

    def wait_ready(self) -> Ready:
        message, _, _ = self.hear()
        assert isinstance(message, Ready), message
        return message

    def begin(self, source: str, *, inputs: dict[str, Any] | None = None, **fields: Any) -> int:
        """Send a run; return its id."""
        self._next += 1
        buffers = [source.encode()]
        if inputs is not None:
            encoded = encode(inputs)
            fields["inputs"] = 1
            buffers += [encoded.body, *map(bytes, encoded.buffers)]
        fields.setdefault("limits", limits())
        fields.setdefault("mode", "cell")
        self.send(Run(**fields), self._next, buffers)
        self._said[self._next] = []
        return self._next

    def wait(self, run_id: int) -> Ended:
        """Return how a run ended; answers calls of `twice` meanwhile."""
        while run_id not in self._ended:
            self._take(*self.hear())
        return self._ended.pop(run_id)

    def wait_said(self, run_id: int, cls: type) -> None:
        """Return once a run has said a message of `cls`."""
        while not any(isinstance(said[0], cls) for said in self._said[run_id]):
            self._take(*self.hear())

    def _take(self, message: Message, run_id: int, buffers: list[bytes]) -> None:
        if isinstance(message, Ready):
            self.last_ready = message
        elif isinstance(message, Done):
            ready, _, _ = self.hear()
            assert isinstance(ready, Ready), "readiness goes with the answer"
            self.last_ready = ready
            self._ended[run_id] = Ended(message, buffers, self._said.pop(run_id), ready)
        else:
            self._said[run_id].append((message, run_id, buffers))
            if isinstance(message, HostCall) and message.function == "twice":
                arguments: Any = decode(buffers[0], buffers[1:])
                self.send(HostReply(message.call), run_id, [encode(arguments[0][0] * 2).body])

    def run(self, source: str, **fields: Any) -> Ended:
        return self.wait(self.begin(source, **fields))

    def run_with_files(self, source: str, files: dict[str, bytes], **fields: Any) -> Ended:
        """Run with files by value in the guest's folder."""
        given = tuple(File(name, index) for index, name in enumerate(files, 1))
        self._next += 1
        self._said[self._next] = []
        run = Run(mode="cell", files=given, **fields)
        self.send(run, self._next, [source.encode(), *files.values()])
        return self.wait(self._next)

    def close(self) -> None:
        self.sock.close()
        self.process.wait(WAIT_S)


@contextmanager
def cell_of(slots: int = 2, stock: int = 2, preload: tuple[str, ...] = ()) -> Iterator[Cell]:
    """Start a cell and end it."""
    setup = Setup(1, "interpreter", "", stock, 1 << 28, slots=slots, preload=preload)
    cell = Cell(setup)
    try:
        yield cell
    finally:
        cell.process.kill()
        cell.close()


def _library() -> str:
    import wasmtime

    return os.path.dirname(os.path.dirname(wasmtime.__file__))


ARGV = [sys.executable, "-I", "-S", "-E", str(CELL), _library()]
