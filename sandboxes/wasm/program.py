"""Any other WASI program: a preview 1 module or a preview 2 component, compiled before.

It gets arguments, variables, input and directories, and writes to captured streams. It can call
no host function, and it is made anew for each run.

Rule 1: a program is instantiated inside its run, under the run's limits: its start is its own.
Rule 2: what this cannot serve (an unknown import, no entry) is told in the outcome, by name.
Rule 3: a program that waits is not ended by an interrupt: the kill of its cell ends it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from ctypes import byref, c_void_p
from typing import Final, Protocol

from protocol.errors import printable
from protocol.messages import Error, Run, Usage, Verdict
from sandboxes.base import Ended, Host, Order
from sandboxes.errors import ImageError, MountRefused, SandboxBroken
from sandboxes.meters import Meters
from sandboxes.requests import Pieces
from sandboxes.wasm.binding import (
    EXTERN_FUNC,
    EXTERN_MEMORY,
    VAL_RESULT,
    CoreInstance,
    Extern,
    Fault,
    Val,
)
from sandboxes.wasm.component import Component, NotInstantiated
from sandboxes.wasm.conversation import Conversation
from sandboxes.wasm.engine import Engine
from sandboxes.wasm.faults import Ending, ending_of, exited, within_limits
from sandboxes.wasm.mounts import SPOOL_PATH
from sandboxes.wasm.store import Store
from sandboxes.wasm.surroundings import FilesOverLimit, Surroundings
from sandboxes.wasm.turn import Turn

_START: Final = b"_start"
_MEMORY: Final = b"memory"
#: Any later 0.2 release matches it.
_COMMAND: Final = "wasi:cli/run@0.2.0"
_OVER_MEMORIES: Final = "memory count too high"

#: A compiled file is ELF; wasmtime marks the kind in its flags.
_ELF_MAGIC: Final = b"\x7fELF"
_ELF_FLAGS_AT: Final = 48
_ELF_FLAGS_BYTES: Final = 4
_KIND_MODULE, _KIND_COMPONENT = 1, 2


class Program(Protocol):
    """A loaded program, ready to be started again and again."""

    engine: Engine

    def start(self, store: Store) -> Fault | int:
        """Run it to its end in `store`.

        Returns:
            Its exit code, or why it did not come to its end.

        Raises:
            ImageError: it cannot be served here.
        """
        ...

    def memory_bytes(self, store: Store) -> int:
        """Return the size of its memory in `store` after `start`; 0 if that is not to be read."""
        ...

    def close(self) -> None:
        """Free it. Idempotent."""


class _Module:
    """A preview 1 command: a core module that exports `_start`."""

    def __init__(self, engine: Engine, path: str) -> None:
        self.engine = engine
        self._lib = lib = engine.library
        self._pre: int | None = None
        self._instance = CoreInstance()
        self._was_made = False
        module, pre = c_void_p(), c_void_p()
        if error := lib.module_load(engine.pointer, os.fsencode(path), byref(module)):
            raise ImageError(f"the program is not loaded: {lib.take_error(error).cause}")
        linker = lib.core_linker_new(engine.pointer)
        try:
            lib.check(lib.core_linker_wasi(linker), "WASI cannot be linked")
            if error := lib.core_linker_pre(linker, module, byref(pre)):
                raise _unserved(lib.take_error(error))
        finally:
            lib.core_linker_delete(linker)
            lib.module_delete(module)
        self._pre = pre.value

    def start(self, store: Store) -> Fault | int:
        """Run it; see `Program.start`."""
        lib, trap, entry = self._lib, c_void_p(), Extern()
        self._was_made = False
        error = lib.pre_instantiate(self._pre, store.context, byref(self._instance), byref(trap))
        if fault := self._fault(error, trap):
            return fault
        self._was_made = True
        if not self._export(store, _START, entry) or entry.kind != EXTERN_FUNC:
            raise ImageError("the program exports no function '_start': it is no command")
        error = lib.core_func_call(store.context, byref(entry.of), None, 0, None, 0, byref(trap))
        return self._fault(error, trap) or 0

    def memory_bytes(self, store: Store) -> int:
        """Return the size of its exported memory."""
        memory = Extern()
        if not (self._was_made and self._export(store, _MEMORY, memory)):
            return 0
        if memory.kind != EXTERN_MEMORY:
            return 0
        return int(self._lib.memory_size(store.context, byref(memory.of)))

    def _export(self, store: Store, name: bytes, into: Extern) -> bool:
        return bool(
            self._lib.instance_export(
                store.context, byref(self._instance), name, len(name), byref(into)
            )
        )

    def _fault(self, error: int | None, trap: c_void_p) -> Fault | None:
        if trap.value:
            return self._lib.take_trap(trap.value)
        return self._lib.take_error(error) if error else None

    def close(self) -> None:
        """Free it."""
        if self._pre is not None:
            self._lib.pre_delete(self._pre)
            self._pre = None


class _Command:
    """A preview 2 command: a component that exports `wasi:cli/run`."""

    def __init__(self, engine: Engine, path: str) -> None:
        self.engine = engine
        self._component = Component(engine, path, with_host=False)
        export = self._component.export("run", inside=_COMMAND)
        if export is None:
            self.close()
            raise ImageError(f"the program does not export {_COMMAND}: it is no command")
        self._entry = export

    def start(self, store: Store) -> Fault | int:
        """Run it; see `Program.start`."""
        lib = self._component.library
        try:
            function = self._component.instantiate(store, self._entry)
        except NotInstantiated as refused:
            if "was not found in the linker" in refused.fault.text:
                raise _unserved(refused.fault) from None
            return refused.fault
        result = Val()
        error = lib.func_call(byref(function), store.context, None, 0, byref(result), 1)
        if error:
            return lib.take_error(error)
        try:
            return 0 if result.kind == VAL_RESULT and result.of.result.is_ok else 1
        finally:
            lib.val_delete(byref(result))

    def memory_bytes(self, store: Store) -> int:
        """Return 0: a component does not show its memory."""
        return 0

    def close(self) -> None:
        """Free it."""
        self._component.close()


def load(engine: Engine, path: str) -> Program:
    """Load the compiled program at `path`.

    Raises:
        ImageError: it is no compiled program, was compiled otherwise, or imports what is not
            served; the text names the import.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(_ELF_FLAGS_AT + _ELF_FLAGS_BYTES)
    except OSError as error:
        raise ImageError(f"the program is not loaded: {error.strerror}") from None
    kind = int.from_bytes(head[_ELF_FLAGS_AT:], "little") if head.startswith(_ELF_MAGIC) else 0
    if kind == _KIND_COMPONENT:
        return _Command(engine, path)
    if kind == _KIND_MODULE:
        return _Module(engine, path)
    raise ImageError("the program is not loaded: it is not compiled")


class ProgramSandbox:
    """One run of a program; see `sandboxes.base.Sandbox`."""

    __slots__ = (
        "_conversation",
        "_files",
        "_find",
        "_is_used",
        "_meters",
        "_spool_path",
        "_store",
        "_turn",
    )

    def __init__(
        self,
        engine: Engine,
        find: Callable[[str], Program],
        *,
        meters: Meters,
        spool_path: str,
        scratch_path: str = "",
    ) -> None:
        """Get ready; `find` gives the loaded program of a path."""
        self._find = find
        self._meters = meters
        self._spool_path = spool_path
        self._conversation = Conversation()
        self._store = Store(engine, self._conversation)
        self._turn = Turn(engine)
        self._files = Surroundings(meters, spool_path, scratch_path)
        self._is_used = False

    def run(self, order: Order, host: Host) -> Ended:
        """Run the program and return how it ended. On the main thread alone.

        Raises:
            SandboxBroken: our side failed.
        """
        self._store.check_open()
        if self._is_used:
            raise SandboxBroken("a program's sandbox was used twice")
        self._is_used = True
        self._meters.attend_thread()
        run, pieces = order.run, Pieces(order, self._spool_path, SPOOL_PATH)
        try:
            program = self._find(str(pieces.data(run.source), "utf-8"))
            self._prepare(run, pieces)
            self._conversation.begin(host)
            if (wanted := self._turn.begin(self._store)) is not None:
                return Ended(wanted)
            return self._carry_out(program, run)
        except (ImageError, MountRefused) as refused:
            error = Error(type(refused).__name__, str(refused))
            return Ended(Verdict.EXCEPTION, 1, error)

    def _prepare(self, run: Run, pieces: Pieces) -> None:
        if run.stdin_live:
            raise ImageError("a program takes its input as bytes, not live")
        opened = self._files.begin(run, pieces) or ()
        self._store.set_wasi(
            preopens=opened,
            argv=(run.filename, *run.argv),
            env=[(variable.name, variable.value) for variable in run.env],
            stdin=b"" if run.stdin is None else bytes(pieces.data(run.stdin)),
        )
        self._store.limit_memory(run.limits.memory_bytes)
        self._store.set_fuel(run.limits.fuel)

    def _carry_out(self, program: Program, run: Run) -> Ended:
        resident = self._meters.resident_bytes()
        started_ns, cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
        wanted: Verdict | None = None
        try:
            fault = program.start(self._store)
        finally:
            wanted = self._turn.end()
        fuel, is_over_fuel = self._store.fuel_over(run.limits.fuel)
        memory = program.memory_bytes(self._store) or self._meters.resident_bytes() - resident
        usage = Usage(
            wall_us=(time.perf_counter_ns() - started_ns) // 1_000,
            cpu_us=(time.thread_time_ns() - cpu_ns) // 1_000,
            fuel=fuel,
            peak_memory_bytes=min(run.limits.memory_bytes, max(0, memory)),
            files_bytes=self._files.used_bytes(),
        )
        ending = within_limits(
            self._ending(fault, wanted),
            is_over_fuel=is_over_fuel,
            is_over_files=usage.files_bytes > run.limits.files_bytes,
        )
        files: dict[str, bytes] = {}
        if run.keep_files and ending.verdict in (Verdict.OK, Verdict.EXIT):
            try:
                files = self._files.take_files(run.limits.files_bytes)
            except FilesOverLimit:
                ending = Ending(Verdict.FILES)
        return Ended(ending.verdict, ending.exit_code, ending.error, files=files, usage=usage)

    def _ending(self, fault: Fault | int, wanted: Verdict | None) -> Ending:
        if isinstance(fault, int):
            self._conversation.raise_if_broken()
            return exited(fault)
        if _OVER_MEMORIES in fault.cause:
            raise ImageError("the program has more than one memory, and one can be limited")
        return ending_of(fault, self._conversation, wanted)

    def warm_up(self) -> None:
        """A program begins in its run."""

    def interrupt(self, verdict: Verdict) -> None:
        """End the run at hand, or at its beginning, with `verdict`. Any thread."""
        self._turn.interrupt(verdict)

    def files_bytes(self) -> int:
        """Return the bytes the program wrote to files. Any thread."""
        return self._files.written_bytes()

    def close(self) -> None:
        """Free the instance and its folder. Idempotent."""
        self._store.close()
        self._files.close()


def _unserved(fault: Fault) -> ImageError:
    """Return the refusal of a program that imports what there is not; the first line names it."""
    return ImageError(f"the program cannot be served: {printable(fault.text.splitlines()[0])}")
