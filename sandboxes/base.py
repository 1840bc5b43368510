"""The contract between a cell and the sandboxes it holds. One cell loop serves every kind.

A `Backend` is loaded once in a cell and gives `Sandbox`es: fresh, warmed, never used. The cell's
main thread calls `run`; the cell's frames thread may call `interrupt` at any time. What the guest
says while it runs goes to a `Host`, whose methods are called on the main thread.

Rule: what a guest does is an `Ended`; only a failure of ours is an exception (`SandboxBroken`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from protocol.messages import Error, Run, Timings, Usage, Verdict
from protocol.structs import field, frozen

type Stream = Literal["stdout", "stderr"]


class RunOver(Exception):
    """Raised by a `Host` method when the run must not go on; the sandbox ends it with `verdict`."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict)
        self.verdict = verdict


@frozen
class HostAnswer:
    """What a host function gave: `value` (`protocol.values` bytes), or `error`.

    `buffers` are the value's out-of-band buffers, if it has any.
    """

    value: bytes = b""
    error: Error | None = None
    buffers: Sequence[bytes] = ()


class Host(Protocol):
    """What a running guest may say. The implementation enforces the run's caps."""

    def output(self, stream: Stream, data: bytes) -> None:
        """Take a piece of a stream; what is over the run's cap is dropped and flagged."""

    def flush(self) -> None:
        """Send on what was taken of both streams, so that it outlives this process."""

    def log(self, level: int, logger: str, message: str, fields: dict[str, str]) -> None:
        """Take one log entry; over the cap on entries it is dropped and counted."""

    def mark_truncated(self, stream: Stream) -> None:
        """Note that the sandbox cut the stream before it gave it to `output`."""

    def progress(self, permille: int, message: str) -> None:
        """Take a note of progress."""

    def call(self, function: str, arguments: bytes, buffers: Sequence[bytes] = ()) -> HostAnswer:
        """Call a host function and wait; `buffers` are the out-of-band buffers of `arguments`.

        Raises:
            RunOver: the deadline passed, the run was cancelled, or the calls are used up.
        """
        ...

    def read_stdin(self, count: int) -> bytes:
        """Return up to `count` bytes of live input, b"" at its end; waits for them.

        Raises:
            RunOver: as for `call`.
        """
        ...


@frozen
class Order:
    """One run as the cell was asked for it."""

    run: Run
    buffers: Sequence[memoryview]


@frozen
class Ended:
    """How a run ended. The cell adds what its own caps and clock know and sends it as `Done`."""

    verdict: Verdict
    exit_code: int | None = None
    error: Error | None = None
    value: bytes | None = None
    out_of_band: Sequence[bytes] = ()
    files: dict[str, bytes] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    timings: Timings = field(default_factory=Timings)
    #: False if the sandbox must not be used again, whatever the caller wanted.
    reusable: bool = False


class Sandbox(Protocol):
    """One place where one guest runs. Fresh until its first `run`."""

    def warm_up(self) -> None:
        """Run what makes the first `run` quicker, once, ahead of it; leaves the sandbox fresh.

        Raises:
            SandboxBroken: it does not run.
        """

    def run(self, order: Order, host: Host) -> Ended:
        """Run a guest and return how it ended. Called on the cell's main thread alone.

        Raises:
            SandboxBroken: our side failed; the caller discards the sandbox, and in doubt the cell.
        """
        ...

    def interrupt(self, verdict: Verdict) -> None:
        """Make a `run` at hand end soon with `verdict`. Any thread; harmless when idle."""

    def files_bytes(self) -> int:
        """Return the bytes the guest wrote to files in its current run. Any thread."""
        ...

    def close(self) -> None:
        """Free it. Idempotent; not called while `run` is at hand."""


class Backend(Protocol):
    """A loaded image: makes fresh sandboxes."""

    #: A cell says that it is ready once its stock is warmed up; else it warms it up while it idles.
    warms_up_first: bool

    def fresh(self, order: Order | None = None) -> Sandbox:
        """Return a never used sandbox.

        Args:
            order: the run that waits for it, which it may depend on; `None` for stock.
        """
        ...

    def fits_stock(self, run: Run) -> bool:
        """Return whether a sandbox from stock can serve `run` with all its limits in force."""
        ...

    def heap_bytes(self) -> int:
        """Return the memory this process holds for guests, for the cell's report."""
        ...

    @property
    def is_spent(self) -> bool:
        """True once this process must serve nothing more."""
        ...
