"""One run at hand: its frames in, the caller's callbacks called, one `Outcome` out.

Frames are taken in order by one thread at a time: the caller's own in `run`, its event loop in
`arun`, a thread of ours for a handle that has callbacks. `executor.handle` sees to that.

Rule 1: what a cell says is attacker data. A frame that is malformed, out of turn or over a limit
        ends the run as crashed, and is the last one looked at.
Rule 2: a run ends once. What still comes afterwards is dropped.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from executor.capture import Capture, Notes, is_plain
from executor.errors import Refused, SessionLost, SupervisorLost
from executor.outcome import Entry, Failure, Note, Outcome, Timings, Truncated, Usage
from protocol.errors import BudgetExceeded, ProtocolError, RemoteProtocolError, printable
from protocol.frames import Frame
from protocol.messages import (
    Cancel,
    Distrust,
    Done,
    HostCall,
    Log,
    Lost,
    Output,
    Placed,
    Progress,
    Refused as RefusedMessage,
    StdinWanted,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executor.client import Client
    from executor.feeder import Feeder
    from executor.functions import Calls
    from executor.options import Plan
    from executor.pools import Pools

#: What the reader thread delivers; an error ends the run.
type Item = Frame | SupervisorLost | ProtocolError


class Running:
    """One run, from its submission to its outcome."""

    __slots__ = (
        "_caller_error", "_calls", "_cell", "_client", "_ending", "_feeder", "_logs", "_notes",
        "_plan", "_pool", "_pools", "_queued_s", "_run_id", "_stderr", "_stdout", "began", "error",
        "generation", "is_cancelled", "taken_bytes",
    )  # fmt: skip

    def __init__(
        self, plan: Plan, client: Client, calls: Calls | None, feeder: Feeder | None
    ) -> None:
        self._run_id = 0
        self.began = False
        self.is_cancelled = False
        #: Of the payloads that were taken, for whoever bounds those that wait.
        self.taken_bytes = 0
        self.error: BaseException | None = None
        self._caller_error: Exception | None = None
        self._plan = plan
        self._client = client
        self._calls = calls
        self._feeder = feeder
        self._begin_captures()
        self._queued_s = 0.0
        #: The pipe that the run was sent on last: cells of another loop have the same numbers.
        self.generation = 0
        #: The cell that has the run; 0 before there is one.
        self._cell = 0
        self._pool = 0
        self._pools: Pools | None = None
        self._ending: Outcome | None = None

    def _begin_captures(self) -> None:
        plan, limits = self._plan, self._plan.run_limits
        self._stdout = Capture("stdout", limits.stdout_bytes, plan.on_stdout, plan.on_output)
        self._stderr = Capture("stderr", limits.stderr_bytes, plan.on_stderr, plan.on_output)
        self._logs: list[Entry] = []
        self._notes = Notes()

    @property
    def run_id(self) -> int:
        """The number of the run; 0 before it has one."""
        return self._run_id

    @run_id.setter
    def run_id(self, number: int) -> None:
        self._run_id = number
        if self._calls is not None:
            self._calls.run_id = number

    @property
    def is_over(self) -> bool:
        """True if `outcome` has something to give."""
        return self._ending is not None or self.error is not None

    def take(self, item: Item) -> bool:
        """Take the next frame; return whether it was the last one that counts.

        Raises:
            Exception: whatever one of the caller's callbacks raised; the run is then given up.
        """
        if isinstance(item, Frame):
            self.taken_bytes += len(item.payload)
        if self.is_over:
            return True
        match item:
            case SupervisorLost():
                self._take_loss(item.cause)
                return True
            case ProtocolError():
                self.cancel()  # a guest alone can say that much: no lie of its cell
                self._crash(str(item))
                return True
        try:
            message, buffers = self._client.decode(item)
            self._check(message, buffers)
        except ProtocolError as error:
            self._distrust(printable(str(error)))
            return True
        try:
            self._handle(message, buffers)
        except ProtocolError as error:
            self._distrust(printable(str(error)))
        except BaseException as error:
            self._fail(error)
            self.cancel()
            raise
        return self.is_over

    def outcome(self) -> Outcome:
        """Return how the run ended.

        Raises:
            Refused: it never began.
            SupervisorLost: the loop ended before it began, and no other came.
        """
        if self._caller_error is not None:
            raise self._caller_error
        if self.error is not None:
            raise self.error
        assert self._ending is not None, "asked for the outcome of a run that is not over"
        return self._ending

    def cancel(self) -> None:
        """Give the run up, wherever it is. Any thread. Its ending still comes."""
        self.is_cancelled = True
        self.end_calls()
        self._client.send_quietly(Cancel(), self.run_id)

    def give_up(self, error: Exception) -> None:
        """Cancel the run for an error of the caller's, which `outcome` raises. Any thread."""
        self._caller_error = error
        self.cancel()

    def take_pool(self, pools: Pools) -> int:
        """Return the pool that the run goes to; it is held until `give_back_pool`.

        Raises:
            Refused: too many pools are held.
        """
        self._pool = pools.take(self._plan, self)
        self._pools = pools
        return self._pool

    def give_back_pool(self) -> None:
        """Let go of the pool. Any thread. Idempotent."""
        if self._pools is not None:
            self._pools.give_back(self._pool, self)

    def end_calls(self) -> None:
        """Drop what the guest waits for: a host call, or input. Any thread. Idempotent."""
        if self._calls is not None:
            self._calls.cancel()
        if self._feeder is not None:
            self._feeder.end()

    # --- messages --------------------------------------------------------------------------------
    def _check(self, message: object, buffers: Sequence[memoryview]) -> None:
        match message:
            case Output() if len(buffers) != 1:
                raise RemoteProtocolError("an output without its piece")
            case Log() | Progress():
                self._notes.take(message)
            case HostCall() if self._calls is None or self._is_asked:
                raise RemoteProtocolError("a host call out of turn")
            case StdinWanted() if self._feeder is None or self._is_asked:
                raise RemoteProtocolError("a request for input out of turn")
            case HostCall(call) if call > self._plan.limits.host_calls:
                raise RemoteProtocolError("more host calls than its limit")
            case Done():
                indices = (message.value, message.stdout, message.stderr, message.out_of_band)
                named = [at for at in indices if at is not None]
                named += [file.buffer for file in message.files]
                if named and max(named) >= len(buffers):
                    raise RemoteProtocolError("a buffer is named that is not there")
                for file in message.files:
                    if not is_plain(file.name):
                        raise RemoteProtocolError("a file is named outside its folder")

    @property
    def _is_asked(self) -> bool:
        """True while the guest waits for an answer of ours."""
        calls, feeder = self._calls, self._feeder
        return (calls is not None and calls.is_at_hand) or (
            feeder is not None and feeder.is_at_hand
        )

    def _handle(self, message: object, buffers: Sequence[memoryview]) -> None:
        match message:
            case Placed(cell, queued_us):
                if self.began:  # its machine was lost, and it begins afresh on another
                    self._begin_captures()
                self.began = True
                self._cell = cell
                self._queued_s = queued_us / 1e6
            case Output(stream):
                (self._stdout if stream == "stdout" else self._stderr).take(bytes(buffers[0]))
            case Log():
                fields = {field.name: field.value for field in message.fields}
                entry = Entry(message.level, message.logger, message.message, fields)
                self._logs.append(entry)
                if self._plan.on_log is not None:
                    self._plan.on_log(entry)
            case Progress(permille, text):
                if self._plan.on_progress is not None:
                    self._plan.on_progress(Note(permille / 1_000, text))
            case HostCall():
                if self._calls is not None:
                    self._calls.begin(message, buffers)
            case StdinWanted(count):
                if self._feeder is not None:
                    self._feeder.want(count, self)
            case Done(error=lost) if lost is not None and self._is_session_lost(message):
                self._fail(SessionLost(printable(lost.message)))
            case Done():
                self._end(self._from_done(message, buffers))
            case Lost(verdict, cause, ran_us):
                failure = Failure(_LOSS_NAMES.get(verdict, "SandboxLost"), printable(cause))
                verdict = Verdict.CRASHED if verdict is Verdict.OK else verdict
                self._end(self._bare(verdict, failure, Usage(wall_s=ran_us / 1e6)))
            case RefusedMessage():
                self._take_refusal(message)
            case _:
                raise RemoteProtocolError(f"a {type(message).__name__} about a run")

    def _is_session_lost(self, done: Done) -> bool:
        return (
            done.verdict is Verdict.CRASHED
            and done.error is not None
            and done.error.name == "SessionLost"
            and self._plan.session != 0
            and not self._plan.session_new
        )

    def _take_refusal(self, refused: RefusedMessage) -> None:
        if refused.reason == "cancelled":
            self._end(self._bare(Verdict.CANCELLED, Failure("Cancelled", "before it began")))
        elif refused.reason == "session_lost":
            self._fail(SessionLost(printable(refused.detail)))
        else:
            self._fail(Refused(refused.reason, printable(refused.detail)))

    def _from_done(self, done: Done, buffers: Sequence[memoryview]) -> Outcome:
        if done.stdout is not None:
            self._stdout.take(bytes(buffers[done.stdout]))
        if done.stderr is not None:
            self._stderr.take(bytes(buffers[done.stderr]))
        verdict = done.verdict
        failure = None
        if done.error is not None:
            failure = Failure(done.error.name, done.error.message, done.error.traceback)
        files = {file.name: bytes(buffers[file.buffer]) for file in done.files}
        value: object = None
        decoding_began = time.perf_counter()
        if done.value is not None and verdict is Verdict.OK:
            value, refusal = self._decode(done, buffers)
            if refusal is not None:
                verdict, failure = refusal
        decode_s = time.perf_counter() - decoding_began
        usage, timings, plan = done.usage, done.timings, self._plan
        stdout, stderr = self._stdout.end(), self._stderr.end()
        return Outcome(
            verdict,
            value,
            failure,
            stdout.decode("utf-8", "replace"),
            stderr.decode("utf-8", "replace"),
            Truncated(
                done.truncated_stdout or self._stdout.truncated,
                done.truncated_stderr or self._stderr.truncated,
            ),
            done.exit_code,
            files,
            tuple(self._logs),
            Usage(
                usage.wall_us / 1e6,
                usage.cpu_us / 1e6,
                usage.fuel,
                usage.peak_memory_bytes,
                usage.host_calls,
                usage.stdout_bytes,
                usage.stderr_bytes,
                usage.files_bytes,
            ),
            Timings(
                self._queued_s,
                plan.encode_s + timings.encode_us / 1e6,
                timings.start_us / 1e6,
                timings.run_us / 1e6,
                decode_s + timings.decode_us / 1e6,
            ),
            stdout,
            stderr,
        )

    def _decode(
        self, done: Done, buffers: Sequence[memoryview]
    ) -> tuple[object, tuple[Verdict, Failure] | None]:
        from protocol.values import Budget, decode

        assert done.value is not None
        first = len(buffers) if done.out_of_band is None else done.out_of_band
        body, behind = buffers[done.value], buffers[first:]
        limit_bytes = self._plan.run_limits.value_bytes
        try:
            if body.nbytes + sum(buffer.nbytes for buffer in behind) > limit_bytes:
                raise BudgetExceeded("value", f"over the limit of {limit_bytes} bytes")
            return decode(bytes(body), behind, budget=Budget(bytes_max=limit_bytes)), None
        except BudgetExceeded as error:
            return None, (Verdict.VALUE, Failure("ValueTooLarge", printable(str(error))))
        except ProtocolError as error:  # the guest's own bytes, which its cell does not read
            text = f"its cell sent a value that cannot be read: {printable(str(error))}"
            return None, (Verdict.CRASHED, Failure("SandboxLost", text))

    def _take_loss(self, cause: str) -> None:
        """End the run for which its loop can no longer answer."""
        if self.began:
            text = f"the supervisor's loop ended: {printable(cause)}"
            self._end(self._bare(Verdict.CRASHED, Failure("SupervisorLost", text)))
        else:
            self._fail(SupervisorLost(cause, began=False))

    # --- endings ---------------------------------------------------------------------------------
    def _bare(self, verdict: Verdict, failure: Failure, usage: Usage | None = None) -> Outcome:
        stdout, stderr = self._stdout.end(), self._stderr.end()
        return Outcome(
            verdict,
            error=failure,
            stdout=stdout.decode("utf-8", "replace"),
            stderr=stderr.decode("utf-8", "replace"),
            truncated=Truncated(self._stdout.truncated, self._stderr.truncated),
            logs=tuple(self._logs),
            usage=usage or Usage(),
            timings=Timings(queued_s=self._queued_s, encode_s=self._plan.encode_s),
            stdout_raw=stdout,
            stderr_raw=stderr,
        )

    def _distrust(self, reason: str) -> None:
        """End the run, and the cell that lied about it; it may have another run by now."""
        self.end_calls()
        if self._cell:
            lie = Distrust(self._cell, reason, self._plan.tenant)
            self._client.send_quietly(lie, generation=self.generation)
        else:
            self.cancel()
        self._crash(f"its cell broke the protocol: {reason}")

    def _crash(self, cause: str) -> None:
        self._end(self._bare(Verdict.CRASHED, Failure("SandboxLost", cause)))

    def _end(self, outcome: Outcome) -> None:
        self._ending = outcome

    def _fail(self, error: BaseException) -> None:
        self.error = error


_LOSS_NAMES = {
    Verdict.TIMEOUT: "Timeout",
    Verdict.MEMORY: "MemoryLimit",
    Verdict.CANCELLED: "Cancelled",
}
