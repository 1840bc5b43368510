"""One guest in one interpreter: created, booted, warmed, run, interrupted, closed.

    the run's thread   sends the request, listens, answers for the host   (main interpreter)
    a lane             executes the guest until it has replied            (the guest's interpreter)

Rule 1: what the guest does is an `Ended`. What it says is bounded before it is kept and checked
        while it is read.
Rule 2: a guest that left a thread behind is never destroyed, and its end of the line never closed,
        as its number would come to stand for another guest's. The cell is to be replaced.
"""

from __future__ import annotations

import _thread
import itertools
import socket
import time
from typing import TYPE_CHECKING, Final

from protocol.errors import RemoteProtocolError, printable
from protocol.messages import Error, RunLimits, Timings, Usage, Verdict
from sandboxes.base import Ended, Host, Order
from sandboxes.errors import MountRefused, SandboxBroken
from sandboxes.guest import wire
from sandboxes.interpreter import blocks, carried, line
from sandboxes.interpreter.interpreters import Interpreter
from sandboxes.interpreter.line import HOOK
from sandboxes.requests import Pieces, request_of
from sandboxes.scratch import FilesOverLimit
from sandboxes.talk import Talk

if TYPE_CHECKING:
    from sandboxes.interpreter.backend import InterpreterBackend

#: What a reply holds beside its value and streams: header, error, traceback, twice as UTF-8.
_REPLY_ROOM_BYTES: Final = 4 << 20
#: Any other message; the frame that carries on a call's arguments has the same cap.
_MESSAGE_BYTES_MAX: Final = 256 << 20
#: What a guest said at its end is read within this, or its line is cut; nothing in it is lost.
_HEAR_OUT_S: Final = 1.0
_CRASH_NAME: Final = "GuestCrashed"
_WARM_UP: Final = wire.pack_request(wire.Request("print(1 + 1)", mode="cell")).encode()
_BOOT: Final = f"{carried.BOOT}\nimport {carried.GUEST} as guest\nguest.boot"
_CALL: Final = f"__import__('sys').modules[{HOOK!r}]."

_numbers = itertools.count(1)


class InterpreterSandbox:
    """One guest's interpreter; see `sandboxes.base.Sandbox`."""

    def __init__(self, backend: InterpreterBackend) -> None:
        """Create and boot it on the calling thread: about 25 ms.

        Raises:
            SandboxBroken: it cannot be created, or a module that was asked for cannot be loaded.
        """
        self._backend = backend
        self._number = next(_numbers)
        self._talk = Talk()
        self._files = backend.files()
        #: Guards what follows: an interrupt is asked for on another thread.
        self._turn = _thread.allocate_lock()
        self._serial = 0
        self._is_running = False
        self._was_cut = False
        #: Released when all is heard that the guest said in its run.
        self._heard_out = _thread.allocate_lock()
        self._heard_out.acquire()
        #: Nothing is said on the line any more.
        self._is_cut_off = False
        self._wanted: Verdict | None = None
        self._is_closed = False
        self._interpreter = Interpreter()
        try:
            self._ours, self._theirs = socket.socketpair()
        except OSError as error:  # guests of this cell have all the descriptors
            self._interpreter.destroy()
            words = f"an interpreter could not be made ready: {error.strerror}"
            raise SandboxBroken(words) from None
        arguments = (
            self._theirs.fileno(), backend.code_address, backend.libraries, backend.modules
        )  # fmt: skip
        raised = self._interpreter.execute(f"{_BOOT}{arguments!r}", carried=backend.carried)
        if raised:
            self._theirs.shutdown(socket.SHUT_RDWR)
        booted = line.receive(self._ours.fileno(), _MESSAGE_BYTES_MAX)
        if booted is None:
            self.destroy()
            raise SandboxBroken(f"an interpreter could not be made ready: {printable(raised)}")

    def warm_up(self) -> None:
        """Run a line of our own, so that a first run finds its modules loaded.

        Raises:
            SandboxBroken: it does not run.
        """
        self._talk.begin(None)
        reply, _ = self._call(_WARM_UP, _REPLY_ROOM_BYTES)
        if not isinstance(reply, wire.Reply) or reply.verdict != "ok":
            raise SandboxBroken(f"an interpreter does not run a line of Python: {reply}")

    # --- running ---------------------------------------------------------------------------------
    def run(self, order: Order, host: Host) -> Ended:
        """Run a guest and return how it ended. One at a time; other sandboxes run beside it.

        Raises:
            SandboxBroken: our side failed.
        """
        if self._is_closed:
            raise SandboxBroken("a closed sandbox was used")
        pieces = Pieces(order, self._backend.spool_path)
        try:
            work_path = self._files.begin(order.run, pieces)
            request = wire.pack_request(request_of(order, pieces, cwd=work_path)).encode()
        except MountRefused as refused:
            return _refused("MountRefused", str(refused))
        except UnicodeDecodeError as error:
            return _refused("SyntaxError", f"the source is not UTF-8: {error.reason}")
        except OSError as error:  # guests of this cell have all the descriptors
            return _crashed(f"the run could not be prepared: {error.strerror}", Usage())
        with self._turn:
            wanted, self._wanted = self._wanted, None
        if wanted is not None:
            return Ended(wanted, reusable=True)
        self._talk.begin(host)
        started_ns = time.perf_counter_ns()
        try:
            reply, cpu_us = self._call(request, _reply_bytes_max(order.run.limits))
        finally:
            with self._turn:
                wanted, self._wanted = self._wanted, None
        self._talk.raise_if_broken()
        usage = Usage(
            wall_us=(time.perf_counter_ns() - started_ns) // 1_000,
            cpu_us=cpu_us,
            peak_memory_bytes=self._backend.held_bytes(),
            files_bytes=self._files.used_bytes(),
        )
        ended = self._ended(reply, wanted, order, host, usage)
        self._talk.begin(None)
        return ended

    def _call(self, request: bytes, reply_bytes_max: int) -> tuple[wire.Reply | str, int]:
        """Have the guest carry out `request`; return its reply, or why there is none, and CPU."""
        with self._turn:
            self._serial += 1
            serial, self._is_running = self._serial, True
        raised, cpu_us = "", 0

        def execute() -> None:
            nonlocal raised, cpu_us
            began_ns = time.thread_time_ns()
            raised = self._interpreter.execute(f"{_CALL}serve({serial})")
            cpu_us = (time.thread_time_ns() - began_ns) // 1_000
            with self._turn:
                self._is_running = False
            if not raised:
                line.send(self._theirs.fileno(), line.LEFT)
            # Whoever listens would wait for ever behind half a message, or for its own to be read.
            if raised or not self._heard_out.acquire(timeout=_HEAR_OUT_S):
                self._is_cut_off = True
                self._theirs.shutdown(socket.SHUT_RDWR)

        lane = self._backend.lanes.take()
        lane.begin(execute)
        reply = self._converse(request, reply_bytes_max)
        lane.wait()
        self._backend.lanes.give_back(lane)
        if reply is None:
            return f"the guest's interpreter failed: {printable(raised)}", cpu_us
        try:
            return wire.unpack_reply(reply.decode()), cpu_us
        except (RemoteProtocolError, UnicodeDecodeError) as broken:
            return f"the guest's reply is none: {printable(str(broken))}", cpu_us

    def _converse(self, request: bytes, reply_bytes_max: int) -> bytes | None:
        """Send the request, take what the guest says; return its reply once it has left."""
        fd = self._ours.fileno()
        reply = None
        self._was_cut = False
        try:
            line.send(fd, line.RUN, request)
            while (
                message := line.receive(fd, max(_MESSAGE_BYTES_MAX, reply_bytes_max))
            ) is not None:
                kind, data = message
                if kind == line.LEFT:
                    self._heard_out.release()
                    break
                if kind == line.CUT:
                    self._was_cut = True
                elif kind == line.REPLY and len(data) <= reply_bytes_max:
                    reply = data
                else:
                    self._take(fd, kind, data)
        except (OSError, RemoteProtocolError) as error:
            self._talk.fail(RemoteProtocolError(str(error)))
            self._ours.shutdown(socket.SHUT_RDWR)  # a guest that waits for an answer is told
            self._interrupt_guest()
        return reply

    def _take(self, fd: int, kind: int, data: bytes) -> None:
        """Pass on one message of the guest's, and answer it if it waits."""
        if self._is_over:
            if kind in line.QUESTIONS:
                line.send(fd, line.OVER)
            return
        try:
            answer = self._answer(kind, data)
        except BaseException as error:  # noqa: BLE001 - noted, and raised once the guest has left
            self._talk.fail(error)
            self._interrupt_guest()
            if kind in line.QUESTIONS:
                line.send(fd, line.OVER)
        else:
            if kind in line.QUESTIONS:
                line.send(fd, line.ANSWER, answer)

    def _answer(self, kind: int, data: bytes) -> bytes:
        talk = self._talk
        match kind:
            case line.EMIT if data:
                talk.emit(data[0], data[1:])
                return b""
            case line.CALL:
                name, _, payload = data.partition(b"\n")
                return talk.call(name, payload)
            case line.STDIN:
                count = blocks.number(data)
                return talk.read_stdin(count) if count else b""
            case line.SHARE:
                return self._backend.blocks.answer(data, self._number)
        raise RemoteProtocolError(f"line: no message of kind {kind} is in turn")

    @property
    def _is_over(self) -> bool:
        talk = self._talk
        return talk.over is not None or talk.violation is not None or talk.broken is not None

    def _ended(
        self,
        reply: wire.Reply | str,
        wanted: Verdict | None,
        order: Order,
        host: Host,
        usage: Usage,
    ) -> Ended:
        talk = self._talk
        if isinstance(reply, wire.Reply):
            _give_streams(reply, host)
        if talk.violation is not None:
            return _crashed(f"the guest broke the rules: {printable(talk.violation)}", usage)
        stopped = talk.over or wanted
        if isinstance(reply, str):
            return _crashed(reply, usage) if stopped is None else Ended(stopped, usage=usage)
        if stopped is not None and (self._was_cut or reply.verdict != "ok"):
            return Ended(stopped, usage=usage)
        is_clean = stopped is None and not self._is_cut_off and not self._interpreter.has_threads()
        files: dict[str, bytes] = {}
        limit_bytes = order.run.limits.files_bytes
        if reply.verdict != "memory" and usage.files_bytes > limit_bytes:
            return Ended(Verdict.FILES, usage=usage, reusable=is_clean)
        if order.run.keep_files:
            try:
                files = self._files.take_files(limit_bytes)
            except FilesOverLimit:
                return Ended(Verdict.FILES, usage=usage, reusable=is_clean)
        told, value = reply.error, reply.value
        return Ended(
            verdict=Verdict(reply.verdict),
            exit_code=reply.exit_code,
            error=None if told is None else Error(told.name, told.message, told.traceback),
            value=None if value is None else bytes(_inline(value.body)),
            out_of_band=() if value is None else [bytes(_inline(b)) for b in value.buffers],
            files=files,
            usage=usage,
            timings=Timings(
                decode_us=reply.decode_us, run_us=reply.run_us, encode_us=reply.encode_us
            ),
            reusable=is_clean,
        )

    # --- from other threads, and the end ---------------------------------------------------------
    def interrupt(self, verdict: Verdict) -> None:
        """End the run at hand, or the next at its beginning, with `verdict`. Any thread.

        Asked again, it interrupts again: a guest that is left goes on with what it runs at its end.
        """
        with self._turn:
            if self._wanted is None:
                self._wanted = verdict
        self._interrupt_guest()

    def _interrupt_guest(self) -> None:
        with self._turn:
            if self._is_running:
                self._interpreter.ask(f"{_CALL}interrupt({self._serial})".encode())

    def files_bytes(self) -> int:
        """Return the bytes the guest wrote to files in its run. Any thread."""
        return self._files.written_bytes()

    def close(self) -> None:
        """Let go of it; it is destroyed on a thread of the backend's. Idempotent."""
        if not self._is_closed:
            self._is_closed = True
            self._backend.blocks.let_go(self._number)
            if not self._files.close():
                self._backend.note_left_files()
            self._backend.bury(self)

    def destroy(self) -> bool:
        """Destroy it, for the backend; return False if a thread is left in it. See rule 2."""
        self._ours.close()
        if self._interpreter.has_threads():
            return False
        self._interpreter.destroy()
        self._theirs.close()
        self._backend.blocks.free(self._number)
        return True


def _reply_bytes_max(limits: RunLimits) -> int:
    """A byte that is no text travels as two."""
    parts = limits.value_bytes + limits.stdout_bytes + limits.stderr_bytes
    return 2 * parts + _REPLY_ROOM_BYTES


def _give_streams(reply: wire.Reply, host: Host) -> None:
    if reply.stdout:
        host.output("stdout", reply.stdout)
    if reply.stderr:
        host.output("stderr", reply.stderr)
    if reply.truncated_stdout:
        host.mark_truncated("stdout")
    if reply.truncated_stderr:
        host.mark_truncated("stderr")


def _refused(name: str, message: str) -> Ended:
    return Ended(Verdict.EXCEPTION, 1, Error(name, message), reusable=True)


def _inline(piece: wire.Piece) -> bytes:
    assert isinstance(piece, bytes)  # `unpack_reply` gives nothing else
    return piece


def _crashed(words: str, usage: Usage) -> Ended:
    return Ended(Verdict.CRASHED, None, Error(_CRASH_NAME, words[:4_000]), usage=usage)
