"""One native guest: its request, its words, its limits, its end.

    fresh     made for the process at hand, which is all there is of it
    run       the request is carried out by `sandboxes.guest.running`, on the main thread
    over      closed; or interrupted, and then never used again

Rule 1: what the guest does is an `Ended`. An exception that leaves the guest's runner is the
        guest's doing, too: it can reach everything.
Rule 2: a guest that waits for its host, waits with others of its threads in turn.
"""

from __future__ import annotations

import _thread
import time
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from protocol.errors import RemoteProtocolError, printable
from protocol.messages import Error, Run, RunLimits, Timings, Usage, Verdict
from sandboxes.base import Ended, Host, HostAnswer, Order, Stream
from sandboxes.errors import MountRefused, SandboxBroken
from sandboxes.guest import ports, running, streams, wire
from sandboxes.process.files import Files, FilesOverLimit
from sandboxes.process.limits import ProcessLimits
from sandboxes.process.stopping import Interrupted, Stopper
from sandboxes.requests import Pieces, request_of
from sandboxes.talk import Talk

CRASH_NAME: Final = "GuestCrashed"
#: Bytes of a stream, of a value and of files in a rehearsal, and its wall time.
_REHEARSAL_BYTES: Final = 1 << 20
_REHEARSAL_MS: Final = 10_000
_REHEARSAL: Final = (memoryview(b"print(1 + 1)"),)
#: Endings that a guest can bring about while it is over its limit on files.
_BY_GUEST: Final = (Verdict.OK, Verdict.EXCEPTION, Verdict.EXIT, Verdict.VALUE)
_NOT_NOW: Final = wire.Failure("RuntimeError", "no run is at hand")


class ProcessSandbox:
    """One guest in the cell's own process; see `sandboxes.base.Sandbox`."""

    def __init__(
        self,
        stopper: Stopper,
        limits: ProcessLimits,
        files: Files,
        *,
        memory_bytes: int,
        single_use: bool,
        spool_path: str,
        note_threads: Callable[[], bool],
        note_left_files: Callable[[], None],
    ) -> None:
        """Take what the cell's backend shares.

        Args:
            stopper: of this process.
            limits: of this process.
            files: of this guest alone.
            memory_bytes: the most that any run here may have.
            single_use: the process ends with its first run, or its session.
            spool_path: the folder of large inputs, or "".
            note_threads: notes, and returns, whether guests have left threads behind.
            note_left_files: notes that files of a guest could not be removed.
        """
        self._stopper = stopper
        self._limits = limits
        self._files = files
        self._memory_bytes = memory_bytes
        self._is_single_use = single_use
        self._spool_path = spool_path
        self._note_threads = note_threads
        self._note_left_files = note_left_files
        self._talk = Talk()
        self._asking = _thread.allocate_lock()
        #: Guards the next two: an interrupt is asked for on another thread.
        self._turn = _thread.allocate_lock()
        self._is_running = False
        self._wanted: Verdict | None = None
        self._session = 0
        self._is_over = False

    def warm_up(self) -> None:
        """Rehearse a run, so that the first one finds its pages written to.

        Raises:
            SandboxBroken: it does not run.
        """
        most = _REHEARSAL_BYTES
        limits = RunLimits(_REHEARSAL_MS, self._memory_bytes, most, most, most, 0, most)
        ended = self._run(Order(Run(limits, mode="cell"), _REHEARSAL), _Nobody(), is_last=False)
        self._files.forget_mounts()
        if ended.verdict is not Verdict.OK:
            raise SandboxBroken(f"a native cell does not run a line of Python: {ended.error}")

    # --- running ---------------------------------------------------------------------------------
    def run(self, order: Order, host: Host) -> Ended:
        """Run a guest and return how it ended. On the main thread alone.

        Raises:
            SandboxBroken: our side failed.
        """
        if self._is_over:
            raise SandboxBroken("a sandbox was used after its guest was stopped")
        return self._run(order, host, is_last=self._is_single_use and not order.run.session)

    def _run(self, order: Order, host: Host, *, is_last: bool) -> Ended:
        run, pieces = order.run, Pieces(order, self._spool_path)
        try:
            work_path = self._files.begin(run, pieces)
            request = request_of(order, pieces, cwd=work_path)
        except MountRefused as refused:
            return _refused("MountRefused", str(refused))
        except UnicodeDecodeError as error:
            return _refused("SyntaxError", f"the source is not UTF-8: {error.reason}")
        self._session = run.session
        self._talk.begin(host)
        ports.connect_values(self._emit, self._ask, self._read)
        wall_s = run.limits.wall_ms / 1_000
        self._limits.begin(run.limits.memory_bytes, wall_s, is_last=is_last)
        started_ns, cpu_ns = time.perf_counter_ns(), time.process_time_ns()
        with self._turn:
            if self._wanted is not None:
                self._talk.begin(None)
                return Ended(self._wanted)
            self._stopper.begin(wall_s)
            self._is_running = True
        reply: wire.Reply | BaseException
        try:
            reply = running.carry_out(request)
        except BaseException as error:  # noqa: BLE001 - see rule 1
            reply = error
        with self._turn:
            self._is_running = False
            wanted = self._stopper.end()
        usage = Usage(
            wall_us=(time.perf_counter_ns() - started_ns) // 1_000,
            cpu_us=(time.process_time_ns() - cpu_ns) // 1_000,
            peak_memory_bytes=self._limits.peak_bytes(),
            files_bytes=self._files.used_bytes(),
        )
        ended = self._ended(reply, wanted, order, host, usage)
        self._talk.begin(None)
        return ended

    def _ended(
        self,
        reply: wire.Reply | BaseException,
        wanted: Verdict | None,
        order: Order,
        host: Host,
        usage: Usage,
    ) -> Ended:
        talk = self._talk
        talk.raise_if_broken()
        self._give_streams(reply, host)
        stopped = talk.over or wanted
        has_threads = self._note_threads()
        is_clean = stopped is None and talk.violation is None and not has_threads
        self._is_over = not is_clean
        if talk.violation is not None:
            return _crashed(f"the guest broke the rules: {printable(talk.violation)}", usage)
        if stopped is not None:
            return Ended(stopped, usage=usage)
        if not isinstance(reply, wire.Reply):
            self._is_over = True
            return _crashed(f"the guest broke its runner: {printable(repr(reply))}", usage)
        verdict = Verdict(reply.verdict)
        files: dict[str, bytes] = {}
        if verdict in _BY_GUEST and usage.files_bytes > order.run.limits.files_bytes:
            return Ended(Verdict.FILES, usage=usage, reusable=is_clean)
        if order.run.keep_files:
            try:
                files = self._files.take_files(order.run.limits.files_bytes)
            except FilesOverLimit:
                return Ended(Verdict.FILES, usage=usage, reusable=is_clean)
        told, value = reply.error, reply.value
        return Ended(
            verdict=verdict,
            exit_code=reply.exit_code,
            error=None if told is None else Error(told.name, told.message, told.traceback),
            value=None if value is None else _bytes(value.body),
            out_of_band=() if value is None else [_bytes(piece) for piece in value.buffers],
            files=files,
            usage=usage,
            timings=Timings(
                decode_us=reply.decode_us, run_us=reply.run_us, encode_us=reply.encode_us
            ),
            reusable=is_clean,
        )

    @staticmethod
    def _give_streams(reply: wire.Reply | BaseException, host: Host) -> None:
        if isinstance(reply, wire.Reply):
            stdout, stderr = reply.stdout, reply.stderr
        else:  # it was interrupted on its way out
            stdout, stderr = streams.STDOUT.take(), streams.STDERR.take()
        if stdout:
            host.output("stdout", stdout)
        if stderr:
            host.output("stderr", stderr)
        if streams.STDOUT.truncated:
            host.mark_truncated("stdout")
        if streams.STDERR.truncated:
            host.mark_truncated("stderr")

    # --- what the guest says, on any of its threads ----------------------------------------------
    def _emit(self, kind: int, text: str) -> None:
        with self._stopper:
            try:
                self._talk.emit(kind, text.encode(errors="surrogatepass"))
                if (host := self._talk.host) is not None:
                    host.flush()  # nobody can later, if the guest then stays in a call of C
            except BaseException as error:  # noqa: BLE001 - noted; raised once the guest has ended
                self._stop(error)

    def _ask(self, name: str, arguments: wire.Value) -> wire.Answer:
        with self._stopper, self._asking:
            host = self._talk.host
            if host is None:
                return _NOT_NOW
            try:
                buffers = [_bytes(piece) for piece in arguments.buffers]
                answer = host.call(name, _bytes(arguments.body), buffers)
            except BaseException as error:  # noqa: BLE001 - as above
                self._stop(error)
        if answer.error is not None:
            return wire.Failure(answer.error.name, answer.error.message)
        return wire.Value(answer.value, answer.buffers)

    def _read(self, count: int) -> bytes:
        with self._stopper, self._asking:
            host = self._talk.host
            if host is None:
                return b""
            try:
                return host.read_stdin(count)
            except BaseException as error:  # noqa: BLE001 - as above
                self._stop(error)

    def _stop(self, error: BaseException) -> NoReturn:
        """End the run: the host, or what was said to it, forbids that it goes on."""
        self._talk.fail(error)
        self._stopper.interrupt(self._talk.over or Verdict.CRASHED)
        raise Interrupted from None

    # --- from other threads, and the end ---------------------------------------------------------
    def interrupt(self, verdict: Verdict) -> None:
        """End the run at hand, or the next at its beginning, with `verdict`. Any thread."""
        with self._turn:
            if self._wanted is None:
                self._wanted = verdict
            if self._is_running:
                self._stopper.interrupt(verdict)

    def files_bytes(self) -> int:
        """Return the bytes the guest wrote to files in its run. Any thread."""
        return self._files.written_bytes()

    def close(self) -> None:
        """Forget its globals and remove its directory. Idempotent."""
        if self._session:
            running.forget(self._session)
        if not self._files.close():
            self._note_left_files()


class _Nobody:
    """The host of a rehearsal."""

    def output(self, stream: Stream, data: bytes) -> None:
        """Drop it."""

    def flush(self) -> None:
        """Do nothing."""

    def log(self, level: int, logger: str, message: str, fields: dict[str, str]) -> None:
        """Drop it."""

    def mark_truncated(self, stream: Stream) -> None:
        """Do nothing."""

    def progress(self, permille: int, message: str) -> None:
        """Drop it."""

    def call(self, function: str, arguments: bytes, buffers: Sequence[bytes] = ()) -> HostAnswer:
        """Answer nothing."""
        return HostAnswer()

    def read_stdin(self, count: int) -> bytes:
        """Return nothing."""
        return b""


def _bytes(piece: wire.Piece) -> bytes:
    if isinstance(piece, wire.InFile | wire.Awaited | wire.InMemory):
        raise RemoteProtocolError("wire: a guest cannot name a file")
    return piece if isinstance(piece, bytes) else bytes(piece)


def _refused(name: str, message: str) -> Ended:
    return Ended(Verdict.EXCEPTION, 1, Error(name, message), reusable=True)


def _crashed(words: str, usage: Usage) -> Ended:
    return Ended(Verdict.CRASHED, None, Error(CRASH_NAME, words[:4_000]), usage=usage)
