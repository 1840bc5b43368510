"""The sandbox of the Python guest: one instance of its component, from warm-up to close.

    fresh     instantiated and warmed by a run of our own code; no run has used it
    run       its request goes in as one string, its reply comes back as one
    over      closed, or left by a trap: never used again

Rule 1: what the guest does is an `Ended`. The reply is a guest's words: it is bounded before it
        is copied, and checked while it is read.
Rule 2: limits are set right before the call, so that one stock serves every limit.
Rule 3: needs a thread with `engine.THREAD_STACK_BYTES` of stack; with less, deep recursion in a
        guest would end the process.
"""

from __future__ import annotations

import time
from ctypes import byref, c_char_p, c_void_p, cast, string_at
from typing import Final

from protocol.errors import RemoteProtocolError, printable
from protocol.messages import Error, RunLimits, Timings, Usage, Verdict
from sandboxes.base import Ended, Host, Order
from sandboxes.errors import MountRefused, NoRoom, SandboxBroken
from sandboxes.guest import wire
from sandboxes.meters import Meters
from sandboxes.requests import Pieces, request_of
from sandboxes.wasm.binding import VAL_STRING, Fault, Val
from sandboxes.wasm.component import Component, NotInstantiated
from sandboxes.wasm.conversation import Conversation
from sandboxes.wasm.faults import Ending, crashed, ending_of, within_limits
from sandboxes.wasm.memory import GuestMemory
from sandboxes.wasm.store import Store
from sandboxes.wasm.surroundings import FilesOverLimit, Surroundings
from sandboxes.wasm.turn import Turn

#: What a reply holds beside its value and streams: header, error, traceback, twice as UTF-8.
_REPLY_ROOM_BYTES: Final = 4 << 20
#: Touches the pages that most runs write to. A longer program costs more than it saves.
_WARM_UP: Final = wire.pack_request(wire.Request("print(1 + 1)", mode="cell")).encode()


class PythonSandbox:
    """One Python guest. Made by the backend; see `sandboxes.base.Sandbox`."""

    __slots__ = (
        "_argument", "_component", "_conversation", "_files", "_floor_bytes", "_function",
        "_grown_bytes", "_is_spent", "_meters", "_result", "_spool_path", "_store", "_turn",
    )  # fmt: skip

    def __init__(
        self,
        component: Component,
        export: int,
        *,
        meters: Meters,
        memory_bytes: int,
        floor_bytes: int,
        spool_path: str,
        scratch_path: str = "",
    ) -> None:
        """Instantiate the guest.

        Args:
            component: the loaded image.
            export: its function `run`.
            meters: this process's.
            memory_bytes: what it may use until its first run sets a limit.
            floor_bytes: what it has from its beginning.
            spool_path: the folder of large inputs, or "".
            scratch_path: the cell's own folder for files, or "".

        Raises:
            NoRoom: there is no memory for it.
            SandboxBroken: the image does not do what a guest of ours does.
        """
        self._component = component
        self._meters = meters
        self._floor_bytes = floor_bytes
        self._spool_path = spool_path
        self._conversation = Conversation()
        self._store = Store(component.engine, self._conversation)
        self._turn = Turn(component.engine)
        self._files = Surroundings(meters, spool_path, scratch_path)
        self._is_spent = False
        self._grown_bytes = 0
        self._argument, self._result = Val(), Val()
        self._argument.kind = VAL_STRING
        try:
            self._store.limit_memory(max(memory_bytes, floor_bytes))
            self._store.set_wasi()
            self._function = component.instantiate(self._store, export)
            self._conversation.memory = GuestMemory(
                component.library,
                self._store.context,
                self._function.store_id,
                component.memory_place,
            )
        except NotInstantiated as refused:
            self.close()
            raise NoRoom(f"no room for another sandbox: {refused}") from None
        except BaseException:
            self.close()
            raise

    def warm_up(self) -> None:
        """Run a few lines of our own, so that a first run finds its pages written to.

        Raises:
            SandboxBroken: the image does not run them.
        """
        self._store.check_open()
        self._conversation.begin(None)
        reply = self._call(_WARM_UP, _REPLY_ROOM_BYTES)
        if isinstance(reply, Fault):
            raise SandboxBroken(f"the image does not run: {reply.cause}")
        if reply.verdict != "ok":
            raise SandboxBroken(f"the image does not run a line of Python: {reply.error}")

    # --- running ---------------------------------------------------------------------------------
    def run(self, order: Order, host: Host) -> Ended:
        """Run a guest and return how it ended. On the main thread alone.

        Raises:
            SandboxBroken: our side failed.
        """
        self._store.check_open()
        if self._is_spent:
            raise SandboxBroken("a sandbox was used after its guest was stopped")
        limits = order.run.limits
        self._meters.attend_thread()
        if self._floor_bytes + self._grown_bytes > limits.memory_bytes:
            return self._refuse(Ending(Verdict.MEMORY, None, _too_small(limits, self._floor_bytes)))
        try:
            request = self._prepare(order)
        except MountRefused as refused:
            return self._refuse(_refusal("MountRefused", str(refused)))
        except UnicodeDecodeError as error:
            return self._refuse(_refusal("SyntaxError", f"the source is not UTF-8: {error.reason}"))
        self._store.limit_memory(limits.memory_bytes)
        self._store.set_fuel(limits.fuel)
        self._conversation.begin(host)
        if (wanted := self._turn.begin(self._store)) is not None:
            return self._refuse(Ending(wanted))
        return self._carry_out(request, order, host)

    def _carry_out(self, request: bytes, order: Order, host: Host) -> Ended:
        limits = order.run.limits
        resident = self._meters.resident_bytes()
        started_ns, cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
        wanted: Verdict | None = None
        try:
            reply = self._call(request, _reply_bytes_max(limits))
        finally:
            wanted = self._turn.end()
            self._conversation.let_go()
        cpu_us = (time.thread_time_ns() - cpu_ns) // 1_000
        wall_us = (time.perf_counter_ns() - started_ns) // 1_000
        self._conversation.raise_if_broken()
        self._grown_bytes += max(0, self._meters.resident_bytes() - resident)
        fuel, is_over_fuel = self._store.fuel_over(limits.fuel)
        usage = Usage(
            wall_us=wall_us,
            cpu_us=cpu_us,
            fuel=fuel,
            peak_memory_bytes=min(limits.memory_bytes, self._floor_bytes + self._grown_bytes),
            files_bytes=self._files.used_bytes(),
        )
        if isinstance(reply, wire.Reply):
            value = self._value_of(reply, limits)
            if not isinstance(value, Ending):
                return self._answered(reply, value, order, host, usage, is_over_fuel=is_over_fuel)
            reply = value
        self._is_spent = True
        if isinstance(reply, Fault):
            reply = ending_of(reply, self._conversation, wanted)
        return _ended(_within(reply, usage, limits, is_over_fuel=is_over_fuel), usage)

    def _call(self, request: bytes, reply_bytes_max: int) -> wire.Reply | Fault | Ending:
        """Call the guest's `run`: a few microseconds beside its own time and the reading."""
        argument, result, lib = self._argument.of.string, self._result, self._component.library
        argument.size = len(request)
        # wasmtime copies the text and keeps no pointer to it.
        argument.data = cast(c_char_p(request), c_void_p).value
        error = lib.func_call(
            byref(self._function), self._store.context, byref(self._argument), 1, byref(result), 1
        )
        if error:
            fault: Fault = lib.take_error(error)
            return fault
        try:
            size = result.of.string.size
            if size > reply_bytes_max:
                return Ending(Verdict.VALUE)
            text = string_at(result.of.string.data or 0, size)
        finally:
            lib.val_delete(byref(result))
        try:
            return wire.unpack_reply(text.decode(), memory=True)
        except (RemoteProtocolError, UnicodeDecodeError) as broken:
            return crashed(f"the guest's reply is none: {printable(str(broken))}")

    def _value_of(self, reply: wire.Reply, limits: RunLimits) -> list[bytes] | Ending:
        """Return the pieces of a reply's value, those that lie in the guest's memory too."""
        if reply.value is None:
            return []
        pieces = (reply.value.body, *reply.value.buffers)
        placed = (piece.length_bytes for piece in pieces if isinstance(piece, wire.InMemory))
        if sum(placed) > limits.value_bytes:
            return Ending(Verdict.VALUE)
        try:
            return self._conversation.fetch(pieces, limits.value_bytes)
        except RemoteProtocolError as broken:
            return crashed(f"the guest's reply is none: {printable(str(broken))}")

    # --- before and after ------------------------------------------------------------------------
    def _prepare(self, order: Order) -> bytes:
        pieces = Pieces(order, self._spool_path)
        opened = self._files.begin(order.run, pieces)
        if opened:
            self._store.set_wasi(preopens=opened)
        self._conversation.let_go()
        hold = self._conversation.hold
        request = request_of(order, pieces, cwd=self._files.work_path, hold=hold)
        return wire.pack_request(request).encode()

    def _answered(
        self,
        reply: wire.Reply,
        value: list[bytes],
        order: Order,
        host: Host,
        usage: Usage,
        *,
        is_over_fuel: bool,
    ) -> Ended:
        if reply.stdout:
            host.output("stdout", reply.stdout)
        if reply.stderr:
            host.output("stderr", reply.stderr)
        if reply.truncated_stdout:
            host.mark_truncated("stdout")
        if reply.truncated_stderr:
            host.mark_truncated("stderr")
        told = reply.error
        error = None if told is None else Error(told.name, told.message, told.traceback)
        ending = Ending(Verdict(reply.verdict), reply.exit_code, error)
        ending = _within(ending, usage, order.run.limits, is_over_fuel=is_over_fuel)
        files: dict[str, bytes] = {}
        if order.run.keep_files and ending.verdict is not Verdict.FILES:
            try:
                files = self._files.take_files(order.run.limits.files_bytes)
            except FilesOverLimit:
                ending = Ending(Verdict.FILES)
        return Ended(
            verdict=ending.verdict,
            exit_code=ending.exit_code,
            error=ending.error,
            value=value[0] if value else None,
            out_of_band=value[1:],
            files=files,
            usage=usage,
            timings=Timings(
                decode_us=reply.decode_us, run_us=reply.run_us, encode_us=reply.encode_us
            ),
            reusable=True,
        )

    def _refuse(self, ending: Ending) -> Ended:
        """Return the ending of a run whose guest never began; the sandbox is as it was."""
        self._conversation.begin(None)
        return Ended(ending.verdict, ending.exit_code, ending.error, reusable=True)

    # --- from other threads, and the end ---------------------------------------------------------
    def interrupt(self, verdict: Verdict) -> None:
        """End the run at hand, or the next at its beginning, with `verdict`. Any thread."""
        self._turn.interrupt(verdict)

    def files_bytes(self) -> int:
        """Return the bytes the guest wrote to files in its run. Any thread."""
        return self._files.written_bytes()

    def close(self) -> None:
        """Free the instance and its folder. Idempotent."""
        self._store.close()
        self._files.close()


def _reply_bytes_max(limits: RunLimits) -> int:
    """A byte that is no text travels as two."""
    parts = limits.value_bytes + limits.stdout_bytes + limits.stderr_bytes
    return 2 * parts + _REPLY_ROOM_BYTES


def _ended(ending: Ending, usage: Usage) -> Ended:
    return Ended(ending.verdict, ending.exit_code, ending.error, usage=usage)


def _within(ending: Ending, usage: Usage, limits: RunLimits, *, is_over_fuel: bool) -> Ending:
    is_over_files = usage.files_bytes > limits.files_bytes
    return within_limits(ending, is_over_fuel=is_over_fuel, is_over_files=is_over_files)


def _refusal(name: str, message: str) -> Ending:
    return Ending(Verdict.EXCEPTION, 1, Error(name, message))


def _too_small(limits: RunLimits, floor_bytes: int) -> Error:
    return Error(
        "MemoryError",
        f"the limit of {limits.memory_bytes} bytes is below what the guest holds, {floor_bytes} "
        "of them from its beginning",
    )
