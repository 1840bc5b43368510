"""One run inside a cell: its caps, its conversation with the host, its ending.

The main thread speaks through it (`sandboxes.base.Host`); the frames thread answers and interrupts.
Rule 1: every cap on what a guest may say is enforced here, whatever the guest's own code does.
Rule 2: after `interrupt`, every wait ends and every call raises `RunOver`.
Rule 3: what the host would take for a lie of the cell is refused here: a guest that asks for what
        its run has not got ends by it, and not its cell with all sessions and neighbours.
"""

from __future__ import annotations

import _thread
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.frames import Buffer
from protocol.limits import LOG_CHARS_MAX
from protocol.messages import (
    Done,
    Error,
    File,
    HostCall,
    HostReply,
    Log,
    Message,
    Output,
    Progress,
    RunLimits,
    StdinWanted,
    Timings,
    Usage,
    Variable,
    Verdict,
)
from sandboxes.base import Ended, HostAnswer, Order, RunOver, Sandbox, Stream

#: Log entries and notes of progress of one run; more are dropped.
NOTES_MAX = 10_000
LOG_TEXT_CHARS_MAX = 65_536
FIELDS_MAX = 64
NAME_CHARS_MAX = 256
LINE_CHARS_MAX = 4_096
STDIN_BYTES_MAX = 1 << 20

#: The answer to a run of a session whose sandbox is not there.
SESSION_GONE = Ended(
    Verdict.CRASHED, error=Error("SessionLost", "the sandbox kept for the session is gone")
)

type Send = Callable[[Message, int, Sequence[Buffer]], None]


def lost(why: str) -> Ended:
    """Return the ending of a run that had no sandbox."""
    return Ended(Verdict.CRASHED, error=Error("SandboxLost", why))


class _Capture:
    """One stream: counted, cut at its cap, held until somebody flushes it."""

    __slots__ = ("cap_bytes", "kept_bytes", "pieces", "truncated")

    def __init__(self, cap_bytes: int) -> None:
        self.cap_bytes = cap_bytes
        self.kept_bytes = 0
        self.pieces: list[bytes] = []
        self.truncated = False

    def take(self, data: bytes) -> bytes:
        """Return what of `data` is under the cap, and count it."""
        room_bytes = self.cap_bytes - self.kept_bytes
        if len(data) > room_bytes:
            self.truncated = True
            data = _whole_characters(data[:room_bytes])
            self.cap_bytes = self.kept_bytes + len(data)  # nothing may follow a cut
        self.kept_bytes += len(data)
        return data

    def drain(self) -> bytes:
        """Return what is held and hold nothing."""
        held, self.pieces = b"".join(self.pieces), []
        return held


class RunAtHand:
    """The run a cell works on, from its frame to its `Done`."""

    def __init__(
        self,
        run_id: int,
        order: Order,
        send: Send,
        now: float,
        *,
        watch: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin it.

        Args:
            run_id: its number.
            order: what is to run.
            send: sends a message about it.
            now: monotonic seconds; the wall limit counts from it.
            watch: called ahead of each wait for an answer, so that somebody reads it.
        """
        self._watch = watch
        self.run_id = run_id
        self.order = order
        self.limits: RunLimits = order.run.limits
        self.deadline = now + self.limits.wall_ms / 1_000
        self.interrupted: Verdict | None = None
        self.host_calls = 0
        self._send = send
        self._sandbox: Sandbox | None = None
        self._lock = _thread.allocate_lock()
        self._streams: dict[Stream, _Capture] = {
            "stdout": _Capture(self.limits.stdout_bytes),
            "stderr": _Capture(self.limits.stderr_bytes),
        }
        self._notes = 0
        self._log_chars = 0
        self._replies: SimpleQueue[tuple[HostReply, list[bytes]] | None] = SimpleQueue()
        self._stdin: SimpleQueue[tuple[bytes, bool] | None] = SimpleQueue()
        self._stdin_wanted = False
        self._stdin_held = b""
        self._stdin_ended = False

    @property
    def writes_files(self) -> bool:
        """True if the guest has somewhere to write, so that it has to be measured."""
        run = self.order.run
        return self._sandbox is not None and (
            bool(run.files) or run.keep_files or any(mount.writable for mount in run.mounts)
        )

    # --- frames thread ---------------------------------------------------------------------------
    def interrupt(self, verdict: Verdict) -> None:
        """End the run soon, with `verdict`. The first verdict stands."""
        if self.interrupted is not None:
            return
        self.interrupted = verdict
        self._replies.put(None)
        self._stdin.put(None)
        if self._sandbox is not None:
            self._sandbox.interrupt(verdict)

    def interrupt_again(self) -> None:
        """Interrupt a run once more that was interrupted and goes on."""
        if self.interrupted is not None and self._sandbox is not None:
            self._sandbox.interrupt(self.interrupted)

    def take_reply(self, reply: HostReply, buffers: Sequence[memoryview]) -> None:
        """Pass the answer of a host function to the main thread."""
        self._replies.put((reply, [bytes(buffer) for buffer in buffers]))

    def take_stdin(self, data: bytes, *, end: bool) -> None:
        """Pass live input to the main thread, which asked for it.

        Raises:
            LocalProtocolError: it did not, or it was answered already.
        """
        if not self._stdin_wanted:
            raise LocalProtocolError("input came that was not asked for")
        self._stdin_wanted = False
        self._stdin.put((data, end))

    def files_bytes(self) -> int:
        """Return the bytes the guest has written to files so far."""
        return 0 if self._sandbox is None else self._sandbox.files_bytes()

    def flush(self) -> None:
        """Send what is held of both streams: there may be no `Done`. Any thread."""
        for stream, capture in self._streams.items():
            with self._lock:
                held = capture.drain()
            if held:
                self._send(Output(stream), self.run_id, (held,))

    # --- main thread -----------------------------------------------------------------------------
    def begin(self, sandbox: Sandbox) -> None:
        """Note the sandbox; an interrupt that came before reaches it now."""
        self._sandbox = sandbox
        if self.interrupted is not None:
            sandbox.interrupt(self.interrupted)

    def output(self, stream: Stream, data: bytes) -> None:
        """Take a piece of a stream: sent at once where the host streams, else held for `Done`."""
        capture = self._streams[stream]
        with self._lock:
            kept = capture.take(data)
            if kept and not self.order.run.stream:
                capture.pieces.append(kept)
        if kept and self.order.run.stream:
            self._send(Output(stream), self.run_id, (kept,))

    def log(self, level: int, logger: str, message: str, fields: dict[str, str]) -> None:
        """Send one log entry."""
        if self._may_note():
            entries = tuple(
                Variable(name[:NAME_CHARS_MAX], text[:LINE_CHARS_MAX])
                for name, text in list(fields.items())[:FIELDS_MAX]
            )
            level = min(max(level, 0), 1_000)
            entry = Log(level, logger[:NAME_CHARS_MAX], message[:LOG_TEXT_CHARS_MAX], entries)
            self._log_chars += len(entry.message) + sum(len(field.value) for field in entries)
            if self._log_chars <= LOG_CHARS_MAX:
                self._send(entry, self.run_id, ())

    def progress(self, permille: int, message: str) -> None:
        """Send one note of progress."""
        if self._may_note():
            permille = min(max(permille, 0), 1_000)
            self._send(Progress(permille, message[:LINE_CHARS_MAX]), self.run_id, ())

    def call(self, function: str, arguments: bytes, buffers: Sequence[bytes] = ()) -> HostAnswer:
        """Ask the host and wait for its answer.

        Raises:
            RunOver: the run was interrupted, or its calls are used up.
            RemoteProtocolError: the run has no host functions; see rule 3.
        """
        self._raise_if_over()
        if not self.order.run.functions:
            raise RemoteProtocolError("a host call in a run without host functions")
        if self.host_calls >= self.limits.host_calls:
            self.interrupted = Verdict.HOST_CALLS
            raise RunOver(Verdict.HOST_CALLS)
        self.host_calls += 1
        call = self.host_calls
        pieces = (arguments, *buffers)
        self._watch()
        self._send(HostCall(call, function[:NAME_CHARS_MAX]), self.run_id, pieces)
        while True:
            answer = self._replies.get()
            self._raise_if_over()
            if answer is not None and answer[0].call == call:
                reply, values = answer
                return HostAnswer(values[0] if values else b"", reply.error, values[1:])

    def read_stdin(self, count: int) -> bytes:
        """Return up to `count` bytes of live input, b"" at its end; asks for it if none is held.

        Raises:
            RunOver: the run was interrupted.
            RemoteProtocolError: the run has no live input; see rule 3.
        """
        self._raise_if_over()
        if not self.order.run.stdin_live:
            raise RemoteProtocolError("a request for input in a run without live input")
        while count > 0 and not self._stdin_held and not self._stdin_ended:
            self._stdin_wanted = True
            self._watch()
            self._send(StdinWanted(min(count, STDIN_BYTES_MAX)), self.run_id, ())
            answer = self._stdin.get()
            self._raise_if_over()
            if answer is not None:
                self._stdin_held, self._stdin_ended = answer
        data, self._stdin_held = self._stdin_held[:count], self._stdin_held[count:]
        return data

    def done(self, ended: Ended, *, start_us: int) -> tuple[Done, list[Buffer]]:
        """Return the message that ends the run, with its buffers, all caps applied."""
        buffers: list[Buffer] = []

        def add(data: Buffer) -> int:
            buffers.append(data)
            return len(buffers) - 1

        verdict, error, value = ended.verdict, ended.error, ended.value
        if self.interrupted is not None and verdict is not Verdict.OK:
            verdict = self.interrupted
        value_bytes = sum(map(len, (value or b"", *ended.out_of_band)))
        if value is not None and value_bytes > self.limits.value_bytes:
            verdict, value = Verdict.VALUE, None
            error = Error(
                "ValueTooLarge",
                f"the value takes {value_bytes} bytes, over the limit of {self.limits.value_bytes}",
            )
        files = tuple(File(name, add(data)) for name, data in ended.files.items())
        stdout, stderr = self._streams["stdout"], self._streams["stderr"]
        with self._lock:
            tails = stdout.drain(), stderr.drain()
        done = Done(
            verdict=verdict,
            exit_code=ended.exit_code,
            error=error,
            value=None if value is None else add(value),
            stdout=add(tails[0]) if tails[0] else None,
            stderr=add(tails[1]) if tails[1] else None,
            truncated_stdout=stdout.truncated,
            truncated_stderr=stderr.truncated,
            files=files,
            usage=self._usage(ended.usage),
            timings=Timings(
                start_us=start_us,
                decode_us=ended.timings.decode_us,
                run_us=ended.timings.run_us,
                encode_us=ended.timings.encode_us,
            ),
            out_of_band=len(buffers) if value is not None and ended.out_of_band else None,
        )
        if value is not None:
            buffers.extend(ended.out_of_band)
        return done, buffers

    def mark_truncated(self, stream: Stream) -> None:
        """Note that the guest's own capture cut the stream before it came here."""
        self._streams[stream].truncated = True

    def _usage(self, usage: Usage) -> Usage:
        return Usage(
            wall_us=usage.wall_us,
            cpu_us=usage.cpu_us,
            fuel=usage.fuel,
            peak_memory_bytes=usage.peak_memory_bytes,
            host_calls=self.host_calls,
            stdout_bytes=self._streams["stdout"].kept_bytes,
            stderr_bytes=self._streams["stderr"].kept_bytes,
            files_bytes=usage.files_bytes,
        )

    def _may_note(self) -> bool:
        self._notes += 1
        return self._notes <= NOTES_MAX

    def _raise_if_over(self) -> None:
        if self.interrupted is not None:
            raise RunOver(self.interrupted)


def _whole_characters(data: bytes) -> bytes:
    """Drop an incomplete UTF-8 sequence at the end, where a cut may have left one."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte < 0x80:
            return data
        if byte >= 0xC0:
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return data if back >= needed else data[:-back]
    return data
